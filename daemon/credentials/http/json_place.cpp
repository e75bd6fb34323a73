#include "daemon/credentials/http/json_place.h"

#include <charconv>
#include <optional>
#include <string>

#include "parsers/json.h"

namespace clawpatrol::credentials {
namespace {

constexpr std::string_view spaces = " \t\r\n";

// Walks over a text that has been read as JSON already, so that nothing in it can be wrong.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) { space(); }

  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void take() {
    ++at_;
    space();
  }

  // The range within the quotes; behind it afterwards.
  TextRange string() {
    const std::size_t begin = ++at_;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    const TextRange range{begin, at_};
    take();
    return range;
  }

  void value() {
    if (next() == '"') {
      string();
    } else if (next() == '{' || next() == '[') {
      nested();
    } else {
      while (at_ < text_.size() && !std::string_view(",]} \t\r\n").contains(text_[at_])) ++at_;
      space();
    }
  }

  // To the value of a member; false: there is none of this name.
  bool member(std::string_view name) {
    take();
    while (next() == '"') {
      const TextRange key = string();
      take();  // the colon
      if (is(text_.substr(key.begin, key.end - key.begin), name)) return true;
      value();
      if (next() == ',') take();
    }
    return false;
  }

  bool item(std::size_t index) {
    take();
    for (; next() != ']'; --index) {
      if (index == 0) return true;
      value();
      if (next() == ',') take();
    }
    return false;
  }

 private:
  void space() { at_ = std::min(text_.find_first_not_of(spaces, at_), text_.size()); }

  void nested() {
    std::size_t depth = 0;
    do {
      if (next() == '"') {
        string();
        continue;
      }
      if (next() == '{' || next() == '[') ++depth;
      if (next() == '}' || next() == ']') --depth;
      take();
    } while (depth > 0);
  }

  static bool is(std::string_view within, std::string_view name) {
    if (!within.contains('\\')) return within == name;
    auto document = read_json_document("\"" + std::string(within) + "\"");
    return document && document->text() && *document->text() == name;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// ~1 is "/", ~0 is "~".
std::string name_of_step(std::string_view step) {
  std::string name;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const bool escaped = step[i] == '~' && i + 1 < step.size();
    name += escaped ? (step[i + 1] == '1' ? '/' : '~') : step[i];
    if (escaped) ++i;
  }
  return name;
}

std::optional<std::size_t> index_of_step(std::string_view step) {
  std::size_t index = 0;
  auto [end, wrong] = std::from_chars(step.data(), step.data() + step.size(), index);
  const bool whole = wrong == std::errc() && end == step.data() + step.size();
  return whole && (step == "0" || !step.starts_with('0')) ? std::optional(index) : std::nullopt;
}

bool descend(Walk& walk, std::string_view step) {
  if (walk.next() == '{') return walk.member(name_of_step(step));
  auto index = index_of_step(step);
  return walk.next() == '[' && index && walk.item(*index);
}

}  // namespace

std::expected<TextRange, std::string_view> json_string_at(std::string_view text, std::string_view pointer) {
  if (!read_json_document(text)) return std::unexpected("the body is not one JSON document");
  Walk walk(text);
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::string_view step = pointer.substr(0, pointer.find('/'));
    if (!descend(walk, step)) return std::unexpected("the body has nothing at the credential's place");
    pointer.remove_prefix(step.size());
  }
  if (walk.next() != '"') return std::unexpected("the body has no string at the credential's place");
  return walk.string();
}

}  // namespace clawpatrol::credentials
