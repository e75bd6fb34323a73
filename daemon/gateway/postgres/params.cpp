#include "daemon/gateway/postgres/params.h"

#include <string>

#include "parsers/postgres/values.h"

namespace clawpatrol::postgres {

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
      values.push_back(text_of_binary(type, *value));
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
