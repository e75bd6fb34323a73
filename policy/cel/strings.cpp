// Functions of text: those of the standard library and of the `strings` extension. Positions count code
// points.
#include <string.h>

#include <algorithm>
#include <string>

#include "policy/cel/function.h"
#include "policy/cel/pattern.h"
#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

constexpr std::size_t npos = std::string_view::npos;

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}
Value out_of_range() {
  return Value::error(ErrorCode::index_out_of_range);
}

bool all_strings(Arguments arguments) {
  return std::all_of(arguments.begin(), arguments.end(), [](Value v) { return v.kind == Kind::string; });
}

// memmem takes linear time; string_view::find does not.
std::size_t find(std::string_view text, std::string_view wanted, std::size_t from = 0) {
  if (from > text.size()) return npos;
  if (wanted.empty()) return from;
  if (text.size() - from < wanted.size()) return npos;
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : npos;
}

Value contains(Frame& frame, Arguments arguments) {
  if (!all_strings(arguments)) return wrong_type();
  if (!frame.charge_text(std::size_t{arguments[0].size} + arguments[1].size)) return out_of_budget();
  return Value::of_bool(find(arguments[0].text(), arguments[1].text()) != npos);
}

Value starts_with(Frame& frame, Arguments arguments) {
  if (!all_strings(arguments)) return wrong_type();
  if (!frame.charge_text(arguments[1].size)) return out_of_budget();
  return Value::of_bool(arguments[0].text().starts_with(arguments[1].text()));
}

Value ends_with(Frame& frame, Arguments arguments) {
  if (!all_strings(arguments)) return wrong_type();
  if (!frame.charge_text(arguments[1].size)) return out_of_budget();
  return Value::of_bool(arguments[0].text().ends_with(arguments[1].text()));
}

Value matches(Frame& frame, Arguments arguments) {
  if (!all_strings(arguments)) return wrong_type();
  // Reached only when the pattern is computed: those written in the policy are compiled when it is loaded.
  if (!frame.charge(20'000 + 20 * std::uint64_t{arguments[1].size})) return out_of_budget();
  auto pattern = Pattern::compile(arguments[1].text(), PatternSource::action);
  if (!pattern) return Value::error(ErrorCode::bad_pattern);
  return pattern->match(frame, arguments[0].text());
}

Value size(Frame& frame, Arguments arguments) {
  Value subject = arguments[0];
  switch (subject.kind) {
    case Kind::bytes: return Value::of_int(subject.size);
    case Kind::list:
      if (is_open(subject)) return unknown_members(subject);
      return Value::of_int(static_cast<std::int64_t>(list_size(subject)));
    case Kind::map: return Value::of_int(static_cast<std::int64_t>(map_size(subject)));
    case Kind::string:
      if (!frame.charge_text(subject.size)) return out_of_budget();
      if (!utf8::valid(subject.text())) return Value::error(ErrorCode::not_text);
      return Value::of_int(static_cast<std::int64_t>(utf8::count(subject.text())));
    default: return wrong_type();
  }
}

template <char first, char last>
Value shift_case(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::string) return wrong_type();
  std::string_view text = arguments[0].text();
  auto changes = [](char c) { return c >= first && c <= last; };
  if (!frame.charge_text(text.size())) return out_of_budget();
  if (std::none_of(text.begin(), text.end(), changes)) return arguments[0];
  char* out = frame.make<char>(text.size());
  if (!out) return out_of_budget();
  for (std::size_t i = 0; i < text.size(); ++i)
    out[i] = static_cast<char>(changes(text[i]) ? text[i] ^ 0x20 : text[i]);
  return Value::of_string({out, text.size()});
}

// The checks that every function with positions begins with: text arguments, charged, and UTF-8.
std::optional<Value> refuse_text(Frame& frame, Arguments arguments, std::size_t texts) {
  if (!all_strings(arguments.first(texts))) return wrong_type();
  for (Value argument : arguments.first(texts)) {
    if (!frame.charge_text(argument.size)) return out_of_budget();
    if (!utf8::valid(argument.text())) return Value::error(ErrorCode::not_text);
  }
  for (Value argument : arguments.subspan(texts))
    if (argument.kind != Kind::integer) return wrong_type();
  return std::nullopt;
}

// The byte offset of a position that may be the end; npos when it is beyond.
std::size_t offset_of(std::string_view text, Value position) {
  if (position.integer < 0) return npos;
  return utf8::offset_of(text, static_cast<std::size_t>(position.integer));
}

Value char_at(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 1)) return *refused;
  std::string_view text = arguments[0].text();
  std::size_t at = offset_of(text, arguments[1]);
  if (at == npos) return out_of_range();
  return Value::of_string(at == text.size() ? std::string_view("")
                                            : text.substr(at, utf8::length_of(text[at])));
}

