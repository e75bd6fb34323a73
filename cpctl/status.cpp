// `cpctl status` and `cpctl top`: health first, then the live flows.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/rates.h"
#include "cpctl/screen.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

constexpr std::chrono::seconds watch_interval{1};

struct Snapshot {
  Message health;
  std::vector<Message> flows;
  Message peers;  // netd's; null where it does not answer, which the gateway's health says
};

Message netds_peers(const Context& context) {
  constexpr std::chrono::seconds patience(2);
  auto client = control::Client::connect(context.paths.run / "peers.sock");
  if (!client || !client->send(command("list").text(), "")) return {};
  auto answer = Message::parse(client->next(patience).value_or(""));
  return answer && answer->flag("ok") ? std::move(*answer) : Message();
}

// Whom an operator keeps out; "": nobody.
std::string kept_out(const Message& peers) {
  if (peers.flag("locked_down")) return "every peer, by a lockdown: `cpctl unlock --all` ends it";
  std::string names;
  for (const Message& peer : peers.list("peers"))
    if (peer.flag("paused")) names += (names.empty() ? "" : ", ") + shown(peer, "name");
  return names.empty() ? "" : names + ": `cpctl peers resume NAME` ends it";
}

std::string kept_out_json(const Message& peers) {
  std::vector<std::string> paused;
  for (const Message& peer : peers.list("peers"))
    if (peer.flag("paused")) paused.push_back(peer.text_or_empty("name"));
  return control::message_of_type("kept_out")
      .add("everybody", peers.flag("locked_down"))
      .add_json("paused", control::json_texts(paused))
      .text();
}

std::string gateway_line(const Console& console, const Message& health) {
  std::string mode = shown(health, "mode");
  bool observing = mode != "enforce";
  std::string line = fmt::format("{}  up {}  {}  {} {}",
                                 console.paint(Style::bold, "clawpatrold " + shown(health, "version")),
                                 duration_text(health.natural_or_zero("uptime_s")),
                                 console.paint(observing ? Style::warning : Style::good,
                                               observing ? mode + " (rules deny nothing)" : mode),
                                 "generation", health.natural_or_zero("generation"));
  std::string digest = shown(health, "digest").substr(0, 12);
  const std::uint64_t newest = health.natural_or_zero("newest_generation");
  if (newest > health.natural_or_zero("generation"))
    line += console.paint(Style::warning, fmt::format(" (rolled back from {})", newest));
  if (!digest.empty()) line += console.paint(Style::dim, " " + digest);
  return line + "  " + counted(health.natural_or_zero("workers"), "worker");
}

std::string audit_part(const Console& console, const Message& audit) {
  if (!audit.flag("healthy"))
    return console.paint(Style::bad, "audit FAILING: everything is denied") + ": " + shown(audit, "failure");
  std::string free = bytes_text(audit.natural_or_zero("free_bytes")) + " free";
  bool low = audit.flag("low_space");
  std::string text =
      fmt::format("audit {}, lines {} to {} in {}, {}", console.paint(Style::good, "ok"),
                  count_text(audit.natural_or_zero("oldest_seq")), count_text(audit.natural_or_zero("seq")),
                  bytes_text(audit.natural_or_zero("kept_bytes")),
                  low ? console.paint(Style::warning, free + " (LOW)") : free);
  std::string pressure = audit.text_or_empty("pressure");
  if (pressure == "crowded")
    text += console.paint(Style::warning, ", CROWDED: peers over their share are denied");
  if (pressure == "full") text += console.paint(Style::bad, ", FULL: everything is denied");
  return text;
}

std::string netd_part(const Console& console, const Message& netd) {
  if (!netd.flag("connected")) return console.paint(Style::bad, "netd NOT CONNECTED: peers cannot change");
  return fmt::format("netd {}, {}", console.paint(Style::good, "ok"),
                     counted(netd.natural_or_zero("peers"), "peer"));
}

// "12 too many connections (builder-1 9, builder-2 3)", the most frequent first.
std::vector<std::string> counted_reasons(const Message& health, std::string_view list,
                                         std::string_view number) {
  struct Sum {
    std::uint64_t total = 0;
    std::vector<std::pair<std::uint64_t, std::string>> peers;
  };
  std::map<std::string, Sum> sums;
  for (const Message& row : health.list(list)) {
    Sum& sum = sums[shown(row, "reason")];
    sum.total += row.natural_or_zero(number);
    sum.peers.emplace_back(row.natural_or_zero(number), shown(row, "peer"));
  }
  std::vector<std::pair<std::uint64_t, std::string>> lines;
  for (auto& [reason, sum] : sums) {
    std::ranges::sort(sum.peers, std::greater{});
    std::string who;
    for (std::size_t i = 0; i < std::min<std::size_t>(3, sum.peers.size()); ++i) {
      if (!sum.peers[i].second.empty())
        who += fmt::format("{}{}{}", who.empty() ? "" : ", ", sum.peers[i].second,
                           sum.peers.size() > 1 ? " " + count_text(sum.peers[i].first) : "");
    }
    if (sum.peers.size() > 3) who += ", ...";
    lines.emplace_back(sum.total, fmt::format("{} {}{}", count_text(sum.total), reason,
                                              who.empty() ? "" : " (" + who + ")"));
  }
  std::ranges::sort(lines, std::greater{});
  std::vector<std::string> texts;
  for (auto& [total, text] : lines) texts.push_back(std::move(text));
  return texts;
}

