#include "daemon/journal/messages.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace clawpatrol::journal {

namespace {

struct Entry {
  std::set<std::string> headers;  // "Subject" and the like
  std::size_t text_lines = 0;
};

// The catalogue by id, as catalog(7) has it: "-- ID", headers, an empty line, text.
std::map<std::string, Entry> catalogue() {
  std::ifstream file(CLAWPATROL_SOURCE "/packaging/catalog/clawpatrol.catalog");
  std::map<std::string, Entry> entries;
  Entry* entry = nullptr;
  bool in_text = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    CHECK(line.size() <= 100);
    if (line.starts_with("-- ")) {
      CHECK_FALSE(entries.contains(line.substr(3)));
      entry = &entries[line.substr(3)];
      in_text = false;
    } else if (entry && line.empty()) {
      in_text = true;
    } else if (entry && in_text) {
      ++entry->text_lines;
    } else if (entry) {
      entry->headers.insert(line.substr(0, line.find(':')));
    }
  }
  return entries;
}

}  // namespace

TEST_CASE("every message has an id of its own, and the ordinary one has none") {
  std::set<std::string_view> ids;
  std::set<Message> messages;
  for (const Described& each : described()) {
    CHECK(each.id.size() == 32);
    CHECK(each.id.find_first_not_of("0123456789abcdef") == each.id.npos);
    CHECK(ids.insert(each.id).second);
    CHECK(messages.insert(each.message).second);
    CHECK(each.priority >= 2);
    CHECK(each.priority <= 5);
    CHECK(description_of(each.message) == &each);
  }
  CHECK(description_of(Message::ordinary) == nullptr);
  CHECK(messages.size() == static_cast<std::size_t>(Message::interface_unsteered));  // the last of them
}

TEST_CASE("the catalogue explains every message, and no other") {
  const auto entries = catalogue();
  std::set<std::string> explained, known;
  for (const auto& [id, entry] : entries) {
    INFO(id);
    explained.insert(id);
    CHECK(entry.headers == std::set<std::string>{"Defined-By", "Documentation", "Subject", "Support"});
    CHECK(entry.text_lines >= 3);
  }
  for (const Described& each : described()) known.emplace(each.id);
  CHECK(explained == known);
}

}  // namespace clawpatrol::journal
