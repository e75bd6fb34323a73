#include "policy/cel/zone.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>

namespace clawpatrol::cel {

namespace {

constexpr std::string_view database = "/usr/share/zoneinfo/";
constexpr std::size_t max_file = 64 * 1024;
constexpr std::size_t max_name = 64;
constexpr std::int64_t day_seconds = 86400;

// Reads big-endian numbers; a short read makes it fail and stay failed.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t number(std::size_t size) {
    if (bytes_.size() < size) {
      ok_ = false;
      return 0;
    }
    std::uint64_t value = size == 8 || (bytes_[0] & 0x80) == 0 ? 0 : ~std::uint64_t{0};
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(size);
    return static_cast<std::int64_t>(value);
  }
  std::string_view take(std::size_t size) {
    if (bytes_.size() < size) {
      ok_ = false;
      return {};
    }
    std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view rest() const { return bytes_; }
  bool ok() const { return ok_; }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

struct Header {
  std::size_t indicators_ut, indicators_standard, leaps, changes, types, characters;
  bool ok = false;
  std::size_t size(std::size_t time_size) const {
    return changes * (time_size + 1) + types * 6 + characters + leaps * (time_size + 4) +
           indicators_standard + indicators_ut;
  }
};

Header read_header(Bytes& bytes) {
  bool magic = bytes.take(4) == "TZif";
  std::string_view version = bytes.take(16);
  Header header{};
  for (std::size_t* count : {&header.indicators_ut, &header.indicators_standard, &header.leaps,
                             &header.changes, &header.types, &header.characters})
    *count = static_cast<std::size_t>(std::max<std::int64_t>(bytes.number(4), 0));
  header.ok = bytes.ok() && magic && version[0] >= '2' && header.types > 0 && header.size(8) <= max_file;
  return header;
}

// POSIX's TZ: "EST5EDT,M3.2.0,M11.1.0", "<+0330>-3:30".
class RuleText {
 public:
  explicit RuleText(std::string_view text) : text_(text) {}
  bool done() const { return text_.empty(); }
  bool ok() const { return ok_; }
  bool take(char wanted) {
    if (text_.empty() || text_[0] != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  void need(bool held) { ok_ = ok_ && held; }

  void name() {
    std::size_t end = 0;
    if (take('<'))
      end = text_.find('>') == text_.npos ? 0 : text_.find('>') + 1;
    else
      while (end < text_.size() && std::isalpha(static_cast<unsigned char>(text_[end]))) ++end;
    need(end > 0);
    text_.remove_prefix(end);
  }
  int number() {
    int value = 0;
    std::size_t digits = 0;
    for (; digits < text_.size() && digits < 4 && std::isdigit(static_cast<unsigned char>(text_[digits]));
         ++digits)
      value = value * 10 + (text_[digits] - '0');
    need(digits > 0);
    text_.remove_prefix(digits);
    return value;
  }
  bool at_offset() const { return !text_.empty() && text_[0] != ','; }
  std::int64_t time() {
    bool negative = take('-');
    if (!negative) take('+');
    std::int64_t seconds = number() * 3600;
    if (take(':')) seconds += number() * 60;
    if (take(':')) seconds += number();
    return negative ? -seconds : seconds;
  }
  YearlyChange change() {
    YearlyChange change;
    need(take(','));
    if (take('M')) {
      change.month = number();
      need(take('.'));
      change.week = number();
      need(take('.'));
      change.day = number();
      need(change.month >= 1 && change.month <= 12 && change.week >= 1 && change.week <= 5 &&
           change.day <= 6);
    } else {
      change.form = take('J') ? YearlyChange::Form::day_without_leap : YearlyChange::Form::day_of_year;
      change.day = number();
    }
    if (take('/')) change.second = time();
    return change;
  }

 private:
  std::string_view text_;
  bool ok_ = true;
};

// By the clock before the change, as if it were UTC.
std::int64_t moment_of(const YearlyChange& change, std::chrono::year year) {
  using namespace std::chrono;
  sys_days day;
  if (change.form == YearlyChange::Form::month_week_day) {
    month_day first{month(static_cast<unsigned>(change.month)), std::chrono::day(1)};
    weekday wanted(static_cast<unsigned>(change.day));
    if (change.week == 5)
      day = sys_days(year / first.month() / wanted[last]);
    else
      day = sys_days(year / first.month() / wanted[static_cast<unsigned>(change.week)]);
  } else {
    bool leap_shift = change.form == YearlyChange::Form::day_without_leap;
    int from_zero = leap_shift ? change.day - 1 + (year.is_leap() && change.day >= 60 ? 1 : 0) : change.day;
    day = sys_days(year / 1 / 1) + days(from_zero);
  }
  return day.time_since_epoch().count() * day_seconds + change.second;
}

// Nothing that could leave the database's directory.
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > max_name || name[0] == '/' || name.find("..") != name.npos) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '+' || c == '/';
  });
}