void add_reasons(std::vector<std::string>& lines, const Console& console, std::string_view title,
                 const std::vector<std::string>& reasons) {
  constexpr std::size_t most = 4;
  for (std::size_t i = 0; i < std::min(most, reasons.size()); ++i) {
    std::string label = i == 0 ? std::string(title) : std::string(title.size(), ' ');
    std::string text = reasons[i];
    if (auto width = console.width())
      text = clipped(text, *width > label.size() + 2 ? *width - label.size() - 2 : 0);
    lines.push_back(console.paint(Style::dim, label) + "  " + text);
  }
  if (reasons.size() > most) {
    lines.push_back(std::string(title.size() + 2, ' ') +
                    fmt::format("and {}: cpctl status -o json", counted(reasons.size() - most, "more kind")));
  }
}

// With rates, how busy each flow is too, the busiest first.
std::vector<std::string> view(const Console& console, const Snapshot& snapshot, const Rates* rates) {
  const Message& health = snapshot.health;
  std::vector<std::string> lines{gateway_line(console, health)};
  lines.push_back(audit_part(console, health.object("audit")) + "  " +
                  netd_part(console, health.object("netd")));
  const std::string out = kept_out(snapshot.peers);
  if (!out.empty()) lines.push_back(console.paint(Style::bad, "kept out") + "  " + out);
  add_reasons(lines, console, "refused", counted_reasons(health, "refusals", "count"));
  add_reasons(lines, console, "dropped", counted_reasons(health, "drops", "packets"));
  lines.emplace_back();
  if (snapshot.flows.empty()) {
    bool alone = health.object("netd").natural_or_zero("peers") == 0 && out.empty();
    lines.push_back(alone ? "no live flows; add an agent with `cpctl peers add NAME`"
                          : "no live flows; an agent that connects to an endpoint appears here");
    return lines;
  }
  Table table = rates ? flow_table(rates->busiest_first(snapshot.flows), rates) : flow_table(snapshot.flows);
  for (std::string& line : table.lines(console, console.width())) lines.push_back(std::move(line));
  return lines;
}

int take(const Context& context, Daemon& daemon, Snapshot& snapshot, Rates* rates) {
  Snapshot fresh;
  int result = daemon.ask(command("status"), [&](const Message& line) {
    if (line.text_or_empty("type") == "status") fresh.health = line;
    if (line.text_or_empty("type") == "flow") fresh.flows.push_back(line);
    return true;
  });
  if (result != exit_ok) return result;
  fresh.peers = netds_peers(context);
  snapshot = std::move(fresh);
  if (rates) rates->take(snapshot.flows, std::chrono::steady_clock::now());
  return result;
}

// Goes on when the daemon is restarted: what was last seen stays, under a line that says so.
int watch_on_screen(const Context& context, std::unique_ptr<Daemon> daemon, Rates* rates) {
  Console& console = context.console;
  Snapshot snapshot;
  int result = take(context, *daemon, snapshot, rates);
  if (result != exit_ok) return result;
  Screen screen(console);
  for (;;) {
    std::vector<std::string> lines = view(console, snapshot, rates);
    if (result != exit_ok) {
      lines.insert(lines.begin(),
                   console.paint(Style::bad, "clawpatrold does not answer; trying again (q leaves)"));
    }
    screen.draw(lines);
    Screen::Event event = screen.wait(watch_interval);
    if (event == Screen::Event::quit) return result;
    if (event == Screen::Event::resized) continue;
    console.forget_held_errors();
    if (result != exit_ok) daemon = Daemon::connect(context, Service::gateway);
    result = daemon ? take(context, *daemon, snapshot, rates) : exit_unreachable;
  }
}

int show(const Context& context, Follow watch, Rates* rates) {
  Console& console = context.console;
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  if (watch == Follow::yes && console.out_is_terminal() && !console.json()) {
    return watch_on_screen(context, std::move(daemon), rates);
  }
  for (;;) {
    Snapshot snapshot;
    if (int result = take(context, *daemon, snapshot, rates); result != exit_ok) return result;
    if (!console.json())
      for (const std::string& line : view(console, snapshot, rates)) console.line(line);
    else if (!snapshot.peers.is_null())
      console.line(kept_out_json(snapshot.peers));
    if (watch == Follow::no || console.broken()) return exit_ok;
    // Not a terminal: one snapshot after the other, for as long as somebody reads.
    timespec second{watch_interval.count(), 0};
    nanosleep(&second, nullptr);
    if (!console.json()) console.line("");
  }
}

}  // namespace

int status(Context context, Follow watch) {
  return show(context, watch, nullptr);
}

int top(Context context) {
  Rates rates;
  return show(context, Follow::yes, &rates);
}

int metrics(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  return daemon->ask(command("metrics"), [&](const Message& line) {
    context.console.out(line.text_or_empty("text"));  // what agents sent is in none of it
    return true;
  });
}

}  // namespace clawpatrol::cpctl
