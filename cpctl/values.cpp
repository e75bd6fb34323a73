#include "cpctl/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

namespace clawpatrol::cpctl {
namespace {

constexpr char words_validator[] = "one of";

}  // namespace

CLI::Validator one_of(const std::vector<std::string>& words) {
  return {[words](const std::string& word) {
            if (std::ranges::find(words, word) != words.end()) return std::string();
            return fmt::format("'{}' is none of {}", word, fmt::join(words, ", "));
          },
          CLI::detail::join(words, ","), words_validator};
}

CLI::Validator whole_number(std::uint64_t most) {
  return {[most](const std::string& word) {
            std::uint64_t value = 0;
            const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
            if (error == std::errc() && end == word.data() + word.size() && value <= most)
              return std::string();
            if (most == UINT64_MAX) return fmt::format("'{}' is not a whole number", word);
            return fmt::format("'{}' is not a whole number from 0 to {}", word, most);
          },
          "", "whole number"};
}

std::vector<std::string> words_of(CLI::Option& option) {
  try {
    return CLI::detail::split(option.get_validator(words_validator)->get_description(), ',');
  } catch (const CLI::OptionNotFound&) {
    return {};
  }
}

}  // namespace clawpatrol::cpctl
