#include "parsers/yaml_scalar.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>

namespace clawpatrol {
namespace {

template <std::size_t count>
bool is_one_of(std::string_view text, const std::string_view (&words)[count]) {
  return std::ranges::find(words, text) != std::end(words);
}

constexpr std::string_view nulls[] = {"", "~", "null", "Null", "NULL"};
constexpr std::string_view trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON"};
constexpr std::string_view falses[] = {"n",     "N",     "no",  "No",  "NO", "false",
                                       "False", "FALSE", "off", "Off", "OFF"};
constexpr std::string_view no_numbers[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                           "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t take_digits(std::string_view& text) {
  const std::size_t count = static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
  text.remove_prefix(count);
  return count;
}

// Without what says the base, as Go's ParseInt does with base 0.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits.front() != '0') return 10;
  int base = 8;
  switch (digits[1]) {
    case 'x':
    case 'X': base = 16; break;
    case 'b':
    case 'B': base = 2; break;
    case 'o':
    case 'O': break;
    default: digits.remove_prefix(1); return base;
  }
  digits.remove_prefix(2);
  return base;
}

enum class Whole : std::uint8_t { no, yes, too_large };

Whole read_whole(std::string_view text, std::string& json) {
  const bool is_signed = text.starts_with('-') || text.starts_with('+');
  const bool negative = text.starts_with('-');
  if (is_signed) text.remove_prefix(1);
  const int base = take_base(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return Whole::no;
  constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  if (error != std::errc() || (is_signed && value > largest)) return Whole::too_large;
  json = (negative && value != 0 ? "-" : "") + std::to_string(value);
  return Whole::yes;
}

enum class Fraction : std::uint8_t {
  no,
  yes,
  of_some,  // a number only to newer versions, to which a fraction and the sign of an exponent can be absent
};

// [-+]? ( digits? . digits | digits ) ( [eE] [-+] digits )?, as JSON writes it.
Fraction read_fraction(std::string_view text, std::string& json) {
  const bool negative = text.starts_with('-');
  const bool begins_with_point = text.starts_with('.');  // then they all have the rules of Go
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const std::string_view all = text;
  const std::size_t whole = take_digits(text);
  std::size_t fraction = 0;
  const bool point = text.starts_with('.');
  if (point) text.remove_prefix(1), fraction = take_digits(text);
  if (whole + fraction == 0) return Fraction::no;
  bool certain = !point || fraction > 0;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    const bool sign = text.starts_with('-') || text.starts_with('+');
    if (sign) text.remove_prefix(1);
    if (take_digits(text) == 0) return Fraction::no;
    certain &= sign || begins_with_point;
  }
  if (!text.empty()) return Fraction::no;
  if (!certain) return Fraction::of_some;
  const std::size_t zeros = std::min(all.find_first_not_of('0'), all.size());
  const std::string_view rest = all.substr(zeros);
  json = negative ? "-" : "";
  if (rest.empty() || !is_digit(rest.front())) json += '0';
  json += rest;
  return Fraction::yes;
}

bool begins_as_number(std::string_view text) {
  return is_digit(text.front()) || text.front() == '-' || text.front() == '+' || text.front() == '.';
}

PlainScalar read_number(const std::string& json, Document& into) {
  auto number = read_json_document(json);
  if (!number) return PlainScalar::doubtful;
  into = std::move(*number);
  return PlainScalar::read;
}

}  // namespace

PlainScalar read_plain_scalar(std::string_view text, Document& into) {
  if (is_one_of(text, no_numbers)) return PlainScalar::doubtful;
  const bool is_true = is_one_of(text, trues);
  if (is_one_of(text, nulls)) {
    into = Document();
  } else if (is_true || is_one_of(text, falses)) {
    into.value = is_true;
  } else {
    std::string digits(text), json;
    const bool numeric = begins_as_number(text);
    if (!text.starts_with('.')) std::erase(digits, '_');
    const Whole whole = numeric ? read_whole(digits, json) : Whole::no;
    if (whole == Whole::yes) return read_number(json, into);
    const Fraction fraction = numeric ? read_fraction(digits, json) : Fraction::no;
    if (whole == Whole::too_large || fraction == Fraction::of_some) return PlainScalar::doubtful;
    if (fraction == Fraction::yes) return read_number(json, into);
    into.value = std::string(text);
  }
  return PlainScalar::read;
}

}  // namespace clawpatrol
