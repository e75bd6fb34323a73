// The `encoders` extension: base64 (RFC 4648, section 4), read with padding or without.
#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Value encode(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::bytes) return Value::error(ErrorCode::wrong_type);
  std::string_view bytes = arguments[0].text();
  std::size_t size = (bytes.size() + 2) / 3 * 4;
  char* out = frame.make<char>(size);
  if (!out) return out_of_budget();
  for (std::size_t at = 0, to = 0; at < bytes.size(); at += 3, to += 4) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      out[to + i] = at + i > bytes.size() ? '=' : alphabet[group >> (18 - 6 * i) & 63];
  }
  return Value::of_string({out, size});
}

Value decode(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::string) return Value::error(ErrorCode::wrong_type);
  std::string_view text = arguments[0].text();
  if (text.size() % 4 == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  if (text.size() % 4 == 1) return Value::error(ErrorCode::bad_argument);
  char* out = frame.make<char>(text.size() * 3 / 4);
  if (!out) return out_of_budget();
  std::size_t size = 0;
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (char c : text) {
    std::size_t value = alphabet.find(c);
    if (value == alphabet.npos) return Value::error(ErrorCode::bad_argument);
    group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[size++] = static_cast<char>(group >> bits);
  }
  return Value::of_bytes({out, size});
}

constexpr Function functions[] = {
    {"base64.encode", encode, {global(Param::string, {Param::bytes})}},
    {"base64.decode", decode, {global(Param::bytes, {Param::string})}},
};

}  // namespace

std::span<const Function> encoder_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
