// strings.quote and string.format: google/cel-spec, doc/extensions/strings.md.
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>

#include "policy/cel/function.h"
#include "policy/cel/time.h"
#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

constexpr int max_precision = 100;
constexpr std::string_view replacement = "\ufffd";

// Shortest digits that give the number again, never with an exponent.
std::string plain_digits(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char digits[400];
  auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed).ptr;
  return {digits, end};
}

double as_double(Value number) {
  if (number.kind == Kind::integer) return static_cast<double>(number.integer);
  if (number.kind == Kind::uinteger) return static_cast<double>(number.uinteger);
  return number.real;
}

// One call of format(): every function is false once something is wrong, and `wrong_` says what.
class Formatter {
 public:
  Formatter(Frame& frame, Value arguments) : frame_(frame), arguments_(arguments), out_(frame) {}

  Value run(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      std::size_t percent = std::min(text.find('%', at), text.size());
      if (!out_.append(text.substr(at, percent - at))) return out_of_budget();
      if (percent == text.size()) break;
      at = percent + 1;
      if (!clause(text, at)) return wrong_;
    }
    return Value::of_string(out_.text());
  }

 private:
  bool fail(ErrorCode code) {
    wrong_ = Value::error(code);
    return false;
  }
  bool put(std::string_view text) { return out_.append(text) || fail(ErrorCode::cost_limit); }

  // What follows a percent sign; `at` is moved behind it.
  bool clause(std::string_view text, std::size_t& at) {
    if (at < text.size() && text[at] == '%') {
      ++at;
      return put("%");
    }
    int precision = -1;
    if (at < text.size() && text[at] == '.') {
      auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), precision);
      if (error != std::errc() || precision < 0 || precision > max_precision)
        return fail(ErrorCode::bad_format);
      at = static_cast<std::size_t>(end - text.data());
    }
    if (at == text.size()) return fail(ErrorCode::bad_format);
    char verb = text[at++];
    bool fractional = verb == 'f' || verb == 'e';
    if (precision >= 0 && !fractional) return fail(ErrorCode::bad_format);
    if (std::string_view("sdfexXob").find(verb) == std::string_view::npos) return fail(ErrorCode::bad_format);
    if (next_ >= list_size(arguments_)) return fail(ErrorCode::index_out_of_range);
    if (!frame_.charge(1)) return fail(ErrorCode::cost_limit);
    Value argument = list_at(arguments_, next_++);
    if (fractional) return real(verb, precision < 0 ? 6 : precision, argument);
    switch (verb) {
      case 's': return plain(out_, argument);
      case 'd': return decimal(argument);
      case 'o': return whole("{}{:o}", argument);
      case 'b':
        if (argument.kind == Kind::boolean) return put(argument.boolean ? "1" : "0");
        return whole("{}{:b}", argument);
      default: return hexadecimal(verb == 'x' ? "{}{:x}" : "{}{:X}", argument);
    }
  }

  bool decimal(Value number) {
    if (!number.is_number()) return fail(ErrorCode::wrong_type);
    return plain(out_, number);
  }

  // `pattern` takes the sign and the size.
  bool whole(const char* pattern, Value number) {
    if (number.kind != Kind::integer && number.kind != Kind::uinteger) return fail(ErrorCode::wrong_type);
    bool negative = number.kind == Kind::integer && number.integer < 0;
    std::uint64_t size = negative ? 0 - number.uinteger : number.uinteger;
    return put(fmt::format(fmt::runtime(pattern), negative ? "-" : "", size));
  }

  bool hexadecimal(const char* pattern, Value value) {
    if (value.kind != Kind::string && value.kind != Kind::bytes) return whole(pattern, value);
    const char* digits = std::string_view(pattern).ends_with("x}") ? "0123456789abcdef" : "0123456789ABCDEF";
    for (char c : value.text()) {
      auto byte = static_cast<unsigned char>(c);
      const char pair[] = {digits[byte >> 4], digits[byte & 15]};
      if (!put({pair, 2})) return false;
    }
    return frame_.charge_text(value.size) || fail(ErrorCode::cost_limit);
  }

  bool real(char verb, int precision, Value number) {
    if (!number.is_number()) return fail(ErrorCode::wrong_type);
    double value = as_double(number);
    if (!std::isfinite(value)) return put(plain_digits(value));
    // Digits far from the point are made by arithmetic of many words.
    const auto digits = static_cast<std::uint64_t>(std::abs(value == 0 ? 0 : std::ilogb(value)) + precision);
    if (!frame_.charge(64 + digits / 2)) return fail(ErrorCode::cost_limit);
    return put(verb == 'f' ? fmt::format("{:.{}f}", value, precision)
                           : fmt::format("{:.{}e}", value, precision));
  }

  bool append(Growing<char>& out, std::string_view text) {
    return out.append(text) || fail(ErrorCode::cost_limit);
  }

  // As %s says it.
  bool plain(Growing<char>& out, Value value) {
    if (!frame_.charge(1)) return fail(ErrorCode::cost_limit);
    switch (value.kind) {
      case Kind::null: return append(out, "null");
      case Kind::boolean: return append(out, value.boolean ? "true" : "false");
      case Kind::integer: return append(out, std::to_string(value.integer));
      case Kind::uinteger: return append(out, std::to_string(value.uinteger));
      case Kind::real: return append(out, plain_digits(value.real));
      case Kind::string:
      case Kind::type: return append(out, value.text());
      case Kind::bytes: return bytes(out, value.text());
      case Kind::timestamp: return append(out, format_timestamp(value));
      case Kind::duration: return append(out, plain_digits(static_cast<double>(value.integer) / 1e9) + "s");
      case Kind::list: return list(out, value);
      case Kind::map: return map(out, value);
      default: return fail(ErrorCode::wrong_type);
    }
  }

  bool bytes(Growing<char>& out, std::string_view bytes) {
    if (!frame_.charge_text(bytes.size())) return fail(ErrorCode::cost_limit);
    bool replaced = false;
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t length = utf8::decode_length(bytes, at);
      if (length == 0) {
        if (!replaced && !append(out, replacement)) return false;
      } else if (!append(out, bytes.substr(at, length))) {
        return false;
      }
      replaced = length == 0;
      at += replaced ? 1 : length;
    }
    return true;
  }

  bool list(Growing<char>& out, Value list) {
    if (is_open(list)) {
      wrong_ = unknown_members(list);
      return false;
    }
    if (!append(out, "[")) return false;
    for (std::size_t i = 0; i < list_size(list); ++i)
      if ((i > 0 && !append(out, ", ")) || !plain(out, list_at(list, i))) return false;
    return append(out, "]");
  }

  // By the text of the keys.
  bool map(Growing<char>& out, Value map) {
    struct Pair {
      std::string_view key;
      Value value;
    };
    std::span<const Entry> entries = entries_of(frame_, map);
    Pair* pairs = frame_.make<Pair>(entries.size());
    if (!pairs) return fail(ErrorCode::cost_limit);
    std::size_t longest = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Growing<char> key(frame_);
      if (!plain(key, entries[i].key)) return false;
      pairs[i] = {key.text(), entries[i].value};
      longest = std::max(longest, key.text().size());
    }
    if (!frame_.charge(entries.size() * std::bit_width(entries.size()) * (1 + longest / 16)))
      return fail(ErrorCode::cost_limit);
    std::sort(pairs, pairs + entries.size(),
              [](const Pair& left, const Pair& right) { return left.key < right.key; });
    if (!append(out, "{")) return false;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if ((i > 0 && !append(out, ", ")) || !append(out, pairs[i].key) || !append(out, ": ") ||
          !plain(out, pairs[i].value))
        return false;
    return append(out, "}");
  }

  Frame& frame_;
  Value arguments_;
  Growing<char> out_;
  std::size_t next_ = 0;
  Value wrong_ = out_of_budget();
};

