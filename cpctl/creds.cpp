// `cpctl creds`: values go in by standard input, as the body of a request; none ever comes out.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/secret_input.h"
#include "cpctl/secret_parts.h"

namespace clawpatrol::cpctl {

using control::Message;

int creds_set(Context context, const std::string& name) {
  Console& console = context.console;
  // Before the operator types: a value that cannot be handed over should not be asked for.
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  auto value = read_secret(console, fmt::format("value of {} (not shown): ", name));
  if (value) value = in_one_line(std::move(*value));
  if (!value) {
    console.complain(fmt::format("cannot set credential '{}': {}", name, value.error()),
                     fmt::format("Give the value on standard input: `cpctl creds set {} < FILE`.", name));
    return exit_no;
  }
  auto request = command("creds_set").add("name", name).add("body", value->size());
  return daemon->ask(
      request,
      [&](const Message& line) {
        console.line(fmt::format("credential '{}' is set (version {})", shown(line, "name"),
                                 line.natural_or_zero("version")));
        if (!line.flag("configured")) {
          console.line(console.paint(Style::warning, "no [credential." + shown(line, "name") +
                                                         "] is in the policy in force: it is not used yet"));
        }
        return true;
      },
      value->view());
}

// Of types that the gateway gets tokens for; "" of the others.
static Cell token_cell(const Message& line) {
  const std::string state = shown(line, "token"), problem = shown(line, "token_problem");
  if (state == "held" && problem.empty()) return {"until " + shown(line, "token_ends"), Style::good};
  if (state == "held") return {"until " + shown(line, "token_ends") + "; then: " + problem, Style::warning};
  if (state == "failed") return {"failed: " + problem, Style::bad};
  return {state == "none" ? "when first asked for" : state};
}

int creds_list(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  Table table({{"NAME", Align::left, 8},
               {"VALUE", Align::left},
               {"SET", Align::left, 0, 2},
               {"VERSION", Align::right, 0, 3},
               {"TYPE", Align::left, 0, 1},
               {"ENDPOINT", Align::left, 8},
               {"USER", Align::left, 6},
               {"TOKEN", Align::left, 0, 1}});
  int result = daemon->ask(command("creds_list"), [&](const Message& line) {
    bool set = line.flag("set");
    table.row({{shown(line, "name"), Style::bold},
               {set ? "set" : "MISSING", set ? Style::good : Style::bad},
               {set ? shown(line, "set_at") : ""},
               {set ? std::to_string(line.natural_or_zero("version")) : ""},
               {line.flag("configured") ? shown(line, "credential_type") : "not in the policy"},
               {shown(line, "endpoint")},
               {shown(line, "user")},
               token_cell(line)});
    return true;
  });
  if (result != exit_ok || console.json()) return result;
  if (table.rows() == 0) {
    console.line(
        "no credentials; name one in the policy ([credential.NAME]) and then `cpctl creds set NAME`");
    return exit_ok;
  }
  for (const std::string& line : table.lines(console, console.width())) console.line(line);
  return exit_ok;
}

int creds_remove(Context context, const std::string& name) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  return daemon->ask(command("creds_rm").add("name", name), [&](const Message& line) {
    context.console.line(
        fmt::format("credential '{}' is removed; connections that use it close", shown(line, "name")));
    return true;
  });
}

}  // namespace clawpatrol::cpctl
