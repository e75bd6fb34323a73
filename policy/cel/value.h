// What an expression computes: a small value that is passed in registers and owns nothing.
//
// Text, lists and maps are views: of the action (a facet is never copied), of the condition's own constants,
// or of the evaluation's arena. Undecided results are values too, so that they spread like any other operand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "parsers/facets.h"

namespace clawpatrol::cel {

enum class Kind : std::uint8_t {
  null,
  boolean,
  integer,
  uinteger,
  real,
  string,
  bytes,
  list,
  map,
  timestamp,
  duration,
  type,
  optional,
  ip,
  cidr,
  unknown,
  error,  // undecided: these two stay last
};

enum class ErrorCode : std::uint8_t {
  wrong_type,
  no_such_key,
  index_out_of_range,
  division_by_zero,
  overflow,
  bad_conversion,
  out_of_range,
  bad_argument,
  repeated_key,
  bad_key,
  not_text,
  bad_pattern,
  undeclared,
  no_value,
  bad_address,
  bad_format,
  cost_limit,
};
std::string_view text_of(ErrorCode code);  // "no such key": safe to show to an agent

// Where the members of a list are.
enum class ListForm : std::uint8_t { values, names, nullable_texts, documents };
enum class MapForm : std::uint8_t { entries, texts, copy, members };

using NullableTexts = std::vector<std::optional<std::string>>;
using TextMap = std::map<std::string, std::string>;
struct ListData;
struct MapData;
struct Network;

inline constexpr std::uint16_t no_facet = 0xffff;

struct Value {
  Kind kind = Kind::null;
  std::uint8_t form = 0;           // ListForm, MapForm, Unknown or ErrorCode, as `kind` says
  std::uint16_t facet = no_facet;  // lists and unknowns: the FacetId to name as the cause
  std::uint32_t size = 0;          // string, bytes, type: length; timestamp: nanoseconds
  union {
    bool boolean;
    std::int64_t integer = 0;  // also a timestamp's seconds and a duration's nanoseconds
    std::uint64_t uinteger;
    double real;
    const char* chars;
    const ListData* list;
    const NameList* names;
    const NullableTexts* nullable_texts;
    const MapData* map;
    const TextMap* text_map;
    const CopyFacet* copy;
    const Value* held;  // of an optional; null: none
    const Network* network;
    const Document::Items* documents;
    const Document::Members* members;
  };

  static Value null() { return {}; }
  static Value of_bool(bool value);
  static Value of_int(std::int64_t value);
  static Value of_uint(std::uint64_t value);
  static Value of_double(double value);
  static Value of_string(std::string_view text);  // at most 4 GiB
  static Value of_bytes(std::string_view bytes);
  static Value of_type(std::string_view name);
  static Value of_timestamp(std::int64_t seconds, std::uint32_t nanoseconds);
  static Value of_duration(std::int64_t nanoseconds);
  static Value of_list(const ListData* data, std::uint16_t facet = no_facet);
  static Value of_names(const NameList* names, FacetId facet);
  static Value of_nullable_texts(const NullableTexts* texts, FacetId facet);
  static Value of_map(const MapData* data);
  static Value of_text_map(const TextMap* map);
  static Value of_copy(const CopyFacet* copy);
  static Value of_optional(const Value* held);
  static Value of_ip(const Network* network);
  static Value of_cidr(const Network* network);
  static Value of_document(const Document& document);
  static Value unknown(Unknown why, std::uint16_t facet);
  static Value error(ErrorCode code);

  bool undecided() const { return kind >= Kind::unknown; }
  bool is_true() const { return kind == Kind::boolean && boolean; }
  bool is_false() const { return kind == Kind::boolean && !boolean; }
  bool is_number() const { return kind == Kind::integer || kind == Kind::uinteger || kind == Kind::real; }
  std::string_view text() const { return {chars, size}; }
  ListForm list_form() const { return static_cast<ListForm>(form); }
  MapForm map_form() const { return static_cast<MapForm>(form); }
  Unknown why() const { return static_cast<Unknown>(form); }
  ErrorCode code() const { return static_cast<ErrorCode>(form); }
  bool pending() const { return kind == Kind::unknown && why() == Unknown::pending; }
};
static_assert(sizeof(Value) == 16 && std::is_trivially_copyable_v<Value>);

struct ListData {
  const Value* items = nullptr;
  std::size_t count = 0;
  bool open = false;  // there may be members that are not here
};

struct Entry {
  Value key;
  Value value;
};

struct MapData {
  const Entry* entries = nullptr;
  std::size_t count = 0;
};

// An address with the length of its network's prefix, which for a lone address is all of it. An IPv6 form of
// an IPv4 address is that IPv4 address.
struct Network {
  std::array<std::uint8_t, 16> bytes{};  // IPv4: the first four
  std::uint8_t size = 4;                 // of the address, in bytes: 4 or 16
  std::uint8_t prefix = 32;
  bool operator==(const Network&) const = default;
};

std::size_t list_size(Value list);  // of the members that are known
Value list_at(Value list, std::size_t index);
bool is_open(Value list);
// What an operator answers about a list that could have further members.
inline Value unknown_members(Value list) {
  return Value::unknown(Unknown::unread_code, list.facet);
}

std::size_t map_size(Value map);
std::string_view type_name(Value value);  // "int", "google.protobuf.Timestamp", ...

// Of two undecided values the one that tells more. Where either side alone could decide (`&&`, `||`, macros),
// a pending facet goes first: once it is known, the whole may be decided. Where both are needed, it goes
// last.
Value undecided_either(Value left, Value right);
Value undecided_both(Value left, Value right);

// --- what is small and everywhere, here so that it is inlined ---

inline Value Value::of_bool(bool value) {
  Value made;
  made.kind = Kind::boolean;
  made.boolean = value;
  return made;
}

inline Value Value::of_int(std::int64_t value) {
  Value made;
  made.kind = Kind::integer;
  made.integer = value;
  return made;
}

inline Value Value::of_string(std::string_view text) {
  Value made;
  made.kind = Kind::string;
  made.size = static_cast<std::uint32_t>(text.size());
  made.chars = text.data();
  return made;
}

inline Value Value::unknown(Unknown why, std::uint16_t facet) {
  Value made;
  made.kind = Kind::unknown;
  made.form = static_cast<std::uint8_t>(why);
  made.facet = facet;
  return made;
}

inline Value Value::error(ErrorCode code) {
  Value made;
  made.kind = Kind::error;
  made.form = static_cast<std::uint8_t>(code);
  return made;
}

inline std::size_t list_size(Value list) {
  switch (list.list_form()) {
    case ListForm::values: return list.list->count;
    case ListForm::names: return list.names->items.size();
    case ListForm::nullable_texts: return list.nullable_texts->size();
    case ListForm::documents: return list.documents->size();
  }
  __builtin_unreachable();
}

inline Value list_at(Value list, std::size_t index) {
  switch (list.list_form()) {
    case ListForm::values: return list.list->items[index];
    case ListForm::names: return Value::of_string(list.names->items[index]);
    case ListForm::nullable_texts: {
      const std::optional<std::string>& text = (*list.nullable_texts)[index];
      return text ? Value::of_string(*text) : Value::null();
    }
    case ListForm::documents: return Value::of_document((*list.documents)[index]);
  }
  __builtin_unreachable();
}

inline bool is_open(Value list) {
  switch (list.list_form()) {
    case ListForm::values: return list.list->open;
    case ListForm::names: return list.names->open;
    case ListForm::nullable_texts:
    case ListForm::documents: return false;
  }
  __builtin_unreachable();
}

}  // namespace clawpatrol::cel