Value position(std::string_view text, std::size_t found) {
  if (found == npos) return Value::of_int(-1);
  return Value::of_int(static_cast<std::int64_t>(utf8::count(text.substr(0, found))));
}

Value index_of(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 2)) return *refused;
  std::string_view text = arguments[0].text();
  std::size_t from = arguments.size() == 3 ? offset_of(text, arguments[2]) : 0;
  if (from == npos) return out_of_range();
  return position(text, find(text, arguments[1].text(), from));
}

Value last_index_of(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 2)) return *refused;
  std::string_view text = arguments[0].text(), wanted = arguments[1].text();
  std::size_t from = arguments.size() == 3 ? offset_of(text, arguments[2]) : text.size();
  if (from == npos) return out_of_range();
  // rfind has no linear form in the library, so its true cost is charged.
  if (!frame.charge(text.size() * (1 + wanted.size() / 16))) return out_of_budget();
  return position(text, text.rfind(wanted, from));
}

Value substring(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 1)) return *refused;
  std::string_view text = arguments[0].text();
  std::size_t begin = offset_of(text, arguments[1]);
  std::size_t end = arguments.size() == 3 ? offset_of(text, arguments[2]) : text.size();
  if (begin == npos || end == npos || begin > end) return out_of_range();
  return Value::of_string(text.substr(begin, end - begin));
}

bool is_space(std::string_view text, std::size_t at) {
  constexpr std::string_view wide[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
                                       "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                       "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  char c = text[at];
  if (static_cast<unsigned char>(c) < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  std::string_view rest = text.substr(at);
  return std::any_of(std::begin(wide), std::end(wide),
                     [rest](std::string_view s) { return rest.starts_with(s); });
}

Value trim(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 1)) return *refused;
  std::string_view text = arguments[0].text();
  std::size_t begin = 0, end = 0;
  bool blank = true;
  for (std::size_t at = 0; at < text.size(); at += utf8::length_of(text[at])) {
    if (is_space(text, at)) continue;
    if (blank) begin = at;
    blank = false;
    end = at + utf8::length_of(text[at]);
  }
  return Value::of_string(text.substr(begin, end - begin));
}

Value reverse(Frame& frame, Arguments arguments) {
  if (arguments[0].kind == Kind::list) return reversed(frame, arguments[0]);
  if (auto refused = refuse_text(frame, arguments, 1)) return *refused;
  std::string_view text = arguments[0].text();
  char* out = frame.make<char>(text.size());
  if (!out) return out_of_budget();
  for (std::size_t at = 0, length; at < text.size(); at += length) {
    length = utf8::length_of(text[at]);
    text.copy(out + text.size() - at - length, length, at);
  }
  return Value::of_string({out, text.size()});
}

// Where `wanted` next stands in text at or after `from`; an empty one stands before every character.
struct Occurrence {
  std::size_t begin = npos;
  std::size_t end = npos;
};

Occurrence next_occurrence(std::string_view text, std::string_view wanted, std::size_t from, bool first) {
  if (!wanted.empty()) {
    std::size_t at = find(text, wanted, from);
    return at == npos ? Occurrence{} : Occurrence{at, at + wanted.size()};
  }
  if (first) return {from, from};
  if (from >= text.size()) return {};
  std::size_t after = from + utf8::length_of(text[from]);
  return {after, after};
}

