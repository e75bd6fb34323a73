#include "parsers/http/target.h"

#include <algorithm>
#include <vector>

#include "parsers/http1/text.h"
#include "parsers/json.h"

namespace clawpatrol::http {
namespace {

std::string_view second_reading(std::string_view raw, std::string_view decoded) {
  if (raw.contains("%2f") || raw.contains("%2F")) return "the path has an encoded slash";
  if (decoded.contains('\\')) return "the path has a backslash";
  if (decoded.contains("//")) return "the path has an empty segment";
  if (decoded.contains(';')) return "the path has a ';'";
  if (std::ranges::any_of(decoded, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
    return "the path has a control character";
  if (!is_utf8(decoded)) return "the path is not UTF-8";
  return {};
}

std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  bool slash_behind = false;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    slash_behind = segment == "." || segment == "..";
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (!slash_behind) kept.push_back(segment);
  }
  std::string text;
  for (std::string_view segment : kept) text.append("/").append(segment);
  if (slash_behind) text += '/';
  return text;
}

// None: two readings.
std::optional<std::string> decoded_pair(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  auto decoded = percent_decoded(spaced);
  if (!decoded || decoded->contains('\0') || !is_utf8(*decoded)) return std::nullopt;
  return decoded;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = http1::hex_digit(text[i + 1]), low = http1::hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return out;
}

std::expected<Path, std::string_view> read_path(std::string_view raw) {
  if (raw == "*") return Path{"*", {}};
  if (!raw.starts_with('/')) return std::unexpected("the path does not begin with a slash");
  auto decoded = percent_decoded(raw);
  if (!decoded) return std::unexpected("the path has an escape that is none");
  return Path{without_dots(*decoded), second_reading(raw, *decoded)};
}

Facet<Document> read_query(std::string_view query) {
  Document::Members pairs;
  std::size_t count = 0;
  if (query.contains(';')) return Unknown::unparseable;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    if (++count > max_query_pairs) return Unknown::over_limit;
    const std::size_t equals = pair.find('=');
    auto name = decoded_pair(pair.substr(0, equals));
    auto value = decoded_pair(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (!name || !value) return Unknown::unparseable;
    add_text(pairs, *name, std::move(*value));
  }
  return Document{std::move(pairs)};
}

}  // namespace clawpatrol::http
