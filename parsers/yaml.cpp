#include "parsers/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>

namespace clawpatrol {
namespace {

struct ParserEnd {
  void operator()(yaml_parser_t* parser) const { yaml_parser_delete(parser); }
};

// One event; libyaml's memory goes with it.
class YamlEvent {
 public:
  YamlEvent() : event_{} {}
  ~YamlEvent() { yaml_event_delete(&event_); }
  YamlEvent(const YamlEvent&) = delete;
  YamlEvent& operator=(const YamlEvent&) = delete;
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// -? (0 | [1-9][0-9]*) ( . [0-9]+ )? ( [eE] [+-] [0-9]+ )?: numbers to everybody. YAML 1.1 has no exponent
// without a point and a sign.
bool is_plain_number(std::string_view text) {
  auto digits = [&text] {
    std::size_t count = 0;
    while (count < text.size() && is_digit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (text.empty()) return true;
  if (text.front() != '.') return false;
  text.remove_prefix(1);
  if (digits() == 0) return false;
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  if (!text.starts_with('+') && !text.starts_with('-')) return false;
  text.remove_prefix(1);
  return digits() > 0 && text.empty();
}

// Could be a number, a moment or a truth value to some reader.
bool is_doubtful(std::string_view text) {
  constexpr std::string_view words[] = {"y",     "Y",     "yes",   "Yes",   "YES",  "n",    "N",    "no",
                                        "No",    "NO",    "on",    "On",    "ON",   "off",  "Off",  "OFF",
                                        "True",  "TRUE",  "False", "FALSE", "Null", "NULL", "~",    "<<",
                                        "=",     ".nan",  ".NaN",  ".NAN",  ".inf", ".Inf", ".INF", "-.inf",
                                        "-.Inf", "-.INF", "+.inf", "+.Inf", "+.INF"};
  if (std::ranges::find(words, text) != std::end(words)) return true;
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  std::string_view rest = text.substr(sign);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  if (rest.empty() || !is_digit(rest.front())) return false;
  // An address or a version: two points are in no number.
  if (std::ranges::count(text, '.') > 1 &&
      std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '.'; }))
    return false;
  // Begins as a number does: a word only if it holds what no number, base, date or time does.
  return std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
           std::string_view("+-._:xXoOtTzZ \t").contains(c);
  });
}

class YamlReader {
 public:
  explicit YamlReader(yaml_parser_t& parser) : parser_(parser) {}

  std::expected<Document, Unknown> read() {
    Document document;
    if (!one_document(document)) return std::unexpected(why_);
    return document;
  }

 private:
  bool over_limit() {
    why_ = Unknown::over_limit;
    return false;
  }

  bool next(YamlEvent& event) { return yaml_parser_parse(&parser_, event.get()) == 1; }

  bool expect(yaml_event_type_t type) {
    YamlEvent event;
    return next(event) && event->type == type;
  }

  // A directive could give tags another meaning.
  bool one_document(Document& document) {
    YamlEvent start, first;
    if (!expect(YAML_STREAM_START_EVENT) || !next(start)) return false;
    if (start->type != YAML_DOCUMENT_START_EVENT || start->data.document_start.version_directive ||
        start->data.document_start.tag_directives.start != start->data.document_start.tag_directives.end)
      return false;
    if (!next(first) || !node(first, document, 0)) return false;
    return expect(YAML_DOCUMENT_END_EVENT) && expect(YAML_STREAM_END_EVENT);
  }

  bool node(YamlEvent& event, Document& into, std::size_t depth) {
    if (depth > max_document_depth || ++values_ > max_document_values) return over_limit();
    switch (event->type) {
      case YAML_SCALAR_EVENT: return scalar(event, into);
      case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor || event->data.sequence_start.tag) return false;
        return sequence(into.value.emplace<Document::Items>(), depth);
      case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor || event->data.mapping_start.tag) return false;
        return mapping(into.value.emplace<Document::Members>(), depth);
      default: return false;
    }
  }

  bool sequence(Document::Items& items, std::size_t depth) {
    while (true) {
      YamlEvent event;
      if (!next(event)) return false;
      if (event->type == YAML_SEQUENCE_END_EVENT) return true;
      if (!node(event, items.emplace_back(), depth + 1)) return false;
    }
  }

  // Names are text: a name that is a number, true or null would be another to a reader of JSON.
  bool mapping(Document::Members& members, std::size_t depth) {
    while (true) {
      YamlEvent name, value;
      if (!next(name)) return false;
      if (name->type == YAML_MAPPING_END_EVENT) return names_are_distinct(members);
      Document read;
      if (name->type != YAML_SCALAR_EVENT || !scalar(name, read) || !read.text()) return false;
      Document::Member& member = members.emplace_back();
      member.name = *read.text();
      if (!next(value) || !node(value, member.value, depth + 1)) return false;
    }
  }

  static bool scalar(const YamlEvent& event, Document& into) {
    const auto& scalar = event->data.scalar;
    if (scalar.anchor || scalar.tag) return false;
    std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (!is_utf8(text)) return false;
    if (scalar.style != YAML_PLAIN_SCALAR_STYLE)
      into.value = std::string(text);
    else
      return plain(text, into);
    return true;
  }

  static bool plain(std::string_view text, Document& into) {
    if (text.empty() || text == "null") return true;
    if (text == "true" || text == "false") {
      into.value = text == "true";
      return true;
    }
    if (is_plain_number(text)) return number(text, into);
    if (is_doubtful(text)) return false;
    into.value = std::string(text);
    return true;
  }

  static bool number(std::string_view text, Document& into) {
    auto number = read_json_document(text);
    if (number) into = std::move(*number);
    return number.has_value();
  }

  yaml_parser_t& parser_;
  std::size_t values_ = 0;
  Unknown why_ = Unknown::unparseable;
};

}  // namespace

std::expected<Document, Unknown> read_yaml_document(std::string_view text) {
  if (text.size() > max_yaml_bytes) return std::unexpected(Unknown::over_limit);
  if (!is_utf8(text) || text.starts_with("\xef\xbb\xbf")) return std::unexpected(Unknown::unparseable);
  yaml_parser_t parser;
  if (yaml_parser_initialize(&parser) == 0) return std::unexpected(Unknown::over_limit);
  std::unique_ptr<yaml_parser_t, ParserEnd> owner(&parser);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return YamlReader(parser).read();
}

}  // namespace clawpatrol
