#include "policy/cel/time.h"

#include <fmt/format.h>

#include <chrono>
#include <limits>

#include "policy/cel/function.h"
#include "policy/cel/zone.h"

namespace clawpatrol::cel {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t first_second = -62135596800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t last_second = 253402300799;   // 9999-12-31T23:59:59Z

using std::chrono::days;
using std::chrono::sys_days;

// Takes characters off the front of a text; a failure lasts.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::int64_t digits(std::size_t count) {
    std::int64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value * 10 + digit();
    return value;
  }
  void literal(char wanted) {
    if (!take_if(wanted)) ok_ = false;
  }
  bool take_if(char wanted) {
    if (text_.empty() || text_[0] != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool at_digit() const { return !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; }
  int digit() {
    if (!at_digit()) {
      ok_ = false;
      return 0;
    }
    int value = text_[0] - '0';
    text_.remove_prefix(1);
    return value;
  }
  bool take_prefix(std::string_view wanted) {
    if (!text_.starts_with(wanted)) return false;
    text_.remove_prefix(wanted.size());
    return true;
  }
  bool ok() const { return ok_; }
  bool complete() const { return ok_ && text_.empty(); }

 private:
  std::string_view text_;
  bool ok_ = true;
};

// Digits after a decimal point, in billionths; further digits are dropped.
std::int64_t fraction(Scanner& scan) {
  std::int64_t value = 0, unit = second_ns / 10;
  do {
    value += scan.digit() * unit;
    unit /= 10;
  } while (scan.ok() && scan.at_digit());
  return value;
}

// "Z" or "+01:30": seconds east of Greenwich.
std::optional<std::int64_t> parse_offset(Scanner& scan) {
  if (scan.take_if('Z') || scan.take_if('z')) return 0;
  bool west = scan.take_if('-');
  if (!west && !scan.take_if('+')) return std::nullopt;
  std::int64_t hours = scan.digits(2);
  scan.literal(':');
  std::int64_t minutes = scan.digits(2);
  if (!scan.complete() || hours > 23 || minutes > 59) return std::nullopt;
  return (west ? -60 : 60) * (hours * 60 + minutes);
}

struct DurationUnit {
  std::string_view name;
  std::int64_t nanoseconds;
};

// "ms" before "m": the first that fits is taken.
constexpr DurationUnit units[] = {
    {"ns", 1},         {"us", 1'000},    {"\u00b5s", 1'000},    {"\u03bcs", 1'000},
    {"ms", 1'000'000}, {"s", second_ns}, {"m", 60 * second_ns}, {"h", 3600 * second_ns},
};

// One term such as "1.5h", added to `total`; false when it is malformed.
bool add_term(Scanner& scan, __int128& total) {
  constexpr __int128 bound = __int128{1} << 70;
  __int128 whole = 0;
  bool any = scan.at_digit();
  while (scan.at_digit()) whole = std::min(bound, whole * 10 + scan.digit());
  std::int64_t billionths = 0;
  if (scan.take_if('.') && scan.at_digit()) {
    any = true;
    billionths = fraction(scan);
  }
  if (!any) return false;
  for (const DurationUnit& unit : units)
    if (scan.take_prefix(unit.name)) {
      total += whole * unit.nanoseconds + __int128{billionths} * unit.nanoseconds / second_ns;
      total = std::min(total, bound);
      return true;
    }
  return false;
}

std::string trimmed_fraction(std::uint64_t nanoseconds) {
  if (nanoseconds == 0) return {};
  std::string text = fmt::format(".{:09}", nanoseconds);
  return text.substr(0, text.find_last_not_of('0') + 1);
}

struct Calendar {
  std::chrono::year_month_day date;
  std::int64_t second_of_day;
  sys_days day;
};

Calendar calendar(std::int64_t seconds) {
  std::int64_t day = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
  sys_days at{days(day)};
  return {std::chrono::year_month_day(at), seconds - day * 86400, at};
}

enum class Part : std::uint8_t {
  full_year,
  month,
  date,
  day_of_month,
  day_of_week,
  day_of_year,
  hours,
  minutes,
  seconds,
  milliseconds,
};

std::int64_t part_of(Part part, const Calendar& at, std::uint32_t nanoseconds) {
  switch (part) {
    case Part::full_year: return static_cast<int>(at.date.year());
    case Part::month: return static_cast<unsigned>(at.date.month()) - std::int64_t{1};
    case Part::date: return static_cast<unsigned>(at.date.day());
    case Part::day_of_month: return static_cast<unsigned>(at.date.day()) - std::int64_t{1};
    case Part::day_of_week: return std::chrono::weekday(at.day).c_encoding();
    case Part::day_of_year: return (at.day - sys_days(at.date.year() / 1 / 1)).count();
    case Part::hours: return at.second_of_day / 3600;
    case Part::minutes: return at.second_of_day / 60 % 60;
    case Part::seconds: return at.second_of_day % 60;
    case Part::milliseconds: return nanoseconds / 1'000'000;
  }
  __builtin_unreachable();
}

// A duration has the four smaller parts: in all, but for milliseconds.
Value duration_part(Part part, std::int64_t nanoseconds) {
  switch (part) {
    case Part::hours: return Value::of_int(nanoseconds / (3600 * second_ns));
    case Part::minutes: return Value::of_int(nanoseconds / (60 * second_ns));
    case Part::seconds: return Value::of_int(nanoseconds / second_ns);
    case Part::milliseconds: return Value::of_int(nanoseconds % second_ns / 1'000'000);
    default: return Value::error(ErrorCode::wrong_type);
  }
}

Value part_in(Part part, Value timestamp, std::int64_t offset) {
  return Value::of_int(part_of(part, calendar(timestamp.integer + offset), timestamp.size));
}

template <Part part>
Value get(Frame& frame, Arguments arguments) {
  Value subject = arguments[0];
  if (subject.kind == Kind::duration && arguments.size() == 1) return duration_part(part, subject.integer);
  if (subject.kind != Kind::timestamp) return Value::error(ErrorCode::wrong_type);
  if (arguments.size() == 1) return part_in(part, subject, 0);
  // Reached only when the zone is computed: those written in the policy are looked up when it is loaded.
  if (arguments[1].kind != Kind::string) return Value::error(ErrorCode::wrong_type);
  if (!frame.charge_text(arguments[1].size)) return out_of_budget();
  if (auto offset = parse_fixed_offset(arguments[1].text())) return part_in(part, subject, *offset);
  const Zone* zone = find_zone(arguments[1].text());
  return zone ? part_in(part, subject, zone->offset_at(subject.integer))
              : Value::error(ErrorCode::bad_argument);
}

constexpr Signature of_timestamp = method(Param::integer, {Param::timestamp});
constexpr Signature in_zone = method(Param::integer, {Param::timestamp, Param::string});
constexpr Signature of_duration = method(Param::integer, {Param::duration});

// In the order of Part.
constexpr Function functions[] = {
    {"getFullYear", get<Part::full_year>, {of_timestamp, in_zone}},
    {"getMonth", get<Part::month>, {of_timestamp, in_zone}},
    {"getDate", get<Part::date>, {of_timestamp, in_zone}},
    {"getDayOfMonth", get<Part::day_of_month>, {of_timestamp, in_zone}},
    {"getDayOfWeek", get<Part::day_of_week>, {of_timestamp, in_zone}},
    {"getDayOfYear", get<Part::day_of_year>, {of_timestamp, in_zone}},
    {"getHours", get<Part::hours>, {of_timestamp, in_zone, of_duration}},
    {"getMinutes", get<Part::minutes>, {of_timestamp, in_zone, of_duration}},
    {"getSeconds", get<Part::seconds>, {of_timestamp, in_zone, of_duration}},
    {"getMilliseconds", get<Part::milliseconds>, {of_timestamp, in_zone, of_duration}},
};

}  // namespace

bool takes_zone(const Function& function) {
  return &function >= std::begin(functions) && &function < std::end(functions);
}

Value in_zone_of(const Function& getter, Value timestamp, const Zone& zone) {
  if (timestamp.kind != Kind::timestamp) return Value::error(ErrorCode::wrong_type);
  return part_in(static_cast<Part>(&getter - functions), timestamp, zone.offset_at(timestamp.integer));
}

std::span<const Function> time_functions() {
  return functions;
}

Value timestamp_of(std::int64_t seconds, std::int64_t nanoseconds) {
  std::int64_t carry = nanoseconds / second_ns;
  nanoseconds -= carry * second_ns;
  if (nanoseconds < 0) {
    nanoseconds += second_ns;
    --carry;
  }
  if (__builtin_add_overflow(seconds, carry, &seconds) || seconds < first_second || seconds > last_second)
    return Value::error(ErrorCode::out_of_range);
  return Value::of_timestamp(seconds, static_cast<std::uint32_t>(nanoseconds));
}

Value shifted(Value timestamp, std::int64_t nanoseconds) {
  return timestamp_of(timestamp.integer + nanoseconds / second_ns,
                      std::int64_t{timestamp.size} + nanoseconds % second_ns);
}

Value between(Value earlier, Value later) {
  __int128 seconds = __int128{later.integer} - earlier.integer;
  __int128 total = seconds * second_ns + later.size - earlier.size;
  if (total > std::numeric_limits<std::int64_t>::max() || total < std::numeric_limits<std::int64_t>::min())
    return Value::error(ErrorCode::out_of_range);
  return Value::of_duration(static_cast<std::int64_t>(total));
}

std::optional<Value> parse_timestamp(std::string_view text) {
  Scanner scan(text);
  auto year = static_cast<int>(scan.digits(4));
  scan.literal('-');
  auto month = static_cast<unsigned>(scan.digits(2));
  scan.literal('-');
  auto day = static_cast<unsigned>(scan.digits(2));
  if (!scan.take_if('t')) scan.literal('T');
  std::int64_t hour = scan.digits(2);
  scan.literal(':');
  std::int64_t minute = scan.digits(2);
  scan.literal(':');
  std::int64_t second = scan.digits(2);
  std::int64_t nanoseconds = scan.take_if('.') ? fraction(scan) : 0;
  std::optional<std::int64_t> offset = parse_offset(scan);
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!scan.complete() || !offset || !date.ok() || hour > 23 || minute > 59 || second > 59)
    return std::nullopt;
  std::int64_t days_since = sys_days(date).time_since_epoch().count();
  return timestamp_of(days_since * 86400 + hour * 3600 + minute * 60 + second - *offset, nanoseconds);
}

