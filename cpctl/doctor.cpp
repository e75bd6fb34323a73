// `cpctl doctor`: one line a finding, each failure with what mends it.
#include "cpctl/doctor.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>

#include "cpctl/daemon.h"
#include "cpctl/folded.h"
#include "cpctl/printable.h"
#include "daemon/control/client.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::chrono::seconds patience(5);

std::string file_text(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Answered {
  control::Message line;
  std::optional<int> process;
};

// The first line of an answer, and whose it is; nothing where nobody answers, and then there is a finding.
std::optional<Answered> first_answer(const Paths& paths, Service service, const control::JsonObject& request,
                                     Findings& findings) {
  const bool netd = service == Service::netd;
  const char* unit = netd ? "clawpatrol-netd" : "clawpatrold";
  auto client = control::Client::connect(paths.run / (netd ? "peers.sock" : "control.sock"));
  std::string why = client ? "it does not answer" : client.error().what;
  bool forbidden = !client && client.error().code == EACCES;
  if (client && client->send(request.text()))
    if (auto line = client->next(patience))
      if (auto message = control::Message::parse(*line)) {
        ucred who{};
        socklen_t size = sizeof who;
        const bool known = ::getsockopt(client->fd(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
        if (message->text_or_empty("type") != "end" && (!message->has("ok") || message->flag("ok")))
          return Answered{std::move(*message), known ? std::optional<int>(who.pid) : std::nullopt};
        const Failure failure = failure_of(*message);
        why = failure.what.empty() ? "it refuses to say" : failure.what;
        forbidden = failure.code == "forbidden";
      }
  findings.push_back(
      {Health::bad, unit, why, forbidden ? "sudo cpctl doctor" : fmt::format("systemctl status {}", unit)});
  return std::nullopt;
}

Findings look_everywhere(const Paths& paths) {
  Findings findings;
  LoadResult loaded = load_policy(paths.config);
  if (loaded.policy)
    findings.push_back(
        {Health::good, "configuration", fmt::format("{} is right", paths.config.native()), ""});
  else
    findings.push_back({Health::bad, "configuration", fmt::format("{} does not load", paths.config.native()),
                        "cpctl check"});
  const std::int64_t now = std::time(nullptr);
  if (auto netd = first_answer(paths, Service::netd, command("list"), findings))
    look_at_netd(netd->line, netd->process, findings);
  if (auto gateway = first_answer(paths, Service::gateway, command("status"), findings))
    look_at_gateway(gateway->line, gateway->process, now, findings);
  look_at_kernel(findings);
  look_at_clock(findings);
  look_at_disk(loaded.policy.get(), paths.state, findings);
  look_at_credential_key(paths, findings);
  look_at_audit(paths, findings);
  if (!loaded.policy) return findings;
  look_at_routes(*loaded.policy, file_text("/proc/net/route"), findings);
  look_at_resolver(*loaded.policy, file_text("/etc/resolv.conf"), findings);
  look_at_upstreams(*loaded.policy, now, findings);
  return findings;
}

std::string_view name_of(Health health) {
  switch (health) {
    case Health::good: return "ok";
    case Health::warning: return "warn";
    case Health::bad: return "BAD";
  }
  return "";
}

// Behind `head`, which is `indent` columns wide; as it is where no terminal says how wide it is.
void print_folded(Console& console, std::string head, std::size_t indent, const std::string& text) {
  constexpr std::size_t narrowest = 20;  // words that are cut up tell less than a line that wraps
  const std::size_t columns = console.width().value_or(0);
  const std::size_t room = columns >= indent + narrowest ? columns - indent : text.size() + 1;
  for (const std::string& piece : folded(text, room)) {
    console.line(head + piece);
    head.assign(indent, ' ');
  }
}

// The text of a finding begins in the same column for all of them, and goes on in it on a terminal's next
// line.
void print(Console& console, const Finding& finding, std::size_t subject_width) {
  const Style style = finding.health == Health::good      ? Style::good
                      : finding.health == Health::warning ? Style::warning
                                                          : Style::bad;
  const std::string subject = printable(finding.subject);
  const std::string pad(subject_width - display_width(subject), ' ');
  std::string head =
      console.paint(style, fmt::format("{:<4}", name_of(finding.health))) + "  " + subject + pad;
  const std::size_t indent = 4 + 2 + subject_width + 1;
  print_folded(console, head + " ", indent, printable(finding.said));
  if (!finding.mend.empty())
    print_folded(console, std::string(indent, ' ') + "-> ", indent + 3, printable(finding.mend));
}

void print_json(Console& console, const Finding& finding) {
  static constexpr const char* words[] = {"good", "warning", "bad"};
  console.line(control::message_of_type("finding")
                   .add("health", words[static_cast<std::size_t>(finding.health)])
                   .add("subject", finding.subject)
                   .add("said", finding.said)
                   .add("mend", finding.mend)
                   .text());
}

}  // namespace

int doctor(Context context) {
  const Findings findings = look_everywhere(context.paths);
  bool bad = false;
  std::size_t subject_width = 0;
  for (const Finding& finding : findings)
    subject_width = std::max(subject_width, display_width(printable(finding.subject)));
  for (const Finding& finding : findings) {
    bad = bad || finding.health == Health::bad;
    if (context.console.json())
      print_json(context.console, finding);
    else
      print(context.console, finding, subject_width);
  }
  return bad ? exit_no : exit_ok;
}

}  // namespace clawpatrol::cpctl
