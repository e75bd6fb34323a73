#include "policy/cel/value.h"

#include <utility>

namespace clawpatrol::cel {

std::string_view text_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::wrong_type: return "wrong type";
    case ErrorCode::no_such_key: return "no such key";
    case ErrorCode::index_out_of_range: return "index out of range";
    case ErrorCode::division_by_zero: return "division by zero";
    case ErrorCode::overflow: return "integer overflow";
    case ErrorCode::bad_conversion: return "value cannot be converted";
    case ErrorCode::out_of_range: return "value out of range";
    case ErrorCode::bad_argument: return "invalid argument";
    case ErrorCode::repeated_key: return "repeated key";
    case ErrorCode::bad_key: return "unsupported key type";
    case ErrorCode::not_text: return "text is not valid UTF-8";
    case ErrorCode::bad_pattern: return "invalid pattern";
    case ErrorCode::undeclared: return "undeclared name";
    case ErrorCode::bad_format: return "invalid format";
    case ErrorCode::bad_address: return "invalid address";
    case ErrorCode::no_value: return "optional without a value";
    case ErrorCode::cost_limit: return "cost limit";
  }
  __builtin_unreachable();
}

Value Value::of_uint(std::uint64_t value) {
  Value made;
  made.kind = Kind::uinteger;
  made.uinteger = value;
  return made;
}

Value Value::of_double(double value) {
  Value made;
  made.kind = Kind::real;
  made.real = value;
  return made;
}

Value Value::of_bytes(std::string_view bytes) {
  Value made = of_string(bytes);
  made.kind = Kind::bytes;
  return made;
}

Value Value::of_type(std::string_view name) {
  Value made = of_string(name);
  made.kind = Kind::type;
  return made;
}

Value Value::of_timestamp(std::int64_t seconds, std::uint32_t nanoseconds) {
  Value made;
  made.kind = Kind::timestamp;
  made.size = nanoseconds;
  made.integer = seconds;
  return made;
}

Value Value::of_duration(std::int64_t nanoseconds) {
  Value made;
  made.kind = Kind::duration;
  made.integer = nanoseconds;
  return made;
}

Value Value::of_list(const ListData* data, std::uint16_t facet) {
  Value made;
  made.kind = Kind::list;
  made.form = static_cast<std::uint8_t>(ListForm::values);
  made.facet = facet;
  made.list = data;
  return made;
}

Value Value::of_names(const NameList* names, FacetId facet) {
  Value made;
  made.kind = Kind::list;
  made.form = static_cast<std::uint8_t>(ListForm::names);
  made.facet = static_cast<std::uint16_t>(facet);
  made.names = names;
  return made;
}

Value Value::of_nullable_texts(const NullableTexts* texts, FacetId facet) {
  Value made;
  made.kind = Kind::list;
  made.form = static_cast<std::uint8_t>(ListForm::nullable_texts);
  made.facet = static_cast<std::uint16_t>(facet);
  made.nullable_texts = texts;
  return made;
}

Value Value::of_map(const MapData* data) {
  Value made;
  made.kind = Kind::map;
  made.form = static_cast<std::uint8_t>(MapForm::entries);
  made.map = data;
  return made;
}

Value Value::of_text_map(const TextMap* map) {
  Value made;
  made.kind = Kind::map;
  made.form = static_cast<std::uint8_t>(MapForm::texts);
  made.text_map = map;
  return made;
}

Value Value::of_copy(const CopyFacet* copy) {
  Value made;
  made.kind = Kind::map;
  made.form = static_cast<std::uint8_t>(MapForm::copy);
  made.copy = copy;
  return made;
}

Value Value::of_optional(const Value* held) {
  Value made;
  made.kind = Kind::optional;
  made.held = held;
  return made;
}

Value Value::of_ip(const Network* network) {
  Value made;
  made.kind = Kind::ip;
  made.network = network;
  return made;
}

Value Value::of_cidr(const Network* network) {
  Value made = of_ip(network);
  made.kind = Kind::cidr;
  return made;
}

namespace {

// The text of a document is bounded by what is inspected of a body, far below what a Value can hold.
struct DocumentValue {
  Value operator()(std::monostate) const { return Value::null(); }
  Value operator()(bool value) const { return Value::of_bool(value); }
  Value operator()(std::int64_t value) const { return Value::of_int(value); }
  Value operator()(std::uint64_t value) const { return Value::of_uint(value); }
  Value operator()(double value) const { return Value::of_double(value); }
  Value operator()(const std::string& text) const { return Value::of_string(text); }
  Value operator()(const Document::Items& items) const {
    Value made;
    made.kind = Kind::list;
    made.form = static_cast<std::uint8_t>(ListForm::documents);
    made.documents = &items;
    return made;
  }
  Value operator()(const Document::Members& members) const {
    Value made;
    made.kind = Kind::map;
    made.form = static_cast<std::uint8_t>(MapForm::members);
    made.members = &members;
    return made;
  }
};

}  // namespace

Value Value::of_document(const Document& document) {
  return std::visit(DocumentValue{}, document.value);
}

std::size_t map_size(Value map) {
  switch (map.map_form()) {
    case MapForm::entries: return map.map->count;
    case MapForm::texts: return map.text_map->size();
    case MapForm::copy: return 2;
    case MapForm::members: return map.members->size();
  }
  __builtin_unreachable();
}

std::string_view type_name(Value value) {
  switch (value.kind) {
    case Kind::null: return "null_type";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::uinteger: return "uint";
    case Kind::real: return "double";
    case Kind::string: return "string";
    case Kind::bytes: return "bytes";
    case Kind::list: return "list";
    case Kind::map: return "map";
    case Kind::timestamp: return "google.protobuf.Timestamp";
    case Kind::duration: return "google.protobuf.Duration";
    case Kind::type: return "type";
    case Kind::optional: return "optional_type";
    case Kind::ip: return "net.IP";
    case Kind::cidr: return "net.CIDR";
    case Kind::unknown: return "unknown";
    case Kind::error: return "error";
  }
  __builtin_unreachable();
}

namespace {

int rank_when_either_decides(Value value) {
  if (value.pending()) return 2;
  return value.kind == Kind::unknown ? 1 : 0;
}

int rank_when_both_are_needed(Value value) {
  if (value.pending()) return 0;
  return value.kind == Kind::unknown ? 2 : 1;
}

}  // namespace

Value undecided_either(Value left, Value right) {
  return rank_when_either_decides(right) > rank_when_either_decides(left) ? right : left;
}

Value undecided_both(Value left, Value right) {
  return rank_when_both_are_needed(right) > rank_when_both_are_needed(left) ? right : left;
}

}  // namespace clawpatrol::cel