std::optional<Value> parse_duration(std::string_view text) {
  Scanner scan(text);
  bool negative = scan.take_if('-');
  if (!negative) scan.take_if('+');
  __int128 total = 0;
  if (scan.take_prefix("0") && scan.complete()) return Value::of_duration(0);
  scan = Scanner(text.substr(text.starts_with('-') || text.starts_with('+') ? 1 : 0));
  do {
    if (!add_term(scan, total)) return std::nullopt;
  } while (!scan.complete());
  if (negative) total = -total;
  if (total > std::numeric_limits<std::int64_t>::max() || total < std::numeric_limits<std::int64_t>::min())
    return Value::error(ErrorCode::out_of_range);
  return Value::of_duration(static_cast<std::int64_t>(total));
}

std::string format_timestamp(Value timestamp) {
  Calendar at = calendar(timestamp.integer);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(at.date.year()),
                     static_cast<unsigned>(at.date.month()), static_cast<unsigned>(at.date.day()),
                     at.second_of_day / 3600, at.second_of_day / 60 % 60, at.second_of_day % 60,
                     trimmed_fraction(timestamp.size));
}

std::string format_duration(Value duration) {
  bool negative = duration.integer < 0;
  std::uint64_t size = negative ? 0 - duration.uinteger : duration.uinteger;
  return fmt::format("{}{}{}s", negative ? "-" : "", size / second_ns, trimmed_fraction(size % second_ns));
}

}  // namespace clawpatrol::cel
