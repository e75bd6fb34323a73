// Timestamps (seconds and nanoseconds since 1970, years 1 to 9999) and durations (nanoseconds in 64 bits).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/cel/function.h"
#include "policy/cel/zone.h"

namespace clawpatrol::cel {

// Of the getters, such as getHours: whether `function` is one, and what it gives in a zone that is known at
// load.
bool takes_zone(const Function& function);
Value in_zone_of(const Function& getter, Value timestamp, const Zone& zone);

Value timestamp_of(std::int64_t seconds, std::int64_t nanoseconds);  // error out_of_range beyond the years
Value shifted(Value timestamp, std::int64_t nanoseconds);
Value between(Value earlier, Value later);  // a duration

std::optional<Value> parse_timestamp(std::string_view text);  // RFC 3339; an error value when out of range
std::optional<Value> parse_duration(std::string_view text);   // "1h30m", "-1.5s", "100ms"
std::string format_timestamp(Value timestamp);
std::string format_duration(Value duration);  // "90s", "0.1s"

}  // namespace clawpatrol::cel
