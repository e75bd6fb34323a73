#include "parsers/postgres/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <vector>

#include "parsers/bytes.h"

namespace clawpatrol::postgres {
namespace {

using Text = std::optional<std::string>;

constexpr int most_dimensions = 6;    // MAXDIM
constexpr int most_made_digits = 32;  // zeros that a numeric's weight and scale may add to what was sent

std::uint64_t u64(Reader& reader) {
  const std::uint64_t high = reader.u32();
  return high << 32 | reader.u32();
}

Text boolean(std::string_view bytes) {
  if (bytes.size() != 1) return std::nullopt;
  return bytes[0] != 0 ? "t" : "f";
}

template <class Integer>
Text integer(std::string_view bytes) {
  if (bytes.size() != sizeof(Integer)) return std::nullopt;
  std::uint64_t value = 0;
  for (char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return std::to_string(static_cast<Integer>(value));
}

// As float8out does with extra_float_digits = 1: the shortest digits that read back, fixed between 1e-4 and
// 1e15 (1e6 for float4).
template <class Float>
Text shortest(Float value, int fixed_below) {
  if (value != value) return "NaN";
  if (value == std::numeric_limits<Float>::infinity()) return "Infinity";
  if (value == -std::numeric_limits<Float>::infinity()) return "-Infinity";
  char buffer[128];
  const auto scientific = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(scientific.ptr - buffer));
  int exponent = 0;
  const std::string_view power = text.substr(text.find('e') + 1);
  std::from_chars(power.data() + (power.front() == '+' ? 1 : 0), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= fixed_below) return std::string(text);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return std::string(buffer, fixed.ptr);
}

Text float4(std::string_view bytes) {
  if (bytes.size() != 4) return std::nullopt;
  return shortest(std::bit_cast<float>(Reader(bytes).u32()), 6);
}
Text float8(std::string_view bytes) {
  Reader reader(bytes);
  const auto value = std::bit_cast<double>(u64(reader));
  return reader.complete() ? shortest(value, 15) : std::nullopt;
}

// numeric_recv: number of digits, weight of the first, sign, digits shown behind the point; digits to base
// 10,000.
Text numeric(std::string_view bytes) {
  Reader reader(bytes);
  const std::uint16_t count = reader.u16();
  const std::int16_t weight = reader.i16();
  const std::uint16_t sign = reader.u16(), scale = reader.u16();
  if (!reader.ok() || reader.left() != count * sizeof(std::uint16_t)) return std::nullopt;
  if (count == 0 && sign == 0xc000) return "NaN";
  if (count == 0 && sign == 0xd000) return "Infinity";
  if (count == 0 && sign == 0xf000) return "-Infinity";
  if (sign != 0 && sign != 0x4000) return std::nullopt;
  std::vector<std::uint16_t> digits(count);
  for (std::uint16_t& digit : digits) digit = reader.u16();
  if (std::ranges::any_of(digits, [](std::uint16_t digit) { return digit > 9999; })) return std::nullopt;
  const int longest = 4 * count + most_made_digits, lowest = weight - count + 1;
  if (4 * (weight + 1) > longest || -4 * lowest > longest || scale > longest) return std::nullopt;

  auto group = [&](int power) -> unsigned {
    const int index = weight - power;
    return index >= 0 && index < count ? digits[static_cast<std::size_t>(index)] : 0;
  };
  std::string whole, fraction;
  for (int power = weight; power >= 0; --power) whole += fmt::format("{:04}", group(power));
  whole.erase(0, whole.find_first_not_of('0'));
  const int last = std::min(lowest, -(scale + 3) / 4);
  for (int power = -1; power >= last; --power) fraction += fmt::format("{:04}", group(power));
  // What stands behind the scale the server would cut off: no client sends it.
  if (fraction.find_first_not_of('0', scale) != fraction.npos) return std::nullopt;
  fraction.resize(scale);
  const bool zero = whole.empty() && fraction.find_first_not_of('0') == fraction.npos;
  std::string text = sign != 0 && !zero ? "-" : "";
  text += whole.empty() ? "0" : whole;
  return scale > 0 ? text + "." + fraction : text;
}

Text hexadecimal(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text = "\\x";
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

Text uuid(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  std::string text = hexadecimal(bytes)->substr(2);
  for (std::size_t at : {8, 13, 18, 23}) text.insert(at, 1, '-');
  return text;
}

// Days since 2000-01-01, proleptic Gregorian (H. Hinnant, "chrono-compatible low-level date algorithms").
struct Day {
  std::string text;
  bool before_christ;
};
Day day_of(std::int64_t days) {
  days += 10'957 + 719'468;  // from 0000-03-01
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const std::int64_t of_era = days - era * 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * of_year + 2) / 153;  // from March
  const std::int64_t day = of_year - (153 * shifted + 2) / 5 + 1;
  const std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return {fmt::format("{:04}-{:02}-{:02}", year > 0 ? year : 1 - year, month, day), year <= 0};
}

constexpr std::int64_t first_day = -2'451'545, end_of_days = 2'145'031'949;  // 4714-11-24 BC, 5874898
constexpr std::int64_t first_us = -211'813'488'000'000'000, end_us = 9'223'371'331'200'000'000;  // 294277

Text date(std::string_view bytes) {
  Reader reader(bytes);
  const std::int32_t days = reader.i32();
  if (!reader.complete()) return std::nullopt;
  if (days == std::numeric_limits<std::int32_t>::max()) return "infinity";
  if (days == std::numeric_limits<std::int32_t>::min()) return "-infinity";
  if (days < first_day || days >= end_of_days) return std::nullopt;
  const Day day = day_of(days);
  return day.text + (day.before_christ ? " BC" : "");
}

Text timestamp(std::string_view bytes, std::string_view zone) {
  Reader reader(bytes);
  const auto us = std::bit_cast<std::int64_t>(u64(reader));
  if (!reader.complete()) return std::nullopt;
  if (us == std::numeric_limits<std::int64_t>::max()) return "infinity";
  if (us == std::numeric_limits<std::int64_t>::min()) return "-infinity";
  if (us < first_us || us >= end_us) return std::nullopt;
  constexpr std::int64_t us_per_day = 86'400'000'000;
  const std::int64_t days = us / us_per_day - (us % us_per_day < 0 ? 1 : 0);
  const std::int64_t of_day = us - days * us_per_day, seconds = of_day / 1'000'000;
  const Day day = day_of(days);
  std::string text =
      fmt::format("{} {:02}:{:02}:{:02}", day.text, seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (const std::int64_t part = of_day % 1'000'000; part != 0) {
    text += fmt::format(".{:06}", part);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text.append(zone).append(day.before_christ ? " BC" : "");
}

Text jsonb(std::string_view bytes) {
  if (!bytes.starts_with('\x01')) return std::nullopt;  // the one version there is
  return std::string(bytes.substr(1));
}

// "char": what is not ASCII is shown in one way by version 15 and in another by 16.
Text character(std::string_view bytes) {
  if (bytes.size() != 1 || bytes[0] <= 0) return std::nullopt;
  return std::string(bytes);
}

Text characters(std::string_view bytes) {
  if (bytes.find('\0') != bytes.npos) return std::nullopt;
  return std::string(bytes);
}

struct Type {
  std::uint32_t oid, array_oid;
  Text (*text)(std::string_view bytes);
};

// pg_type.dat; these never change.
constexpr Type types[] = {
    {16, 1000, boolean},
    {17, 1001, hexadecimal},
    {18, 1002, character},
    {19, 1003, characters},
    {20, 1016, integer<std::int64_t>},
    {21, 1005, integer<std::int16_t>},
    {23, 1007, integer<std::int32_t>},
    {25, 1009, characters},
    {26, 1028, integer<std::uint32_t>},
    {114, 199, characters},
    {700, 1021, float4},
    {701, 1022, float8},
    {1042, 1014, characters},
    {1043, 1015, characters},
    {1082, 1182, date},
    {1114, 1115, [](std::string_view bytes) { return timestamp(bytes, ""); }},
    {1184, 1185, [](std::string_view bytes) { return timestamp(bytes, "+00"); }},
    {1700, 1231, numeric},
    {2950, 2951, uuid},
    {3802, 3807, jsonb},
};

// As array_out(): quoted where it would read as something else.
void append_element(std::string& out, const Text& element) {
  if (!element) {
    out += "NULL";
    return;
  }
  const std::string& text = *element;
  auto is_null = [&text] {
    return text.size() == 4 &&
           std::ranges::equal(text, std::string_view("null"), [](char a, char b) { return (a | 0x20) == b; });
  };
  const bool quoted = text.empty() || is_null() || text.find_first_of("\"\\{}, \t\n\r\v\f") != text.npos;
  if (!quoted) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

struct Dimension {
  std::uint32_t size;
  std::int32_t first;
};

// array_recv: dimensions, whether there are NULLs, type of the elements; size and lower bound of each
// dimension; elements with their lengths.
Text array(const Type& type, std::string_view bytes) {
  Reader reader(bytes);
  const std::int32_t count = reader.i32();
  const std::uint32_t flags = reader.u32(), element_type = reader.u32();
  if (!reader.ok() || count < 0 || count > most_dimensions || flags > 1 || element_type != type.oid)
    return std::nullopt;
  std::vector<Dimension> dimensions(static_cast<std::size_t>(count));
  std::uint64_t elements = count == 0 ? 0 : 1;
  for (Dimension& dimension : dimensions) {
    dimension = {.size = reader.u32(), .first = reader.i32()};
    elements *= dimension.size;
    if (elements > bytes.size()) return std::nullopt;  // each takes four bytes at least
  }
  if (elements == 0) return reader.complete() ? Text("{}") : std::nullopt;
  std::string out;
  const bool shows_bounds =
      std::ranges::any_of(dimensions, [](const Dimension& one) { return one.first != 1; });
  if (shows_bounds) {
    for (const Dimension& one : dimensions)
      out += fmt::format("[{}:{}]", one.first, std::int64_t{one.first} + one.size - 1);
    out += '=';
  }
  for (std::uint64_t index = 0; index < elements; ++index) {
    std::uint64_t stride = 1;
    std::string opened;
    for (std::size_t i = dimensions.size(); i-- > 0;) {
      stride *= dimensions[i].size;
      if (index % stride == 0) opened += '{';
    }
    if (index > 0) out += ',';
    out += opened;
    const std::int32_t length = reader.i32();
    Text element;
    if (length != -1) {
      element = length < 0 ? std::nullopt : type.text(reader.bytes(static_cast<std::size_t>(length)));
      if (!element) return std::nullopt;
    }
    if (!reader.ok()) return std::nullopt;
    append_element(out, element);
    stride = 1;
    for (std::size_t i = dimensions.size(); i-- > 0;) {
      stride *= dimensions[i].size;
      if ((index + 1) % stride == 0) out += '}';
    }
  }
  return reader.complete() ? Text(out) : std::nullopt;
}

}  // namespace

std::optional<std::string> text_of_binary(std::uint32_t type_oid, std::string_view bytes) {
  for (const Type& type : types) {
    if (type.oid == type_oid) return type.text(bytes);
    if (type.array_oid == type_oid) return array(type, bytes);
  }
  return std::nullopt;
}

}  // namespace clawpatrol::postgres
