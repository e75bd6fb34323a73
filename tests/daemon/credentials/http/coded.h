// Bodies in the codings of HTTP, as a peer makes them.
#pragma once

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

namespace clawpatrol::tests {

inline std::string deflated(const std::string& text, int bits) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string coded(const std::string& coding, const std::string& text) {
  if (coding == "gzip") return deflated(text, 16 + MAX_WBITS);
  if (coding == "deflate") return deflated(text, MAX_WBITS);
  std::string out(text.size() + 1024, '\0');
  std::size_t size = out.size();
  if (coding == "br")
    BrotliEncoderCompress(5, 20, BROTLI_MODE_GENERIC, text.size(),
                          reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                          reinterpret_cast<std::uint8_t*>(out.data()));
  else
    size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  out.resize(size);
  return out;
}

// As gzip has it that does not end: all of the text is out.
inline std::string deflated_then_flushed(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FULL_FLUSH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace clawpatrol::tests
