// `cpctl check` works alone on files; `cpctl reload` asks the daemon to do the same and then to go over to
// it.
#include <fmt/format.h>

#include <algorithm>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/reports.h"
#include "cpctl/units.h"
#include "policy/policy.h"

namespace clawpatrol::cpctl {
namespace {

using control::JsonObject;

std::string place_json(const Place& place) {
  return JsonObject()
      .add("file", place.file)
      .add("line", place.line)
      .add("column", place.column)
      .add("width", place.width)
      .text();
}

std::string diagnostic_json(const Diagnostic& item) {
  JsonObject object;
  object.add("severity", item.severity == Severity::error ? "error" : "warning").add("code", item.code);
  object.add_json("place", place_json(item.place)).add("message", item.message).add("hint", item.hint);
  std::vector<std::string> related;
  for (const Related& other : item.related) {
    related.push_back(JsonObject().add_json("place", place_json(other)).add("note", other.note).text());
  }
  return object.add_json("related", control::json_array(related)).text();
}

std::string check_json(const std::filesystem::path& path, const LoadResult& loaded) {
  std::vector<std::string> diagnostics;
  for (const Diagnostic& item : loaded.diagnostics.items) diagnostics.push_back(diagnostic_json(item));
  JsonObject line = control::message_of_type("check");
  line.add("ok", loaded.policy != nullptr).add("path", path.native());
  line.add("digest", loaded.policy ? loaded.policy->digest : "");
  line.add("errors", loaded.diagnostics.errors()).add("warnings", loaded.diagnostics.warnings());
  return line.add_json("diagnostics", control::json_array(diagnostics)).text();
}

std::string summary(const Policy& policy) {
  return fmt::format("{}, {}, {}, {}, {}", counted(policy.endpoints.size(), "endpoint"),
                     counted(policy.rules.size(), "rule"), counted(policy.peers.size(), "peer"),
                     counted(policy.profiles.size(), "profile"),
                     counted(policy.credentials.size(), "credential"));
}

// The next command, where there is something to explain.
void show_code_help(Console& console, const Diagnostics& diagnostics) {
  auto coded = std::ranges::find_if(diagnostics.items, [](const auto& item) { return !item.code.empty(); });
  if (coded == diagnostics.items.end()) return;
  console.line(
      console.paint(Style::dim, fmt::format("`cpctl explain-code {}` says what is meant, and what to write "
                                            "instead",
                                            coded->code)));
}

}  // namespace

int check(Context context, const CheckRequest& request) {
  Console& console = context.console;
  std::filesystem::path where = request.path.empty() ? context.paths.config : request.path;
  LoadResult loaded = load_policy(where);
  int status = loaded.policy ? exit_ok : exit_no;
  if (request.format == "github") {
    console.out(github_report(loaded.diagnostics));
    return status;
  }
  if (request.format == "sarif") {
    console.line(sarif_report(loaded.diagnostics));
    return status;
  }
  if (request.format == "json" || (request.format.empty() && console.json())) {
    console.line(check_json(where, loaded));
    return status;
  }
  console.lines(loaded.diagnostics.render());
  show_code_help(console, loaded.diagnostics);
  if (!loaded.policy) {
    console.line(console.paint(Style::bad, "not usable") + ": " + printable(where.native()));
    return status;
  }
  console.line(fmt::format("{}: {}: {}", console.paint(Style::good, "ok"), printable(where.native()),
                           summary(*loaded.policy)));
  console.line(console.paint(
      Style::dim, "digest " + loaded.policy->digest.substr(0, 12) + "; `cpctl reload` puts it in force"));
  return status;
}

int reload(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  return daemon->ask(command("reload"), [&](const control::Message& line) {
    if (line.text_or_empty("type") == "diagnostics") console.lines(line.text_or_empty("text"));
    if (line.text_or_empty("type") == "reloaded") {
      console.line(fmt::format("generation {} is in force ({})", line.natural_or_zero("generation"),
                               shown(line, "digest").substr(0, 12)));
      if (line.has("peers_problem")) {
        console.line(console.paint(Style::warning, "peers did not follow: ") + shown(line, "peers_problem"));
      }
    }
    return true;
  });
}

}  // namespace clawpatrol::cpctl
