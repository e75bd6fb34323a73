// JSON that a person or a program wrote, read without guessing: a key that stands twice is a problem, and so
// is what is nested deeper than anything of ours.
#pragma once

#include <cstddef>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace clawpatrol {

using Json = nlohmann::ordered_json;

inline constexpr std::size_t deepest_json = 64;

struct JsonProblem {
  std::size_t line = 0;  // from 1
  std::size_t column = 0;
  std::string message;  // lower case, no full stop
};

// The one value of the text. Strings may hold bytes that are not UTF-8: where they are written as lone
// surrogates (\udcXX, text.h), they come out as those bytes again. Never dump() what has such strings.
std::expected<Json, JsonProblem> read_json(std::string_view text);

}  // namespace clawpatrol
