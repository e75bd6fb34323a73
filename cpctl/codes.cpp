// `cpctl explain-code CODE`: what a problem of `check` means, and what to write instead.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/printable.h"
#include "cpctl/table.h"
#include "daemon/control/message.h"
#include "policy/lints/codes.h"

namespace clawpatrol::cpctl {
namespace {

std::string_view severity_name(const lints::Code& code) {
  return code.severity == Severity::error ? "error" : "warning";
}

std::string code_json(const lints::Code& code) {
  control::JsonObject line = control::message_of_type("code");
  line.add("code", code.code).add("severity", severity_name(code)).add("title", code.title);
  return line.add("meaning", code.meaning).add("wrong", code.wrong).add("right", code.right).text();
}

int list_codes(Console& console) {
  Table table({{"CODE"}, {"SEVERITY", Align::left, 0, 1}, {"WHAT", Align::left, 20}});
  for (const lints::Code& code : lints::all_codes()) {
    if (console.json())
      console.line(code_json(code));
    else
      table.row(
          {{std::string(code.code), Style::bold},
           {std::string(severity_name(code)), code.severity == Severity::error ? Style::bad : Style::warning},
           {std::string(code.title)}});
  }
  if (console.json()) return exit_ok;
  for (const std::string& line : table.lines(console, console.width())) console.line(line);
  return exit_ok;
}

void example(Console& console, std::string_view what, Style style, std::string_view lines) {
  if (lines.empty()) return;
  console.line("");
  console.line(console.paint(style, what));
  while (!lines.empty()) {
    std::size_t end = std::min(lines.find('\n'), lines.size());
    console.line("    " + std::string(lines.substr(0, end)));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

}  // namespace

int explain_code(Context context, const std::string& name) {
  Console& console = context.console;
  if (name.empty()) return list_codes(console);
  const lints::Code* code = lints::find_code(name);
  if (!code) {
    console.complain(fmt::format("there is no code '{}'", printable(name)),
                     "`cpctl explain-code` lists all of them.");
    return exit_no;
  }
  if (console.json()) {
    console.line(code_json(*code));
    return exit_ok;
  }
  console.line(
      fmt::format("{}  {}: {}", console.paint(Style::bold, code->code), severity_name(*code), code->title));
  console.line("");
  console.paragraph(2, std::string(code->meaning));
  example(console, "Wrong:", Style::bad, code->wrong);
  example(console, "Right:", Style::good, code->right);
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
