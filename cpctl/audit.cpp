// `cpctl audit`: the log as it grows and its head by way of the daemon, its integrity from the files alone.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/units.h"
#include "daemon/audit/verify.h"

namespace clawpatrol::cpctl {
namespace {

using control::JsonObject;
using control::Message;

std::string facet_summary(const Message& line) {
  Message facets = line.object("facets");
  for (const char* name : {"statement", "statement_begins", "name"}) {
    if (std::string text = shown(facets, name); !text.empty()) return text;
  }
  return shown(line, "text");
}

// Lines that are not actions: what they say beyond the chain's own members.
std::string other_line(const Console& console, const Message& line) {
  std::string kind = shown(line, "type").empty() ? shown(line, "event") : shown(line, "type");
  CellLine out(console);
  out.cell(Style::dim, time_of_day(line.text_or_empty("time")), 8);
  out.cell(Style::accent, kind.empty() ? "line" : kind, 0);
  std::string text;
  for (const auto& [name, value] : line.members()) {
    bool said = name == "v" || name == "seq" || name == "prev" || name == "time" || name == "type" ||
                name == "event" || name == "mac";
    if (!said)
      text += fmt::format("{}{}={}", text.empty() ? "" : "  ", printable(name),
                          printable(value.as_text().value_or(value.json())));
  }
  return out.ending_in(text);
}

std::string audit_line(const Console& console, const Message& line) {
  if (!line.has("verdict") || !line.has("id")) return other_line(console, line);
  JsonObject action = control::message_of_type("action");
  for (const char* name : {"time", "id", "verdict", "peer", "endpoint", "rule", "guard"})
    action.add(name, line.text_or_empty(name));
  action.add("text", facet_summary(line)).add("action_type", line.text_or_empty("type"));
  auto message = Message::parse(action.text());
  return message ? action_line(console, *message) : "";
}

std::string_view name_of(audit::HeadCheck check) {
  switch (check) {
    case audit::HeadCheck::not_asked: return "not_asked";
    case audit::HeadCheck::found: return "found";
    case audit::HeadCheck::missing: return "missing";
    case audit::HeadCheck::pruned: return "pruned";
  }
  return "";
}

std::string report_json(const std::filesystem::path& directory, const audit::Report& report) {
  std::vector<std::string> findings, breaks;
  for (const audit::Finding& finding : report.findings) {
    findings.push_back(JsonObject()
                           .add("kind", audit::name_of(finding.kind))
                           .add("file", finding.file)
                           .add("line", finding.line)
                           .add("seq", finding.seq)
                           .add("what", finding.what)
                           .text());
  }
  for (const audit::Break& one : report.breaks) {
    breaks.push_back(
        JsonObject().add("file", one.file).add("event", one.event).add("abandoned", one.abandoned).text());
  }
  JsonObject line = control::message_of_type("audit_verify");
  line.add("ok", report.intact()).add("directory", directory.native());
  line.add("segments", report.segments).add("lines", report.lines).add("groups", report.groups);
  line.add("first_seq", report.first_seq).add("last_seq", report.last_seq);
  line.add("older_pruned", report.older_pruned());
  if (report.head) line.add("head", audit::head_text(*report.head));
  line.add("head_check", name_of(report.head_check));
  return line.add_json("findings", control::json_array(findings))
      .add_json("breaks", control::json_array(breaks))
      .text();
}

void print_report(Console& console, const std::filesystem::path& directory, const audit::Report& report) {
  for (const audit::Finding& finding : report.findings) {
    std::string place =
        finding.line ? fmt::format("{}:{}", printable(finding.file), finding.line) : printable(finding.file);
    if (finding.seq) place += fmt::format(" (seq {})", finding.seq);
    console.line(fmt::format("{}: {}: {}", place, console.paint(Style::bad, audit::name_of(finding.kind)),
                             printable(finding.what)));
  }
  for (const audit::Break& one : report.breaks) {
    std::string lost =
        one.abandoned ? fmt::format(", {} before it do not count", bytes_text(one.abandoned)) : "";
    console.line(
        console.paint(Style::dim, fmt::format("{}: {}{}", printable(one.file), printable(one.event), lost)));
  }
  std::string counts = fmt::format("{} in {}, seq {} to {}", counted(report.lines, "line"),
                                   counted(report.segments, "segment"), report.first_seq, report.last_seq);
  if (!report.intact()) {
    console.line(fmt::format("{}: {}: {}; {}", console.paint(Style::bad, "NOT INTACT"),
                             printable(directory.native()), counted(report.findings.size(), "finding"),
                             counts));
    return;
  }
  console.line(
      fmt::format("{}: {}: {}", console.paint(Style::good, "intact"), printable(directory.native()), counts));
  if (report.older_pruned()) {
    console.line(console.paint(
        Style::warning, fmt::format("begins at seq {}: older segments were pruned", report.first_seq)));
  }
  if (report.head_check == audit::HeadCheck::pruned) {
    console.line(console.paint(
        Style::warning,
        "the head given is older than the oldest segment kept: it says nothing about what is here"));
  }
  if (report.head_check == audit::HeadCheck::not_asked) {
    console.line(
        console.paint(Style::dim,
                      "a cut tail shows only against a head kept elsewhere: --head SEQ:BOOT:MAC, from "
                      "`cpctl audit head` or the journal"));
  }
}

}  // namespace

int audit_tail(Context context, std::uint64_t lines, Follow follow) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  bool any = false;
  int result =
      daemon->ask(command("audit_tail").add("last", lines).add("follow", follow == Follow::yes),
                  [&](const Message& line) {
                    any = true;
                    bool damaged = line.has("damaged");
                    console.line(damaged ? console.paint(Style::bad, "damaged  ") + shown(line, "damaged")
                                         : audit_line(console, line.object("line")));
                    return true;
                  });
  if (result == exit_ok && !any && !console.json())
    console.line("the audit log is empty; the first action writes its first line");
  return result;
}

int audit_head(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  return daemon->ask(command("audit_head"), [&](const Message& line) {
    context.console.line(shown(line, "head"));
    return true;
  });
}

int audit_verify(Context context, const VerifyRequest& request) {
  Console& console = context.console;
  auto directory = request.directory.empty() ? context.paths.state / "audit" : request.directory;
  std::optional<audit::Head> head;
  if (!request.head.empty() && !(head = audit::parse_head(request.head))) {
    console.complain(fmt::format("--head '{}' is not SEQ:BOOT:MAC", request.head),
                     "Take it from `cpctl audit head` or from the journal.");
    return exit_usage;
  }
  auto key = audit::Key::load(request.key.empty() ? context.paths.state / "audit.key" : request.key);
  if (!key) {
    console.complain(key.error().what,
                     "Root alone may read the gateway's own; --key FILE names that of another log.");
    return exit_no;
  }
  auto report = audit::verify(directory, *key, head);
  if (!report) {
    console.complain(report.error().what, "Name the directory of the log: `cpctl audit verify PATH`.");
    return exit_no;
  }
  if (console.json())
    console.line(report_json(directory, *report));
  else
    print_report(console, directory, *report);
  return report->intact() ? exit_ok : exit_no;
}

}  // namespace clawpatrol::cpctl
