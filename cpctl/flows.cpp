// `cpctl flows`: what is connected now, and what it does as it does it.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

int follow_actions(Console& console, Daemon& daemon) {
  if (!console.json()) console.err("following actions as they are decided; Ctrl-C ends\n");
  return daemon.ask(command("actions").add("follow", true), [&](const Message& line) {
    std::string type = line.text_or_empty("type");
    if (type == "action") console.line(action_line(console, line));
    if (type == "missed") {
      console.line(console.paint(
          Style::warning, fmt::format("{} came too fast to be shown here; they are in `cpctl audit tail`",
                                      counted(line.natural_or_zero("count"), "action"))));
    }
    return true;
  });
}

void field(Console& console, std::string_view name, const std::string& value) {
  if (!value.empty()) console.line(console.paint(Style::dim, fmt::format("  {:<12}", name)) + value);
}

void show_flow(Console& console, const Message& flow) {
  console.line(console.paint(Style::bold, fmt::format("flow {}", flow.natural_or_zero("id"))) + "  " +
               shown(flow, "state"));
  field(console, "peer", shown(flow, "peer"));
  field(console, "endpoint", shown(flow, "endpoint"));
  field(console, "dialled", shown(flow, "destination"));
  field(console, "upstream", shown(flow, "upstream"));
  field(console, "protocol", shown(flow, "protocol"));
  field(console, "opened",
        fmt::format("{} ({} ago)", shown(flow, "opened"), duration_text(flow.natural_or_zero("age_s"))));
  field(console, "bytes",
        fmt::format("{} up, {} down", bytes_text(flow.natural_or_zero("bytes_up")),
                    bytes_text(flow.natural_or_zero("bytes_down"))));
  field(console, "actions",
        fmt::format("{}, {} denied", count_text(flow.natural_or_zero("actions")),
                    count_text(flow.natural_or_zero("denied"))));
  field(console, "waits at", shown(flow, "waits_at"));
  Message last = flow.object("last");
  if (last.is_null()) return field(console, "last action", "none yet");
  std::string verdict = last.text_or_empty("verdict");
  field(console, "last action",
        console.paint(Style::accent, shown(last, "id")) + " " +
            console.paint(style_of_verdict(verdict), printable(verdict)) + " " + shown(last, "rule"));
  field(console, "", shown(last, "text"));
  field(console, "", console.paint(Style::dim, "cpctl explain " + shown(last, "id")));
}

}  // namespace

int flows(Context context, Follow follow) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  if (follow == Follow::yes) return follow_actions(console, *daemon);
  std::vector<Message> live;
  int result = daemon->ask(command("flows"), [&](const Message& line) {
    live.push_back(line);
    return true;
  });
  if (result != exit_ok || console.json()) return result;
  if (live.empty()) {
    console.line("no live flows; `cpctl flows -f` shows actions as they happen, `cpctl audit tail` what was");
    return exit_ok;
  }
  for (const std::string& line : flow_table(live).lines(console, console.width())) console.line(line);
  return exit_ok;
}

int flow_show(Context context, std::uint64_t id) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  return daemon->ask(command("flow").add("id", id), [&](const Message& line) {
    show_flow(context.console, line);
    return true;
  });
}

int flow_kill(Context context, std::uint64_t id) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  return daemon->ask(command("flow_kill").add("id", id), [&](const Message& line) {
    context.console.line(
        fmt::format("flow {} of {} is being closed", line.natural_or_zero("id"), shown(line, "peer")));
    return true;
  });
}

}  // namespace clawpatrol::cpctl