Value replace(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 3)) return *refused;
  std::string_view text = arguments[0].text(), wanted = arguments[1].text(), with = arguments[2].text();
  std::int64_t left = arguments.size() == 4 && arguments[3].integer >= 0 ? arguments[3].integer : -1;
  Growing<char> out(frame);
  std::size_t at = 0;
  for (bool first = true; left != 0; first = false, --left) {
    Occurrence found = next_occurrence(text, wanted, at, first);
    if (found.begin == npos) break;
    if (!frame.charge_text(found.begin - at + with.size())) return out_of_budget();
    if (!out.append(text.substr(at, found.begin - at)) || !out.append(with)) return out_of_budget();
    at = found.end;
  }
  return out.append(text.substr(at)) ? Value::of_string(out.text()) : out_of_budget();
}

Value split(Frame& frame, Arguments arguments) {
  if (auto refused = refuse_text(frame, arguments, 2)) return *refused;
  std::string_view text = arguments[0].text(), separator = arguments[1].text();
  std::int64_t most = arguments.size() == 3 ? arguments[2].integer : -1;
  Growing<Value> parts(frame);
  std::size_t at = 0;
  while (most != 0 && (separator.empty() ? at < text.size() : true)) {
    if (!frame.charge(1)) return out_of_budget();
    bool last = most > 0 && parts.items().size() + 1 == static_cast<std::size_t>(most);
    Occurrence found = last ? Occurrence{} : next_occurrence(text, separator, at, false);
    if (found.begin == npos || (separator.empty() && found.begin == text.size())) {
      if (!parts.push(Value::of_string(text.substr(at)))) return out_of_budget();
      break;
    }
    if (!parts.push(Value::of_string(text.substr(at, found.begin - at)))) return out_of_budget();
    at = found.end;
  }
  return frame.list_of(parts.items());
}

Value join(Frame& frame, Arguments arguments) {
  Value list = arguments[0];
  if (list.kind != Kind::list || !all_strings(arguments.subspan(1))) return wrong_type();
  if (is_open(list)) return unknown_members(list);
  std::string_view separator = arguments.size() == 2 ? arguments[1].text() : std::string_view();
  Growing<char> out(frame);
  for (std::size_t i = 0; i < list_size(list); ++i) {
    Value member = list_at(list, i);
    if (member.kind != Kind::string) return wrong_type();
    if (!frame.charge_text(member.size + separator.size())) return out_of_budget();
    if ((i > 0 && !out.append(separator)) || !out.append(member.text())) return out_of_budget();
  }
  return Value::of_string(out.text());
}

constexpr Param text = Param::string;
constexpr Param number = Param::integer;
constexpr Param yes_no = Param::boolean;

constexpr Function functions[] = {
    {"size",
     size,
     {method(number, {text}), method(number, {Param::bytes}), method(number, {Param::list_a}),
      method(number, {Param::map_ab}), global(number, {text}), global(number, {Param::bytes}),
      global(number, {Param::list_a}), global(number, {Param::map_ab})}},
    {"contains", contains, {method(yes_no, {text, text})}},
    {"startsWith", starts_with, {method(yes_no, {text, text})}},
    {"endsWith", ends_with, {method(yes_no, {text, text})}},
    {"matches", matches, {method(yes_no, {text, text}), global(yes_no, {text, text})}},
    {"charAt", char_at, {method(text, {text, number})}},
    {"indexOf", index_of, {method(number, {text, text}), method(number, {text, text, number})}},
    {"lastIndexOf", last_index_of, {method(number, {text, text}), method(number, {text, text, number})}},
    {"lowerAscii", shift_case<'A', 'Z'>, {method(text, {text})}},
    {"upperAscii", shift_case<'a', 'z'>, {method(text, {text})}},
    {"replace", replace, {method(text, {text, text, text}), method(text, {text, text, text, number})}},
    {"reverse", reverse, {method(text, {text}), method(Param::list_a, {Param::list_a})}},
    {"split",
     split,
     {method(Param::list_string, {text, text}), method(Param::list_string, {text, text, number})}},
    {"join", join, {method(text, {Param::list_string}), method(text, {Param::list_string, text})}},
    {"substring", substring, {method(text, {text, number}), method(text, {text, number, number})}},
    {"trim", trim, {method(text, {text})}},
};

}  // namespace

std::span<const Function> string_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
