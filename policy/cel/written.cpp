#include "policy/cel/written.h"

#include <fmt/format.h>

#include <cmath>

#include "policy/cel/function.h"
#include "policy/cel/time.h"

namespace clawpatrol::cel {
namespace {

// Grows until it is long enough; what comes then is dropped, but for brackets.
class Writer {
 public:
  explicit Writer(std::size_t longest) : longest_(longest) {}

  void value(Value value) {
    switch (value.kind) {
      case Kind::null: return plain("null");
      case Kind::boolean: return plain(value.boolean ? "true" : "false");
      case Kind::integer: return plain(std::to_string(value.integer));
      case Kind::uinteger: return plain(fmt::format("{}u", value.uinteger));
      case Kind::real: return plain(real(value.real));
      case Kind::string: return quoted("'", value.text());
      case Kind::bytes: return quoted("b'", value.text());
      case Kind::list: return list(value);
      case Kind::map: return map(value);
      case Kind::timestamp: return plain(fmt::format("timestamp('{}')", format_timestamp(value)));
      case Kind::duration: return plain(fmt::format("duration('{}')", format_duration(value)));
      case Kind::type: return plain(value.text());
      case Kind::optional:
        if (!value.held) return plain("optional.none()");
        plain("optional.of(");
        this->value(*value.held);
        return plain(")");
      case Kind::ip: return plain(fmt::format("ip('{}')", format_network(value)));
      case Kind::cidr: return plain(fmt::format("cidr('{}')", format_network(value)));
      case Kind::unknown: return plain(fmt::format("unknown ({})", cause_of(value)));
      case Kind::error: return plain(fmt::format("error ({})", cause_of(value)));
    }
    __builtin_unreachable();
  }
  std::string take() { return std::move(out_); }

 private:
  bool full() const { return out_.size() >= longest_; }
  void plain(std::string_view text) { out_ += text; }

  static std::string real(double value) {
    if (std::isnan(value)) return "double('NaN')";
    if (std::isinf(value)) return value > 0 ? "double('Infinity')" : "double('-Infinity')";
    std::string text = fmt::format("{}", value);
    return text.find_first_not_of("-0123456789") == text.npos ? text + ".0" : text;
  }

  void quoted(std::string_view open, std::string_view text) {
    out_ += open;
    for (std::size_t at = 0; at < text.size(); ++at) {
      bool inside = (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
      if (full() && !inside) return plain("...'");
      character(text[at]);
    }
    out_ += '\'';
  }

  void character(char c) {
    if (c == '\'' || c == '\\') out_ += '\\';
    if (c == '\n')
      out_ += "\\n";
    else if (c == '\t')
      out_ += "\\t";
    else if (c == '\r')
      out_ += "\\r";
    else
      out_ += c;
  }

  // Whether another member is written; where not, that there are more is.
  bool another(std::size_t index) {
    if (index > 0) out_ += ", ";
    if (!full()) return true;
    out_ += "...";
    return false;
  }

  void list(Value list) {
    out_ += '[';
    std::size_t count = list_size(list), i = 0;
    while (i < count && another(i)) value(list_at(list, i++));
    if (is_open(list)) out_ += count == 0 ? "...?" : ", ...?";
    out_ += ']';
  }

  void map(Value map) {
    out_ += '{';
    std::size_t written = 0;
    auto entry = [&](Value key, Value member) {
      if (!another(written++)) return false;
      value(key);
      out_ += ": ";
      value(member);
      return true;
    };
    switch (map.map_form()) {
      case MapForm::entries:
        for (std::size_t i = 0; i < map.map->count; ++i)
          if (!entry(map.map->entries[i].key, map.map->entries[i].value)) break;
        break;
      case MapForm::texts:
        for (const auto& [key, member] : *map.text_map)
          if (!entry(Value::of_string(key), Value::of_string(member))) break;
        break;
      case MapForm::members:
        for (const Document::Member& member : *map.members)
          if (!entry(Value::of_string(member.name), Value::of_document(member.value))) break;
        break;
      case MapForm::copy:
        entry(Value::of_string("direction"), Value::of_string(map.copy->direction));
        entry(Value::of_string("target"), Value::of_string(map.copy->target));
        break;
    }
    out_ += '}';
  }

  std::string out_;
  std::size_t longest_;
};

}  // namespace

std::string written(Value value, std::size_t longest) {
  Writer writer(longest);
  writer.value(value);
  return writer.take();
}

std::string cause_of(Value value) {
  if (value.kind == Kind::error) return std::string(text_of(value.code()));
  if (value.kind != Kind::unknown) return std::string(text_of(ErrorCode::wrong_type));
  if (value.facet >= std::size(facet_table)) return std::string(name_of(value.why()));
  return fmt::format("{}: {}", facet_table[value.facet].path, name_of(value.why()));
}

}  // namespace clawpatrol::cel
