// The one translation unit that includes toml++.
//
// Some of its assertions fail on hostile input (a date with control characters in it), and with NDEBUG it
// tells the optimiser that they cannot. So they stay on here, whatever the build, and end the parse.
#undef NDEBUG
struct BrokenTomlAssertion {};
#define TOML_ASSERT(expression) ((expression) ? void() : throw BrokenTomlAssertion())
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
// Its test for whitespace calls most letters beyond ASCII unreachable (U+00E9 after a line continuation will
// do) where it means that they are no whitespace. Elsewhere too what cannot be reached must not be undefined.
// clang-format off
#include <toml++/impl/forward_declarations.h>  // unicode.h does not include what it uses
#include <toml++/impl/preprocessor.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE throw BrokenTomlAssertion()
#include <toml++/toml.h>
// clang-format on

#include "policy/config/document.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/config/nesting.h"
#include "policy/config/secrets.h"

namespace clawpatrol::config {
namespace {

Location location_of(Source& source, const toml::source_region& region) {
  return {&source, source.offset_of(region.begin.line, region.begin.column),
          source.offset_of(region.end.line, region.end.column)};
}

Node convert(Source& source, const toml::node& from);

void convert_array(Source& source, const toml::array& from, Node& into) {
  into.items.reserve(from.size());
  for (const toml::node& item : from) into.items.push_back(convert(source, item));
}

void convert_table(Source& source, const toml::table& from, Node& into) {
  into.entries.reserve(from.size());
  for (auto&& [key, value] : from)
    into.entries.push_back(
        {std::string(key.str()), location_of(source, key.source()), convert(source, value)});
  // toml++ sorts by name; problems read best in the order of the file.
  std::ranges::sort(into.entries, {}, [](const Entry& entry) { return entry.key_at.begin; });
}

Node convert(Source& source, const toml::node& from) {
  Node node;
  node.at = location_of(source, from.source());
  if (auto* table = from.as_table()) {
    node.kind = NodeKind::table;
    convert_table(source, *table, node);
  } else if (auto* array = from.as_array()) {
    node.kind = NodeKind::array;
    convert_array(source, *array, node);
  } else if (auto* text = from.as_string()) {
    node.kind = NodeKind::string;
    node.text = text->get();
  } else if (auto* integer = from.as_integer()) {
    node.kind = NodeKind::integer;
    node.integer = integer->get();
  } else if (auto* boolean = from.as_boolean()) {
    node.kind = NodeKind::boolean;
    node.boolean = boolean->get();
  } else {
    node.kind = from.is_floating_point() ? NodeKind::floating : NodeKind::date;
  }
  return node;
}

// The deepest table whose header stands last in what was read: the one that a `key = value` would go into.
const toml::table* last_table(const toml::table& table) {
  const toml::table* last = &table;
  auto consider = [&last](const toml::table* candidate) {
    if (!candidate || candidate->is_inline()) return;
    const toml::table* inner = last_table(*candidate);
    auto at = inner->source().begin, so_far = last->source().begin;
    if (at.line >= so_far.line) last = inner;
  };
  for (auto&& [key, value] : table) {
    consider(value.as_table());
    if (auto* array = value.as_array(); array && !array->empty()) consider(array->back().as_table());
  }
  return last;
}

// Follows the one path that `line` names through `table`, to the key that is there already.
const toml::key* follow(const toml::table& line, const toml::table& table) {
  const toml::table *path = &line, *into = &table;
  const toml::key* met = nullptr;
  while (path->size() == 1) {
    auto step = into->find(path->begin()->first.str());
    if (step == into->end()) return met;
    met = &step->first;
    const toml::node* next = &step->second;
    const toml::node* next_path = &path->begin()->second;
    if (auto* array = next->as_array(); array && !array->empty()) next = &array->back();
    if (auto* array = next_path->as_array(); array && !array->empty()) next_path = &array->back();
    path = next_path->as_table();
    into = next->as_table();
    if (!path || !into) return met;
  }
  return met;
}

// toml++ says that something is defined twice, and not where it was defined before. What stands before the
// line of the error parses, and so does that line alone.
std::optional<Location> earlier_definition(Source& source, std::size_t line_number) {
  std::string_view text = source.text();
  std::size_t begin = source.offset_of(line_number, 1);
  std::size_t end = std::min(text.find('\n', begin), text.size());
  auto before = toml::parse(text.substr(0, begin));
  auto line = toml::parse(text.substr(begin, end - begin));
  if (!before || !line) return std::nullopt;
  bool header = text.substr(begin, end - begin).find_first_not_of(" \t") == text.substr(begin).find('[');
  const toml::key* key = follow(line.table(), header ? before.table() : *last_table(before.table()));
  if (!key) return std::nullopt;
  return location_of(source, key->source());
}

// What stands before the `=` or between the brackets of a line.
Location key_of_line(Source& source, std::size_t line_number) {
  std::string_view text = source.text();
  std::size_t begin = std::min(text.find_first_not_of(" \t[", source.offset_of(line_number, 1)), text.size());
  std::size_t end = std::min(text.find_first_of("]=\r\n", begin), text.size());
  while (end > begin && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  return {&source, begin, end};
}

void report_syntax(Source& source, Report& report, const toml::parse_error& failure) {
  std::string_view message = failure.description();
  constexpr std::string_view noise = "Error while parsing ";
  std::size_t colon = message.find(": ");
  std::string what = "syntax error";
  if (message.starts_with(noise) && colon != std::string_view::npos) {
    what = fmt::format("{} is malformed", message.substr(noise.size(), colon - noise.size()));
    message.remove_prefix(colon + 2);
  }
  Location at = location_of(source, failure.source());
  bool redefined = message.starts_with("cannot redefine") || message.contains("redefine existing");
  if (!redefined) {
    report.error(at, fmt::format("not TOML: {}: {}", what, message));
    return;
  }
  std::size_t line = failure.source().begin.line;
  std::optional<Location> earlier = earlier_definition(source, line);
  constexpr std::string_view saying = "cannot redefine existing ";
  if (message.starts_with(saying)) message.remove_prefix(saying.size());
  Diagnostic& diagnostic = report.error(key_of_line(source, line), fmt::format("defined twice: {}", message));
  if (earlier) Report::relate(diagnostic, *earlier, "first defined here");
}

std::optional<Node> parse_checked(Source& source, Report& report) {
  toml::parse_result parsed = toml::parse(source.text());
  if (parsed) {
    Node root = convert(source, parsed.table());
    hide_secrets(source, root);
    return root;
  }
  hide_secrets_in_text(source);
  report_syntax(source, report, parsed.error());
  return std::nullopt;
}

// The shortest run of whole lines that breaks an assertion ends with the line that does.
Location line_that_breaks(Source& source) {
  std::string_view text = source.text();
  auto breaks = [](std::string_view lines) {
    try {
      (void)toml::parse(lines);
      return false;
    } catch (const BrokenTomlAssertion&) {
      return true;
    }
  };
  std::vector<std::size_t> ends;
  for (std::size_t i = text.find('\n'); i != std::string_view::npos; i = text.find('\n', i + 1))
    ends.push_back(i);
  ends.push_back(text.size());
  auto end = std::ranges::partition_point(ends, [&](std::size_t at) { return !breaks(text.substr(0, at)); });
  if (end == ends.end()) --end;
  std::size_t begin = end == ends.begin() ? 0 : *(end - 1) + 1;
  return {&source, begin, *end};
}

// None may stand in TOML, and toml++ stumbles over some.
std::optional<std::size_t> find_control_character(std::string_view text) {
  auto forbidden = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
  };
  auto found = std::ranges::find_if(text, forbidden);
  if (found == text.end()) return std::nullopt;
  return static_cast<std::size_t>(found - text.begin());
}

}  // namespace

std::string_view name_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::string: return "a string";
    case NodeKind::integer: return "an integer";
    case NodeKind::boolean: return "a boolean";
    case NodeKind::floating: return "a floating-point number";
    case NodeKind::date: return "a date or time";
    case NodeKind::array: return "an array";
    case NodeKind::table: return "a table";
  }
  __builtin_unreachable();
}

const Entry* Node::find(std::string_view key) const {
  auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &*found;
}

std::optional<Node> parse_document(Source& source, Report& report) {
  if (source.text().size() > max_file_bytes) {
    report.error_in_file(
        source.name(),
        fmt::format("file is too large: {} bytes: at most {} are read", source.text().size(), max_file_bytes),
        "Split it into files under conf.d.");
    return std::nullopt;
  }
  if (auto excess = find_excessive_nesting(source.text())) {
    hide_secrets_in_text(source);
    report.error({&source, *excess, *excess + 1},
                 fmt::format("nested too deeply: at most {} brackets and {} dots in a key", max_brackets,
                             max_key_dots));
    return std::nullopt;
  }
  if (auto control = find_control_character(source.text())) {
    hide_secrets_in_text(source);
    report.error({&source, *control, *control + 1}, "not TOML: a control character",
                 "In a string write it as \\u0000.");
    return std::nullopt;
  }
  try {
    return parse_checked(source, report);
  } catch (const BrokenTomlAssertion&) {
    hide_secrets_in_text(source);
    report.error(line_that_breaks(source), "not TOML: a value here cannot be read");
    return std::nullopt;
  }
}

}  // namespace clawpatrol::config
