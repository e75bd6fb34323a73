#include "policy/sql/newer.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "policy/sql/tokens.h"

namespace clawpatrol::sql {
namespace {

// Where the grammar stopped, and what stands around it. Empty patterns fit anything; a pattern can be several
// words, of which one must fit.
struct Newer {
  std::string_view version;
  std::string_view what;
  std::string_view near;         // the word that was refused
  std::string_view before;       // the one before it
  std::string_view within;       // the function in whose parentheses it stands
  std::string_view statement;    // the statement's first word
  std::string_view next;         // the word behind it
  std::string_view closed = "";  // where `before` closes a parenthesis: the word before that was opened
};

constexpr std::string_view after_18 = "later than PostgreSQL 18";

constexpr std::string_view anywhere_merge = "... merge";  // of a statement: it has one, such as in a WITH

constexpr Newer newer[] = {
    {"PostgreSQL 16", "JSON_ARRAY, JSON_OBJECT and their aggregates",
     ": value null absent returning select with without values format", "",
     "json_array json_object json_arrayagg json_objectagg", "", ""},
    {"PostgreSQL 17", "JSON_TABLE", "as columns passing error null format", "", "json_table", "", ""},
    {"PostgreSQL 17", "JSON_VALUE, JSON_QUERY, JSON_EXISTS and JSON_SERIALIZE",
     "returning passing with without keep omit null error empty default true false unknown format", "",
     "json json_value json_query json_exists json_serialize json_scalar", "", ""},
    {after_18, "GRAPH_TABLE", "", "", "graph_table", "", ""},
    {"PostgreSQL 16", "IS JSON", "json", "is not", "", "", ""},
    {"PostgreSQL 16", "XMLSERIALIZE ... INDENT", "indent no", "", "xmlserialize", "", ""},
    {"PostgreSQL 17", "MERGE ... RETURNING", "returning", "", "", anywhere_merge, ""},
    {"PostgreSQL 17", "MERGE within WITH", "merge", "(", "", "with", ""},
    {"PostgreSQL 17", "WHEN NOT MATCHED BY", "by", "matched", "", "", ""},
    {"PostgreSQL 17", "AT LOCAL", "local", "at", "", "", ""},
    {"PostgreSQL 18", "RETURNING WITH (OLD AS ...)", "with", "returning", "", "", ""},
    {"PostgreSQL 18", "a virtual generated column", "virtual", ")", "", "create alter", ""},
    {"PostgreSQL 18", "a generated column without STORED",
     ", ) ; not null check default primary unique references constraint", ")", "", "create alter", "", "as"},
    {"PostgreSQL 18", "INHERIT of a constraint", "inherit", "", "", "alter", ""},
    {"PostgreSQL 18", "NOT NULL with NO INHERIT", "no", "null", "", "create alter", "inherit"},
    {"PostgreSQL 16", "STORAGE of a column that is made", "storage", "", "", "create", ""},
    {"PostgreSQL 18", "WITHOUT OVERLAPS", "without", "", "", "create alter", "overlaps"},
    {"PostgreSQL 18", "PERIOD of a foreign key", "", "period", "", "create alter", ""},
    {"PostgreSQL 18", "[NOT] ENFORCED", "enforced", "", "", "create alter", ""},
    {"PostgreSQL 18", "a constraint NOT NULL", "not", "", "", "alter create", "null"},
    {"PostgreSQL 17", "SET EXPRESSION", "expression", "set", "", "alter", ""},
    {"PostgreSQL 17", "SET STATISTICS DEFAULT", "default", "statistics", "", "alter", ""},
    {"PostgreSQL 17", "a property of an operator without a value", ", )", "merges hashes", "", "alter", ""},
    {"PostgreSQL 17", "CLUSTER with options and without a table", ";", ")", "", "cluster", ""},
    {"PostgreSQL 17", "SET ACCESS METHOD DEFAULT", "default", "method", "", "alter", ""},
    {"PostgreSQL 16", "SET STORAGE DEFAULT", "default", "storage", "", "alter", ""},
    {"PostgreSQL 18", "default privileges of large objects", "large", "on", "", "alter", ""},
    {after_18, "MERGE and SPLIT of partitions", "merge split", "", "", "alter", "partition partitions"},
    {"PostgreSQL 16", "GRANT of a role WITH INHERIT or SET", "inherit set", "with ,", "", "grant", ""},
    {"PostgreSQL 16", "GRANT of a role WITH ADMIN TRUE or FALSE", "true false", "admin", "", "grant", ""},
    {"PostgreSQL 16", "GRANT of a role WITH INHERIT or SET", ",", "option", "", "grant", "inherit set"},
    {"PostgreSQL 16", "REVOKE of INHERIT or SET", "option", "inherit set", "", "revoke", ""},
    {"PostgreSQL 16", "CREATE STATISTICS without a name", "on", "statistics", "", "create", ""},
    {"PostgreSQL 16", "REINDEX of this database without its name", "", "database system", "", "reindex", ""},
    {"PostgreSQL 18", "ONLY of VACUUM and ANALYZE", "only", "", "", "vacuum analyze", ""},
    {after_18, "property graphs", "property", "create alter drop", "", "", ""},
    {after_18, "IGNORE NULLS and RESPECT NULLS", "nulls", "ignore respect", "", "", ""},
    {after_18, "FOR PORTION OF", "for", "", "", "update delete", "portion"},
    {after_18, "ON CONFLICT DO SELECT", "select", "do", "", "insert with", ""},
    {after_18, "publications of all sequences", "sequences", "all", "", "create alter", ""},
    {after_18, "options of CHECKPOINT", "(", "checkpoint", "", "checkpoint", ""},
    {after_18, "GROUP BY ALL", "", "all", "", "select with", ""},
    {after_18, "WAIT FOR", "wait", "", "", "wait", ""},
    {after_18, "REPACK", "repack", "", "", "repack", ""},
};

bool fits(std::string_view pattern, std::string_view word) {
  if (pattern.empty()) return true;
  while (!pattern.empty()) {
    const std::size_t end = std::min(pattern.find(' '), pattern.size());
    if (pattern.substr(0, end) == word) return true;
    pattern.remove_prefix(std::min(end + 1, pattern.size()));
  }
  return false;
}

// The words of the statement in which the error is, up to one beyond it; its end is a semicolon.
struct Place {
  std::string near, before, within, statement, next, closed;
  bool merges = false;
};

std::size_t byte_of(std::string_view text, std::size_t character) {
  std::size_t at = 0;
  for (std::size_t left = character; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U;
    if (begins && left-- == 0) break;
  }
  return at;
}

Place place_of(std::string_view text, std::size_t error_byte) {
  Place place;
  std::vector<std::string> callers;  // the word before each parenthesis that is open
  for (const Token& token : scan(std::string(text)).tokens) {
    if (token.kind == Token::Kind::comment) continue;
    std::string word = identifier_value(text.substr(token.start, token.end - token.start));
    if (token.start > error_byte) {
      place.next = std::move(word);
      break;
    }
    if (token.start == error_byte) {
      place.near = std::move(word);
      continue;
    }
    if (place.statement.empty()) place.statement = word, place.merges = false;
    place.merges |= word == "merge";
    place.closed.clear();
    if (word == "(") callers.push_back(place.before);
    if (word == ")" && !callers.empty()) {
      place.closed = std::move(callers.back());
      callers.pop_back();
    }
    if (word == ";") callers.clear(), place.statement.clear();
    place.before = std::move(word);
  }
  if (!callers.empty()) place.within = callers.back();
  if (place.statement.empty()) place.statement = place.near;
  if (place.near.empty()) place.near = ";";
  return place;
}

std::string sentence(std::string_view what, std::string_view version) {
  return fmt::format("syntax of a newer server ({}, {}); the gateway reads that of PostgreSQL 15", what,
                     version);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Digits with underscores between them. Where there is one between letters it is no number in any version.
std::size_t digits_of(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t digit = text[at] == '_' && at > 0 ? at + 1 : at;
    if (digit >= text.size() || !is_digit(text[digit])) break;
    at = digit + 1;
  }
  return at;
}

// 1_000, 1.5_0, 1e1_0 and 0x1f, which the lexer refuses before there are tokens.
std::string newer_number(std::string_view number) {
  if (number.size() > 1 && number[0] == '0' && std::string_view("xXoObB").find(number[1]) != number.npos)
    return sentence("an integer that is hexadecimal, octal or binary", "PostgreSQL 16");
  std::size_t end = digits_of(number);
  if (number.substr(end, 1) == ".") end += 1 + digits_of(number.substr(end + 1));
  if (number.substr(end, 1) == "e" || number.substr(end, 1) == "E") {
    const bool sign = number.substr(end + 1, 1) == "-" || number.substr(end + 1, 1) == "+";
    const std::size_t exponent = digits_of(number.substr(end + 1 + (sign ? 1 : 0)));
    if (exponent > 0) end += 1 + (sign ? 1 : 0) + exponent;
  }
  const bool has_underscore = number.substr(0, end).find('_') != number.npos;
  return has_underscore ? sentence("an underscore in a number", "PostgreSQL 16") : std::string();
}

}  // namespace

std::string newer_syntax(std::string_view text, std::string_view error, std::size_t position) {
  if (error.find("in FROM must have an alias") != error.npos)
    return sentence("FROM without an alias", "PostgreSQL 16");
  if (error == "ALTER CONSTRAINT statement constraints cannot be marked NO INHERIT")
    return sentence("INHERIT of a constraint", "PostgreSQL 18");
  if (position == 0) return {};
  const std::size_t byte = byte_of(text, position - 1);
  if (error.starts_with("trailing junk after numeric literal")) return newer_number(text.substr(byte));
  if (!error.starts_with("syntax error")) return {};
  const Place place = place_of(text, byte);
  for (const Newer& item : newer) {
    if (item.statement == anywhere_merge && !place.merges) continue;
    const std::string_view statement = item.statement == anywhere_merge ? std::string_view() : item.statement;
    const bool found = fits(item.near, place.near) && fits(item.before, place.before) &&
                       fits(item.within, place.within) && fits(statement, place.statement) &&
                       fits(item.next, place.next) && fits(item.closed, place.closed);
    if (found) return sentence(item.what, item.version);
  }
  return {};
}

}  // namespace clawpatrol::sql
