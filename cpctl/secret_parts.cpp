#include "cpctl/secret_parts.h"

#include <string_view>

namespace clawpatrol::cpctl {
namespace {

using control::WipedBuffer;

constexpr std::string_view begin_mark = "-----BEGIN ", end_mark = "-----END ", dashes = "-----";

// Of PEM no byte but line ends needs an escape.
void append_escaped(WipedBuffer& out, std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    out.append(text.substr(at, end - at));
    if (end < text.size() && text[end] == '\n') out.append("\\n");
    at = end + 1;
  }
}

// Blocks whose label says the same, one after the other.
std::expected<WipedBuffer, std::string> from_pem(std::string_view text) {
  WipedBuffer certificates, key, out;
  for (std::size_t at = text.find(begin_mark); at != std::string_view::npos; at = text.find(begin_mark, at)) {
    const std::size_t label_end = text.find(dashes, at + begin_mark.size());
    const std::size_t last = label_end == std::string_view::npos ? label_end : text.find(end_mark, label_end);
    const std::size_t end = last == std::string_view::npos ? last : text.find(dashes, last + end_mark.size());
    if (end == std::string_view::npos) return std::unexpected("the PEM text is cut off");
    const std::string_view label = text.substr(at + begin_mark.size(), label_end - at - begin_mark.size());
    const std::string_view block = text.substr(at, end + dashes.size() - at);
    at = end;
    const bool is_key = label.ends_with("PRIVATE KEY");
    if (!is_key && label != "CERTIFICATE") continue;  // parameters of a curve
    if (block.find_first_of("\"\\") != std::string_view::npos)
      return std::unexpected("the PEM text is broken");
    if (is_key && key.size() > 0) return std::unexpected("there are two private keys");
    append_escaped(is_key ? key : certificates, block);
    (is_key ? key : certificates).append("\\n");
  }
  out.append("{");
  if (certificates.size() > 0) {
    out.append("\"certificate\": \"");
    out.append(certificates.view());
    out.append(key.size() > 0 ? "\", " : "\"");
  }
  if (key.size() > 0) {
    out.append("\"private_key\": \"");
    out.append(key.view());
    out.append("\"");
  }
  out.append("}");
  return out;
}

WipedBuffer without_line_ends(std::string_view json) {
  WipedBuffer out;
  bool within = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const bool escaped = within && json[i] == '\\' && i + 1 < json.size();
    if (json[i] == '"') within = !within;
    const bool space = std::string_view("\r\n\t").contains(json[i]);
    if (within || !space) out.append(json.substr(i, escaped ? 2 : 1));
    if (escaped) ++i;
  }
  return out;
}

}  // namespace

std::expected<WipedBuffer, std::string> in_one_line(WipedBuffer value) {
  const std::string_view text = value.view();
  if (text.find_first_of("\r\n\t") == std::string_view::npos) return value;
  if (text.starts_with('{')) return without_line_ends(text);
  if (text.contains(begin_mark)) return from_pem(text);
  return value;
}

}  // namespace clawpatrol::cpctl
