#include "daemon/audit/line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "daemon/audit/log.h"

namespace clawpatrol::audit {

namespace {

constexpr std::string_view line_start = R"({"v":1,"seq":)";
constexpr std::string_view prev_start = R"(,"prev":")";
constexpr std::string_view mac_start = R"(,"mac":")";
constexpr std::string_view mac_end = R"("})";
constexpr std::size_t prev_size = 16;
constexpr std::size_t mac_size = 2 * sizeof(Mac);
constexpr std::size_t mac_part = mac_start.size() + mac_size + mac_end.size();

constexpr std::pair<Origin, std::string_view> origins[] = {
    {Origin::started, "started"},
    {Origin::rotated, "rotated"},
    {Origin::recovered, "recovered"},
    {Origin::replaced, "replaced"},
};

bool take(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

// No sign, no leading zero.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || (text[0] == '0' && end != text.data() + 1)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::string_view until(std::string_view& text, char end) {
  std::size_t size = std::min(text.find(end), text.size());
  std::string_view taken = text.substr(0, size);
  text.remove_prefix(size);
  return taken;
}

}  // namespace

std::optional<Mac> group_end(std::string_view text) {
  if (text.size() < mac_part) return std::nullopt;
  std::string_view part = text.substr(text.size() - mac_part);
  if (!part.starts_with(mac_start) || !part.ends_with(mac_end)) return std::nullopt;
  return parse_mac(part.substr(mac_start.size(), mac_size));
}

std::optional<Line> parse_line(std::string_view text) {
  Line line;
  std::string_view rest = text;
  if (!take(rest, line_start)) return std::nullopt;
  auto seq = take_number(rest);
  if (!seq || !take(rest, prev_start) || rest.size() < prev_size) return std::nullopt;
  line.seq = *seq;
  line.prev = rest.substr(0, prev_size);
  rest.remove_prefix(prev_size);
  if (!is_hexadecimal(line.prev) || !take(rest, R"(",)") || !rest.ends_with('}')) return std::nullopt;
  line.mac = group_end(rest);
  std::size_t behind = line.mac ? mac_part : 1;
  line.body = rest.substr(0, rest.size() - behind);
  line.covered = text.substr(0, text.size() - behind);
  return line;
}

void append_line_start(std::string& out, std::uint64_t seq, const std::array<char, 16>& prev) {
  char digits[20];
  auto end = std::to_chars(digits, digits + sizeof digits, seq).ptr;
  out.append(line_start).append(digits, static_cast<std::size_t>(end - digits));
  out.append(prev_start).append(prev.data(), prev.size()).append(R"(",)");
}

void append_line_end(std::string& out, const Mac& mac) {
  out.append(mac_start).append(hexadecimal(mac)).append(mac_end).push_back('\n');
}

bool is_unwritable(std::string_view body) {
  bool control = false;  // no early exit, so that the compiler can go through it in blocks
  for (char byte : body) control |= static_cast<unsigned char>(byte - 0x20) > 0x5e;
  if (control || body.empty()) return true;
  std::string_view tail = body.substr(body.size() - std::min(body.size(), mac_part - 1));
  return tail.starts_with(mac_start);
}

std::string_view name_of(Origin origin) {
  for (auto [each, name] : origins) {
    if (each == origin) return name;
  }
  return "";
}

std::string segment_start_body(const SegmentStart& start) {
  std::string body = fmt::format(R"("event":"{}","time":)", name_of(start.origin));
  append_json_time(body, start.time_unix_ns);
  body += fmt::format(
      R"(,"boot":"{}","key":"{}","previous":"{}","head":"{}","abandoned":{},"oldest":{},"cause":)",
      hexadecimal(start.boot), start.key_id, start.previous, hexadecimal(start.head), start.abandoned,
      start.oldest);
  append_json_string(body, start.cause);
  return body;
}

std::optional<SegmentStart> parse_segment_start(std::string_view body) {
  SegmentStart start;
  if (!take(body, R"("event":")")) return std::nullopt;
  std::string_view event = until(body, '"');
  auto known =
      std::find_if(std::begin(origins), std::end(origins), [&](auto& each) { return each.second == event; });
  if (known == std::end(origins) || !take(body, R"(","time":")")) return std::nullopt;
  start.origin = known->first;
  until(body, '"');
  if (!take(body, R"(","boot":")")) return std::nullopt;
  auto boot = parse_mac(until(body, '"'));
  if (!boot || !take(body, R"(","key":")")) return std::nullopt;
  start.boot = *boot;
  start.key_id = until(body, '"');
  if (!take(body, R"(","previous":")")) return std::nullopt;
  start.previous = until(body, '"');
  if (!take(body, R"(","head":")")) return std::nullopt;
  auto head = parse_mac(until(body, '"'));
  if (!head || !take(body, R"(","abandoned":)")) return std::nullopt;
  start.head = *head;
  auto abandoned = take_number(body);
  if (!abandoned || !take(body, R"(,"oldest":)")) return std::nullopt;
  start.abandoned = *abandoned;
  auto oldest = take_number(body);
  if (!oldest || !take(body, R"(,"cause":")") || !body.ends_with('"')) return std::nullopt;
  start.oldest = *oldest;
  start.cause = body.substr(0, body.size() - 1);
  return start;
}

std::string segment_name(std::uint64_t first_seq) {
  return fmt::format("audit-{:020}.jsonl", first_seq);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != segment_name(0).size() || !take(name, "audit-")) return std::nullopt;
  std::uint64_t seq = 0;
  auto [end, problem] = std::from_chars(name.data(), name.data() + 20, seq);
  if (problem != std::errc() || end != name.data() + 20) return std::nullopt;
  if (!name.ends_with(".jsonl")) return std::nullopt;
  return seq;
}

}  // namespace clawpatrol::audit
