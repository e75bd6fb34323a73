// Looking into maps, whatever they are made of.
#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

Value copy_field(const CopyFacet& copy, std::string_view name) {
  if (name == "direction") return Value::of_string(copy.direction);
  if (name == "target") return Value::of_string(copy.target);
  return Value::error(ErrorCode::no_such_key);
}

// One after the other: the maps are small, and std::map's own search would make a std::string of the key.
Value text_at(Frame& frame, const TextMap& map, std::string_view key) {
  for (const auto& [name, value] : map) {
    if (!frame.charge(1)) return out_of_budget();
    if (name == key) return Value::of_string(value);
  }
  return Value::error(ErrorCode::no_such_key);
}

Value member_at(Frame& frame, const Document::Members& members, std::string_view key) {
  for (const Document::Member& member : members) {
    if (!frame.charge(1)) return out_of_budget();
    if (member.name == key) return Value::of_document(member.value);
  }
  return Value::error(ErrorCode::no_such_key);
}

bool is_text(Value map) {
  return map.map_form() != MapForm::entries;
}

Value entry_of(Frame& frame, Value map, Value key) {
  for (std::size_t i = 0; i < map.map->count; ++i) {
    if (!frame.charge(1)) return out_of_budget();
    const Entry& entry = map.map->entries[i];
    if (equals(frame, entry.key, key).is_true()) return entry.value;
  }
  return frame.exhausted() ? out_of_budget() : Value::error(ErrorCode::no_such_key);
}

}  // namespace

Value lookup(Frame& frame, Value map, Value key) {
  if (!is_text(map)) return entry_of(frame, map, key);
  if (key.kind != Kind::string) return Value::error(ErrorCode::no_such_key);
  if (!frame.charge_text(key.size)) return out_of_budget();
  if (map.map_form() == MapForm::copy) return copy_field(*map.copy, key.text());
  if (map.map_form() == MapForm::members) return member_at(frame, *map.members, key.text());
  return text_at(frame, *map.text_map, key.text());
}

Value has_key(Frame& frame, Value map, Value key) {
  Value found = lookup(frame, map, key);
  if (found.kind == Kind::error)
    return found.code() == ErrorCode::no_such_key ? Value::of_bool(false) : found;
  return Value::of_bool(true);
}

std::span<const Entry> entries_of(Frame& frame, Value map) {
  if (map.map_form() == MapForm::entries) return {map.map->entries, map.map->count};
  std::size_t size = map_size(map);
  Entry* entries = frame.make<Entry>(size);
  if (!entries) return {};
  if (map.map_form() == MapForm::copy) {
    entries[0] = {Value::of_string("direction"), Value::of_string(map.copy->direction)};
    entries[1] = {Value::of_string("target"), Value::of_string(map.copy->target)};
    return {entries, size};
  }
  Entry* next = entries;
  if (map.map_form() == MapForm::members) {
    for (const Document::Member& member : *map.members)
      *next++ = {Value::of_string(member.name), Value::of_document(member.value)};
    return {entries, size};
  }
  for (const auto& [key, value] : *map.text_map) *next++ = {Value::of_string(key), Value::of_string(value)};
  return {entries, size};
}

Value field_of(Frame& frame, Value map, std::string_view name) {
  if (map.kind == Kind::optional) return optional_field_of(frame, map, name);
  if (map.kind != Kind::map) return Value::error(ErrorCode::wrong_type);
  return lookup(frame, map, Value::of_string(name));
}

Value optional_field_of(Frame& frame, Value map, std::string_view name) {
  if (map.kind == Kind::optional) {
    if (!map.held) return map;
    map = *map.held;
  }
  if (map.kind != Kind::map) return Value::error(ErrorCode::wrong_type);
  Value there = has_field(frame, map, name);
  if (there.is_false()) return Value::of_optional(nullptr);
  if (there.undecided()) return there;
  Value field = field_of(frame, map, name);
  return field.undecided() ? field : frame.optional(field);
}

Value has_field(Frame& frame, Value map, std::string_view name) {
  if (map.kind == Kind::optional) {
    if (!map.held) return Value::of_bool(false);
    map = *map.held;
  }
  if (map.kind != Kind::map) return Value::error(ErrorCode::wrong_type);
  // As in a protobuf message, a field of an object is there when it is not empty.
  if (map.map_form() == MapForm::copy) {
    Value field = copy_field(*map.copy, name);
    return field.undecided() ? field : Value::of_bool(field.size > 0);
  }
  return has_key(frame, map, Value::of_string(name));
}

}  // namespace clawpatrol::cel
