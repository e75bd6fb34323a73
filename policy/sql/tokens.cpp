// pg_query_scan answers in protobuf (pg_query.proto, ScanResult):
//
//   ScanResult  2: repeated ScanToken
//   ScanToken   1: start, 2: end (varints, bytes), 4: token (varint), 5: keyword_kind (varint)
//
// which is read here by hand: a few lines instead of a library.
#include "policy/sql/tokens.h"

#include <pg_query.h>

#include <algorithm>
#include <cstdint>

namespace clawpatrol::sql {
namespace {

// Values of the enums Token and KeywordKind in pg_query.proto.
constexpr std::uint64_t token_semicolon = 59;
constexpr std::uint64_t token_ident = 258;
constexpr std::uint64_t token_uident = 259;
constexpr std::uint64_t token_sconst = 261;
constexpr std::uint64_t token_usconst = 262;
constexpr std::uint64_t token_sql_comment = 275;
constexpr std::uint64_t token_c_comment = 276;
constexpr std::uint64_t reserved_keyword = 4;
constexpr std::size_t longest_name = 63;

class Wire {
 public:
  explicit Wire(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  bool ok() const { return ok_; }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view bytes() {
    std::uint64_t size = varint();
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

Token::Kind kind_of(std::uint64_t token) {
  switch (token) {
    case token_semicolon: return Token::Kind::semicolon;
    case token_ident: return Token::Kind::name;
    case token_uident: return Token::Kind::unicode_name;
    case token_sconst:
    case token_usconst: return Token::Kind::string;
    case token_sql_comment:
    case token_c_comment: return Token::Kind::comment;
    default: return Token::Kind::other;
  }
}

Token read_token(Wire wire, bool& ok) {
  Token token;
  while (!wire.empty()) {
    std::uint64_t key = wire.varint();
    if ((key & 7) != 0) break;
    std::uint64_t value = wire.varint();
    if (key >> 3 == 1) token.start = value;
    if (key >> 3 == 2) token.end = value;
    if (key >> 3 == 4) token.kind = kind_of(value);
    if (key >> 3 == 5) {
      token.keyword = value != 0;
      token.reserved = value == reserved_keyword;
    }
  }
  ok = wire.ok() && wire.empty();
  return token;
}

bool read_tokens(Wire wire, std::size_t text_size, std::vector<Token>& tokens) {
  while (!wire.empty()) {
    std::uint64_t key = wire.varint();
    if (key == (1U << 3)) {
      wire.varint();  // version
      continue;
    }
    if (key != ((2U << 3) | 2U)) return false;
    bool ok = false;
    Token token = read_token(Wire(wire.bytes()), ok);
    if (!ok || token.start > token.end || token.end > text_size) return false;
    tokens.push_back(token);
  }
  return wire.ok();
}

char fold(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

Scan scan(const std::string& text) {
  Scan scan;
  PgQueryScanResult result = pg_query_scan(text.c_str());
  scan.failed = result.error != nullptr ||
                !read_tokens(Wire({result.pbuf.data, result.pbuf.len}), text.size(), scan.tokens);
  pg_query_free_scan_result(result);
  return scan;
}

TokenCount count_tokens(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return TokenCount::within;  // a token is at least a byte
  Scan all = scan(text);
  if (all.failed) return TokenCount::unscannable;
  return all.tokens.size() <= limit ? TokenCount::within : TokenCount::over;
}

std::optional<std::vector<std::string>> qualified_name(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\f";
  std::vector<std::string> parts;
  while (true) {
    std::size_t start = text.find_first_not_of(space);
    if (start == std::string_view::npos) return std::nullopt;
    text.remove_prefix(start);
    std::size_t end = 0;
    if (text.front() == '"') {
      end = 1;
      while (end < text.size() && (text[end] != '"' || text.substr(end).starts_with("\"\""))) {
        end += text[end] == '"' ? 2 : 1;
      }
      if (end >= text.size()) return std::nullopt;
      ++end;
    } else {
      end = std::min(text.find_first_of(". \t\n\r\f"), text.size());
      bool folds_surely = std::ranges::all_of(text.substr(0, end),
                                              [](char c) { return static_cast<unsigned char>(c) < 0x80; });
      bool number = text.front() >= '0' && text.front() <= '9';
      if (end == 0 || !folds_surely || number || text.substr(0, end) == "-") return std::nullopt;
    }
    parts.push_back(identifier_value(text.substr(0, end)));
    text.remove_prefix(end);
    std::size_t next = text.find_first_not_of(space);
    if (next == std::string_view::npos) return parts;
    if (text[next] != '.') return std::nullopt;
    text.remove_prefix(next + 1);
  }
}

std::string identifier_value(std::string_view written) {
  std::string value;
  if (written.size() >= 2 && written.front() == '"') {
    for (std::size_t i = 1; i + 1 < written.size(); ++i) {
      value.push_back(written[i]);
      if (written[i] == '"') ++i;  // doubled
    }
  } else {
    for (char c : written) value.push_back(fold(c));
  }
  if (value.size() > longest_name) {
    std::size_t cut = longest_name;
    while (cut > 0 && (static_cast<unsigned char>(value[cut]) & 0xc0U) == 0x80U) --cut;
    value.resize(cut);
  }
  return value;
}

}  // namespace clawpatrol::sql