std::optional<Zone> read_zone(std::string_view name) {
  std::ifstream file(std::string(database) + std::string(name), std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes(max_file + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes.size() > max_file ? std::nullopt : Zone::parse(bytes);
}

using Zones = std::map<std::string, Zone, std::less<>>;

// Written once, by preload_zones(), before the first condition that asks for them is in force.
Zones& preloaded() {
  static Zones zones;
  return zones;
}
std::once_flag preloading;
bool has_preloaded = false;

}  // namespace

Zone Zone::fixed(std::int64_t offset) {
  Zone zone;
  zone.first_ = zone.rule_.standard = offset;
  return zone;
}

std::optional<Zone> Zone::parse(std::string_view file) {
  Bytes bytes(file);
  Header old = read_header(bytes);  // a copy for readers of 32-bit times comes first
  if (!old.ok) return std::nullopt;
  bytes.take(old.size(4));
  Header header = read_header(bytes);
  if (!header.ok) return std::nullopt;
  Zone zone;
  for (std::size_t i = 0; i < header.changes; ++i) zone.changes_.push_back({bytes.number(8), 0});
  std::string_view which = bytes.take(header.changes);
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i < header.types; ++i) {
    offsets.push_back(bytes.number(4));
    bytes.take(2);
  }
  bytes.take(header.characters + header.leaps * 12 + header.indicators_standard + header.indicators_ut);
  if (!bytes.ok()) return std::nullopt;
  for (std::size_t i = 0; i < which.size(); ++i) {
    auto type = static_cast<unsigned char>(which[i]);
    bool sorted = i == 0 || zone.changes_[i - 1].at < zone.changes_[i].at;
    if (type >= offsets.size() || !sorted) return std::nullopt;
    zone.changes_[i].offset = offsets[type];
  }
  zone.first_ = offsets[0];
  std::string_view footer = bytes.rest();
  if (!footer.starts_with('\n') || !footer.ends_with('\n') || footer.size() < 2) return std::nullopt;
  footer = footer.substr(1, footer.size() - 2);
  if (footer.empty()) {  // nothing is foreseen: as it is at the end
    zone.rule_.standard = zone.changes_.empty() ? zone.first_ : zone.changes_.back().offset;
    return zone;
  }
  std::optional<Rule> rule = parse_rule(footer);
  if (!rule) return std::nullopt;
  zone.rule_ = *rule;
  return zone;
}

// In TZ offsets count to the west.
std::optional<Zone::Rule> Zone::parse_rule(std::string_view text) {
  RuleText scan(text);
  Rule rule;
  scan.name();
  rule.standard = -scan.time();
  if (!scan.done()) {
    scan.name();
    rule.summer = scan.at_offset() ? -scan.time() : rule.standard + 3600;
    rule.to_summer = scan.change();
    rule.to_standard = scan.change();
  }
  return scan.ok() && scan.done() ? std::optional(rule) : std::nullopt;
}

std::int64_t Zone::by_rule(std::int64_t unix_second) const {
  if (!rule_.summer) return rule_.standard;
  using namespace std::chrono;
  sys_days day = floor<days>(sys_seconds(seconds(unix_second + rule_.standard)));
  year at = year_month_day(day).year();
  std::int64_t begins = moment_of(rule_.to_summer, at) - rule_.standard;
  std::int64_t ends = moment_of(rule_.to_standard, at) - *rule_.summer;
  bool summer = begins < ends ? unix_second >= begins && unix_second < ends
                              : unix_second >= begins || unix_second < ends;
  return summer ? *rule_.summer : rule_.standard;
}

std::int64_t Zone::offset_at(std::int64_t unix_second) const {
  if (changes_.empty() || unix_second >= changes_.back().at) return by_rule(unix_second);
  auto after = std::upper_bound(changes_.begin(), changes_.end(), unix_second,
                                [](std::int64_t second, const Change& change) { return second < change.at; });
  return after == changes_.begin() ? first_ : std::prev(after)->offset;
}

std::optional<std::int64_t> parse_fixed_offset(std::string_view text) {
  bool west = text.starts_with('-');
  if (west || text.starts_with('+')) text.remove_prefix(1);
  auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : 100; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  int hours = digit(0) * 10 + digit(1), minutes = digit(3) * 10 + digit(4);
  if (hours > 23 || minutes > 59) return std::nullopt;
  return (west ? -60 : 60) * (hours * 60 + minutes);
}

std::optional<Zone> load_zone(std::string_view name) {
  if (auto offset = parse_fixed_offset(name)) return Zone::fixed(*offset);
  if (name == "UTC" || name == "Z") return Zone::fixed(0);
  return is_zone_name(name) ? read_zone(name) : std::nullopt;
}

const Zone* find_zone(std::string_view name) {
  if (!has_preloaded) return nullptr;
  auto found = preloaded().find(name);
  return found == preloaded().end() ? nullptr : &found->second;
}

void preload_zones() {
  std::call_once(preloading, [] {
    std::error_code error;
    namespace fs = std::filesystem;
    for (fs::recursive_directory_iterator at(database, error), end; !error && at != end;
         at.increment(error)) {
      std::string name = at->path().string().substr(database.size());
      if (name == "posix" || name == "right") at.disable_recursion_pending();
      std::error_code not_a_file;
      if (!is_zone_name(name) || !at->is_regular_file(not_a_file)) continue;
      if (std::optional<Zone> zone = read_zone(name)) preloaded().emplace(name, std::move(*zone));
    }
    preloaded().insert_or_assign("UTC", Zone::fixed(0));
    has_preloaded = true;
  });
}

}  // namespace clawpatrol::cel
