#include "parsers/yaml.h"

#include <yaml.h>

#include <memory>
#include <optional>
#include <string>

#include "parsers/yaml_scalar.h"

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

// As sigs.k8s.io/yaml makes a name of what was no text.
std::optional<std::string> name_of(const Document& key) {
  if (const std::string* text = key.text()) return *text;
  if (const bool* truth = std::get_if<bool>(&key.value)) return *truth ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&key.value)) return std::to_string(*number);
  return std::nullopt;
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

  // A merge key puts other members beside those that are written.
  static bool merges(const YamlEvent& name) {
    const auto& scalar = name->data.scalar;
    return scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.length == 2 &&
           std::string_view(reinterpret_cast<const char*>(scalar.value), 2) == "<<";
  }

  bool mapping(Document::Members& members, std::size_t depth) {
    while (true) {
      YamlEvent name, value;
      if (!next(name)) return false;
      if (name->type == YAML_MAPPING_END_EVENT) return names_are_distinct(members);
      Document read;
      if (name->type != YAML_SCALAR_EVENT || merges(name) || !scalar(name, read)) return false;
      auto key = name_of(read);
      if (!key) return false;
      Document::Member& member = members.emplace_back();
      member.name = std::move(*key);
      if (!next(value) || !node(value, member.value, depth + 1)) return false;
    }
  }

  static bool scalar(const YamlEvent& event, Document& into) {
    const auto& scalar = event->data.scalar;
    if (scalar.anchor || scalar.tag) return false;
    std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (!is_utf8(text)) return false;
    if (scalar.style == YAML_PLAIN_SCALAR_STYLE) return read_plain_scalar(text, into) == PlainScalar::read;
    into.value = std::string(text);
    return true;
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
