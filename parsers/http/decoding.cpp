#include "parsers/http/decoding.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

namespace clawpatrol::http {
namespace {

using Decoded = std::expected<std::string, Unknown>;

constexpr std::size_t step_bytes = 64 << 10;

// What may come out of `in` bytes.
std::size_t allowed(std::size_t in, std::size_t limit) {
  return std::min(limit, std::max(ratio_free_bytes, in * max_ratio));
}

// Room for one step, one byte past the limit at most, so that passing it is seen.
std::size_t grow(std::string& out, std::size_t most) {
  const std::size_t before = out.size();
  out.resize(std::min(before + step_bytes, most + 1));
  return before;
}

Decoded inflated(std::string_view in, int window_bits, std::size_t most) {
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) return std::unexpected(Unknown::undecodable);
  std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  std::string out;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    const std::size_t before = grow(out, most);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) return std::unexpected(Unknown::undecodable);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > most) return std::unexpected(Unknown::over_limit);
  }
  if (stream.avail_in > 0) return std::unexpected(Unknown::undecodable);
  return out;
}

Decoded unbrotlied(std::string_view in, std::size_t most) {
  std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance);
  if (!state) return std::unexpected(Unknown::undecodable);
  std::size_t left = in.size();
  auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
  std::string out;
  for (auto status = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT; status != BROTLI_DECODER_RESULT_SUCCESS;) {
    const std::size_t before = grow(out, most);
    auto* next_out = reinterpret_cast<std::uint8_t*>(out.data() + before);
    std::size_t room = out.size() - before;
    status = BrotliDecoderDecompressStream(state.get(), &left, &next_in, &room, &next_out, nullptr);
    const bool goes_on =
        status == BROTLI_DECODER_RESULT_SUCCESS || status == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    if (!goes_on) return std::unexpected(Unknown::undecodable);
    out.resize(out.size() - room);
    if (out.size() > most) return std::unexpected(Unknown::over_limit);
  }
  if (left > 0) return std::unexpected(Unknown::undecodable);
  return out;
}

Decoded unzstded(std::string_view in, std::size_t most) {
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return std::unexpected(Unknown::undecodable);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, max_zstd_window_log);
  // A frame that is skipped is nothing to one reader and a second frame to another.
  constexpr std::string_view magic("\x28\xb5\x2f\xfd", 4);
  if (!in.starts_with(magic)) return std::unexpected(Unknown::undecodable);
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  std::string out;
  for (std::size_t status = 1; status != 0;) {
    const std::size_t before = grow(out, most);
    ZSTD_outBuffer target{out.data() + before, out.size() - before, 0};
    status = ZSTD_decompressStream(context.get(), &target, &source);
    if (ZSTD_isError(status)) return std::unexpected(Unknown::undecodable);
    out.resize(before + target.pos);
    if (out.size() > most) return std::unexpected(Unknown::over_limit);
    // Everything is in, nothing came out, and the frame is not at its end: it is cut off.
    if (status != 0 && source.pos == source.size && target.pos < target.size)
      return std::unexpected(Unknown::undecodable);
  }
  if (source.pos < source.size) return std::unexpected(Unknown::undecodable);
  return out;
}

Decoded undone(std::string_view body, std::string_view coding, std::size_t limit) {
  const std::size_t most = allowed(body.size(), limit);
  if (coding == "gzip" || coding == "x-gzip") return inflated(body, 16 + MAX_WBITS, most);
  if (coding == "deflate") return inflated(body, MAX_WBITS, most);
  if (coding == "br") return unbrotlied(body, most);
  if (coding == "zstd") return unzstded(body, most);
  return std::unexpected(Unknown::undecodable);
}

}  // namespace

Decoded decode(std::string_view body, const std::vector<std::string>& codings, std::size_t limit) {
  if (body.size() > limit) return std::unexpected(Unknown::over_limit);
  if (codings.size() > max_codings) return std::unexpected(Unknown::undecodable);
  std::string text(body);
  for (auto coding = codings.rbegin(); coding != codings.rend(); ++coding) {
    if (*coding == "identity") continue;
    auto before = undone(text, *coding, limit);
    if (!before) return before;
    text = std::move(*before);
  }
  return text;
}

}  // namespace clawpatrol::http
