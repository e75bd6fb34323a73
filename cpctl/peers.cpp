// `cpctl peers`: netd makes keys and addresses, at an operator's word and not the daemon's.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/units.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

// The configuration holds the peer's private key: a new file that its owner alone can read, never over
// another.
std::string write_private(const std::filesystem::path& path, std::string_view text) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return std::strerror(errno);
  while (!text.empty()) {
    ssize_t count = write(fd.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::strerror(errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return fsync(fd.get()) == 0 ? "" : std::strerror(errno);
}

int key_is_lost(Console& console, const std::string& what, const std::string& why, const std::string& name) {
  console.complain(
      fmt::format("cannot write {}: {}", what, why),
      fmt::format("The peer is added, and its private key is lost: run `cpctl peers rm {}` and add it again.",
                  name));
  return exit_no;
}

void print_configuration(Console& console, std::string_view text) {
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    console.line(printable(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// netd's answer as a line of ours: with a type, and without the "ok" that the exit status says.
std::string versioned(std::string_view type, const Message& answer) {
  control::JsonObject line = control::message_of_type(type);
  for (const auto& [name, value] : answer.members()) {
    if (name != "v" && name != "ok") line.add_json(name, value.json());
  }
  return line.text();
}

std::string addresses_text(const Message& peer) {
  std::string all;
  for (const Message& address : peer.list("addresses")) {
    all += (all.empty() ? "" : ", ") + printable(address.as_text().value_or(""));
  }
  return all;
}

// What is not the configuration goes to standard error, so that `cpctl peers add NAME > wg0.conf` is one.
void say_what_next(Console& console, const NewPeerRequest& request, const Message& answer) {
  Message peer = answer.object("peer");
  console.err(fmt::format("peer '{}' is added: {}\n", printable(request.name), addresses_text(peer)));
  if (!request.write_to.empty()) {
    console.err(fmt::format("its configuration is in {}; on the agent: wg-quick up {}\n",
                            printable(request.write_to.native()),
                            printable(request.write_to.filename().native())));
  }
  if (std::string line = shown(answer, "wg_set"); !line.empty()) {
    console.err("the interface is yours; let the peer in with:\n  " + line + "\n");
  }
  if (std::string note = shown(answer, "note"); !note.empty()) console.err("note: " + note + "\n");
}

std::string handshake_text(const Message& peer) {
  auto when = peer.natural("last_handshake");
  if (!when) return "";  // not an interface of netd's: it does not know
  if (*when == 0) return "never";
  auto now = static_cast<std::uint64_t>(std::time(nullptr));
  return now > *when ? duration_text(now - *when) + " ago" : "now";
}

}  // namespace

int peers_add(Context context, const NewPeerRequest& request) {
  Console& console = context.console;
  if (!request.write_to.empty() && access(request.write_to.c_str(), F_OK) == 0) {
    console.complain(fmt::format("cannot write '{}': it is there already", request.write_to.native()),
                     "Name another file with -O; nothing was added.");
    return exit_no;
  }
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::netd);
  if (!daemon) return exit_unreachable;
  auto line = command("add").add("name", request.name);
  if (!request.public_key.empty()) line.add("public_key", request.public_key);
  int status = exit_ok;
  auto answer = daemon->ask_once(line, status);
  if (!answer) return status;
  std::string configuration = answer->text_or_empty("config");
  if (!request.write_to.empty()) {
    if (std::string why = write_private(request.write_to, configuration); !why.empty())
      return key_is_lost(console, "'" + request.write_to.native() + "'", why, request.name);
  }
  if (console.json()) {
    console.line(versioned("peer_added", *answer));
  } else if (request.write_to.empty()) {
    print_configuration(console, configuration);
  }
  if (console.broken() && request.write_to.empty() && request.public_key.empty())
    return key_is_lost(console, "the configuration", std::strerror(console.broken_by()), request.name);
  if (console.json()) return exit_ok;
  say_what_next(console, request, *answer);
  return exit_ok;
}

int peers_list(Context context) {
  Console& console = context.console;
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::netd);
  if (!daemon) return exit_unreachable;
  int status = exit_ok;
  auto answer = daemon->ask_once(command("list"), status);
  if (!answer) return status;
  if (console.json()) {
    console.line(versioned("peers", *answer));
    return exit_ok;
  }
  Table table({{"PEER", Align::left, 8},
               {"ADDRESSES", Align::left, 12},
               {"INTERFACE", Align::left, 6, 2},
               {"HANDSHAKE", Align::left},
               {"FROM", Align::right, 0, 1},
               {"TO", Align::right, 0, 1},
               {"KEY", Align::left, 8, 3},
               {"", Align::left, 8}});
  for (const Message& peer : answer->list("peers")) {
    std::string blocked = shown(peer, "blocked");
    table.row({{shown(peer, "name"), Style::bold},
               {addresses_text(peer)},
               {shown(peer, "interface")},
               {handshake_text(peer)},
               {bytes_text(peer.natural_or_zero("rx_bytes"))},
               {bytes_text(peer.natural_or_zero("tx_bytes"))},
               {shown(peer, "public_key"), Style::dim},
               {blocked.empty() ? "" : "BLOCKED: " + blocked, Style::bad}});
  }
  if (table.rows() == 0) {
    console.line("no peers; `cpctl peers add NAME` makes one and prints its configuration");
    return exit_ok;
  }
  for (const std::string& line : table.lines(console, console.width())) console.line(line);
  return exit_ok;
}

int peers_remove(Context context, const std::string& name) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::netd);
  if (!daemon) return exit_unreachable;
  int status = exit_ok;
  auto answer = daemon->ask_once(command("rm").add("name", name), status);
  if (!answer) return status;
  if (context.console.json())
    context.console.line(versioned("peer_removed", *answer));
  else
    context.console.line(fmt::format(
        "peer '{}' is removed; its connections close, and its addresses rest for a day", printable(name)));
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