Value format(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::string || arguments[1].kind != Kind::list)
    return Value::error(ErrorCode::wrong_type);
  if (is_open(arguments[1])) return unknown_members(arguments[1]);
  if (!frame.charge_text(arguments[0].size)) return out_of_budget();
  return Formatter(frame, arguments[1]).run(arguments[0].text());
}

std::string_view escaped(char c) {
  switch (c) {
    case '\a': return "\\a";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\v': return "\\v";
    case '\\': return "\\\\";
    case '"': return "\\\"";
    default: return {};
  }
}

Value quote(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::string) return Value::error(ErrorCode::wrong_type);
  std::string_view text = arguments[0].text();
  if (!frame.charge_text(text.size())) return out_of_budget();
  Growing<char> out(frame);
  bool room = out.append("\"");
  for (std::size_t at = 0; at < text.size() && room;) {
    std::size_t length = utf8::decode_length(text, at);
    std::string_view escape = escaped(text[at]);
    room = out.append(length == 0 ? replacement : escape.empty() ? text.substr(at, length) : escape);
    at += std::max<std::size_t>(length, 1);
  }
  return room && out.append("\"") ? Value::of_string(out.text()) : out_of_budget();
}

constexpr Function functions[] = {
    {"format", format, {method(Param::string, {Param::string, Param::list_dyn})}},
    {"strings.quote", quote, {global(Param::string, {Param::string})}},
};

}  // namespace

std::span<const Function> format_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
