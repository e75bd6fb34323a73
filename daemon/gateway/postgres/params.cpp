#include "daemon/gateway/postgres/params.h"

#include <algorithm>
#include <string>

#include "parsers/postgres/values.h"

namespace clawpatrol::postgres {

std::uint32_t ParamTypes::operator[](std::uint16_t index) const {
  constexpr std::uint32_t unknown = 705;  // the pseudo-type, which says as little as 0 does
  if (index >= count) return 0;
  const std::uint32_t oid = Reader(oids.substr(std::size_t{index} * sizeof oid)).u32();
  return oid == unknown ? 0 : oid;
}

SqlParams text_of_params(const Bind& bind, ParamTypes types) {
  std::vector<std::optional<std::string>> values;
  values.reserve(bind.values.count());
  bool decoded = true;
  bind.values.for_each([&](std::uint16_t index, std::optional<std::string_view> value) {
    if (!value) {
      values.emplace_back(std::nullopt);
    } else if (!bind.is_binary(index)) {
      values.emplace_back(std::string(*value));
    } else {
      values.push_back(text_of_binary(types[index], *value));
      decoded &= values.back().has_value();
    }
  });
  if (!decoded) return Unknown::undecodable;
  return values;
}

bool has_untyped(const Bind& bind, ParamTypes types) {
  bool found = false;
  bind.values.for_each([&](std::uint16_t index, std::optional<std::string_view> value) {
    found |= value && bind.is_binary(index) && types[index] == 0;
  });
  return found;
}

bool agrees(const ParameterDescription& described, ParamTypes parsed) {
  if (described.type_count < parsed.count) return false;
  const ParamTypes types{described.type_count, described.types};
  for (std::uint16_t i = 0; i < parsed.count; ++i)
    if (parsed[i] != 0 && parsed[i] != types[i]) return false;
  return true;
}

bool is_beyond_ascii(const SqlParams& params) {
  if (!params.known()) return false;
  return std::ranges::any_of(*params, [](const std::optional<std::string>& value) {
    return value && std::ranges::any_of(*value, [](char byte) { return byte < 0; });
  });
}

}  // namespace clawpatrol::postgres
