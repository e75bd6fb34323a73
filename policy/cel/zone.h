// Time zones: fixed offsets, and those of the IANA database as the machine has them (TZif files, RFC 8536).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace clawpatrol::cel {

// The day and time of a change that comes every year, as POSIX's TZ says it.
struct YearlyChange {
  enum class Form : std::uint8_t { month_week_day, day_of_year, day_without_leap };
  Form form = Form::month_week_day;
  int month = 0, week = 0, day = 0;  // or `day` of the year: from 0, or without 29 February from 1
  std::int64_t second = 7200;        // of that day, by the clock before the change; may be of another day
};

class Zone {
 public:
  static Zone fixed(std::int64_t offset);                   // seconds east of Greenwich
  static std::optional<Zone> parse(std::string_view file);  // a TZif file, version 2 or later

  std::int64_t offset_at(std::int64_t unix_second) const;

 private:
  struct Change {
    std::int64_t at;
    std::int64_t offset;  // from then on
  };
  struct Rule {
    std::int64_t standard = 0;
    std::optional<std::int64_t> summer;
    YearlyChange to_summer, to_standard;
  };
  static std::optional<Rule> parse_rule(std::string_view text);
  std::int64_t by_rule(std::int64_t unix_second) const;

  std::int64_t first_ = 0;  // before the first change
  std::vector<Change> changes_;
  Rule rule_;  // after the last
};

// "Europe/Berlin", "UTC"; or "+02:00", "-09:30", "02:00". Reads a file: when a policy is loaded.
std::optional<Zone> load_zone(std::string_view name);
// The same among what preload_zones() has read: for names that only an action has. Reads nothing.
const Zone* find_zone(std::string_view name);
void preload_zones();
std::optional<std::int64_t> parse_fixed_offset(std::string_view text);

}  // namespace clawpatrol::cel
