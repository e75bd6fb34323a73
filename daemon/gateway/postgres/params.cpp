#include "daemon/gateway/postgres/params.h"

#include <bit>
#include <string>

namespace clawpatrol::postgres {
namespace {

// pg_type.dat; these never change.
enum : std::uint32_t {
  oid_bool = 16,
  oid_char = 18,
  oid_name = 19,
  oid_int8 = 20,
  oid_int2 = 21,
  oid_int4 = 23,
  oid_text = 25,
  oid_oid = 26,
  oid_json = 114,
  oid_bpchar = 1042,
  oid_varchar = 1043,
  oid_uuid = 2950,
};

std::optional<std::string> integer(std::string_view bytes, std::size_t size) {
  if (bytes.size() != size) return std::nullopt;
  Reader reader(bytes);
  if (size == 2) return std::to_string(reader.i16());
  if (size == 4) return std::to_string(reader.i32());
  const std::uint64_t high = reader.u32(), low = reader.u32();
  return std::to_string(std::bit_cast<std::int64_t>(high << 32 | low));
}

std::optional<std::string> uuid(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

std::optional<std::string> from_binary(std::uint32_t type, std::string_view bytes) {
  switch (type) {
    case oid_text:
    case oid_varchar:
    case oid_bpchar:
    case oid_name:
    case oid_char:
    case oid_json: return std::string(bytes);
    case oid_int2: return integer(bytes, 2);
    case oid_int4: return integer(bytes, 4);
    case oid_int8: return integer(bytes, 8);
    case oid_oid:
      return bytes.size() == 4 ? std::optional(std::to_string(Reader(bytes).u32())) : std::nullopt;
    case oid_bool:
      if (bytes.size() != 1) return std::nullopt;
      return bytes[0] ? "t" : "f";
    case oid_uuid: return uuid(bytes);
    default: return std::nullopt;
  }
}

}  // namespace

SqlParams text_of_params(const Bind& bind, std::uint16_t type_count, std::string_view types) {
  std::vector<std::optional<std::string>> values;
  values.reserve(bind.values.count());
  bool decoded = true;
  bind.values.for_each([&](std::uint16_t index, std::optional<std::string_view> value) {
    if (!value) {
      values.emplace_back(std::nullopt);
    } else if (!bind.is_binary(index)) {
      values.emplace_back(std::string(*value));
    } else {
      const std::uint32_t type = index < type_count ? Reader(types.substr(std::size_t{index} * 4)).u32() : 0;
      values.push_back(from_binary(type, *value));
      decoded &= values.back().has_value();
    }
  });
  if (!decoded) return Unknown::undecodable;
  return values;
}

bool is_beyond_ascii(const Bind& bind) {
  bool found = false;
  bind.values.for_each([&](std::uint16_t, std::optional<std::string_view> value) {
    for (char byte : value.value_or("")) found |= byte < 0;
  });
  return found;
}

}  // namespace clawpatrol::postgres
