#include "policy/json/read.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

namespace clawpatrol {
namespace {

// U+10FFFF, which is no character. JSON libraries refuse lone surrogates, so a byte that is not UTF-8 is read
// as this and two digits, six bytes as it was written; and this itself as two of it.
constexpr std::string_view mark = "\U0010ffff";

std::optional<std::uint32_t> unit_at(std::string_view text, std::size_t at) {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  for (char c : text.substr(at + 2, 4)) {
    bool digit = c >= '0' && c <= '9';
    char lower = static_cast<char>(c | 0x20);
    if (!digit && (lower < 'a' || lower > 'f')) return std::nullopt;
    unit = unit * 16 + static_cast<std::uint32_t>(digit ? c - '0' : lower - 'a' + 10);
  }
  return unit;
}

bool is_high(std::uint32_t unit) {
  return unit >= 0xd800 && unit < 0xdc00;
}

// Appends the escape at `at`, marked where it is a byte; returns its size.
std::size_t append_marked(std::string& out, std::string_view text, std::size_t at) {
  std::optional<std::uint32_t> unit = unit_at(text, at);
  if (unit && is_high(*unit)) {
    out += text.substr(at, 12);
    if (unit_at(text, at) == 0xdbffu && unit_at(text, at + 6) == 0xdfffu) out += mark;
    return std::min<std::size_t>(12, text.size() - at);
  }
  if (unit && *unit >= 0xdc80 && *unit < 0xdd00) {
    out += fmt::format("{}{:02x}", mark, *unit & 0xff);
    return 6;
  }
  out += text.substr(at, 2);
  return std::min<std::size_t>(2, text.size() - at);
}

std::string marked(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\') {
      at += append_marked(out, text, at);
    } else if (text.substr(at).starts_with(mark)) {
      out += mark;
      out += mark;
      at += mark.size();
    } else {
      out.push_back(text[at++]);
    }
  }
  return out;
}

std::string unmarked(std::string_view text) {
  std::string out;
  for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark)) {
    out += text.substr(0, at);
    text.remove_prefix(at + mark.size());
    if (text.starts_with(mark)) {
      out += mark;
      text.remove_prefix(mark.size());
    } else {
      out.push_back(static_cast<char>(std::stoi(std::string(text.substr(0, 2)), nullptr, 16)));
      text.remove_prefix(2);
    }
  }
  return out += text;
}

void unmark(Json& value) {
  if (value.is_string()) {
    if (value.get_ref<const std::string&>().contains(mark))
      value = unmarked(value.get_ref<const std::string&>());
  } else if (value.is_array()) {
    for (Json& element : value) unmark(element);
  } else if (value.is_object()) {
    Json members = Json::object();
    for (auto& [key, member] : value.items()) {
      unmark(member);
      members[unmarked(key)] = std::move(member);
    }
    value = std::move(members);
  }
}

JsonProblem problem_at(std::string_view text, std::size_t byte, std::string message) {
  std::string_view before = text.substr(0, std::min(byte, text.size()));
  std::size_t start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return {1 + static_cast<std::size_t>(std::ranges::count(before, '\n')), before.size() - start + 1,
          std::move(message)};
}

// Watches for what the library takes without a word.
struct Watch {
  std::vector<std::set<std::string>> keys;
  std::string complaint;

  bool see(int depth, Json::parse_event_t event, const Json& parsed) {
    if (static_cast<std::size_t>(depth) > deepest_json && complaint.empty())
      complaint = fmt::format("nested deeper than {} levels", deepest_json);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty() &&
        !keys.back().insert(parsed.get<std::string>()).second && complaint.empty())
      complaint = fmt::format("the key \"{}\" stands twice", parsed.get<std::string>());
    return true;
  }
};

}  // namespace

std::expected<Json, JsonProblem> read_json(std::string_view text) {
  bool has_marks = text.contains("\\u") || text.contains(mark);
  const std::string copy = has_marks ? marked(text) : std::string(text);
  Watch watch;
  try {
    Json value = Json::parse(copy, [&watch](int depth, Json::parse_event_t event, Json& parsed) {
      return watch.see(depth, event, parsed) && watch.complaint.empty();
    });
    if (!watch.complaint.empty()) return std::unexpected(problem_at(copy, 0, watch.complaint));
    if (has_marks) unmark(value);
    return value;
  } catch (const Json::exception& failure) {
    if (!watch.complaint.empty()) return std::unexpected(problem_at(copy, 0, watch.complaint));
    const auto* syntax = dynamic_cast<const Json::parse_error*>(&failure);
    return std::unexpected(problem_at(copy, syntax && syntax->byte ? syntax->byte - 1 : 0, "not JSON"));
  }
}

}  // namespace clawpatrol
