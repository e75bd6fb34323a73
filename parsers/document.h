// A JSON document, or what can be said as one (headers, a query): a tree of values that owns itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace clawpatrol {

struct Document {
  struct Member;
  using Items = std::vector<Document>;
  using Members = std::vector<Member>;  // in the order in which they stand; no name twice

  // Null; a number is an integer where it is written as one that fits, so that nothing is rounded.
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Items, Members> value;

  // The member of an object; null where there is none, or this is no object.
  const Document* find(std::string_view name) const;
  const std::string* text() const { return std::get_if<std::string>(&value); }
  const Items* items() const { return std::get_if<Items>(&value); }
  const Members* members() const { return std::get_if<Members>(&value); }
  bool operator==(const Document&) const;
};

struct Document::Member {
  std::string name;
  Document value;
  bool operator==(const Member&) const = default;
};

inline bool Document::operator==(const Document& other) const {
  return value == other.value;
}

inline const Document* Document::find(std::string_view name) const {
  if (const Members* all = members())
    for (const Member& member : *all)
      if (member.name == name) return &member.value;
  return nullptr;
}

// Adds to a map of lists: name -> [text, ...].
inline void add_text(Document::Members& lists, std::string_view name, std::string text) {
  for (Document::Member& member : lists)
    if (member.name == name) {
      std::get<Document::Items>(member.value.value).push_back({std::move(text)});
      return;
    }
  Document::Items& items = lists.emplace_back(std::string(name)).value.value.emplace<Document::Items>();
  items.emplace_back(std::move(text));
}

}  // namespace clawpatrol
