#include "parsers/postgres/options.h"

#include <algorithm>

namespace clawpatrol::postgres {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// pg_split_opts().
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && is_blank(text[at])) ++at;
    if (at == text.size()) break;
    std::string word;
    for (; at < text.size() && !is_blank(text[at]); ++at) {
      if (text[at] == '\\' && ++at == text.size()) break;
      word.push_back(text[at]);
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::optional<std::pair<std::string, std::string>> setting(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  std::string name(word.substr(0, equals));
  std::ranges::replace(name, '-', '_');
  return std::pair(std::move(name), std::string(word.substr(equals + 1)));
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> parse_options(std::string_view options) {
  std::vector<std::pair<std::string, std::string>> settings;
  const std::vector<std::string> words = split(options);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "-c") {
      if (++i == words.size()) return std::nullopt;
      word = words[i];
    } else if (word.starts_with("-c") || word.starts_with("--")) {
      word.remove_prefix(2);
    } else {
      return std::nullopt;
    }
    auto one = setting(word);
    if (!one) return std::nullopt;
    settings.push_back(std::move(*one));
  }
  return settings;
}

}  // namespace clawpatrol::postgres
