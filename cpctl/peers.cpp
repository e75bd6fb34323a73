// `cpctl peers`: netd makes keys and addresses, at an operator's word and not the daemon's.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/hooks.h"
#include "cpctl/printable.h"
#include "cpctl/qr.h"
#include "cpctl/units.h"
#include "daemon/ring/fd.h"
#include "policy/config/units.h"

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

// An added peer would be refused under its name a second time; a known one gets another key by another
// rotation.
int key_is_lost(Console& console, const std::string& what, const std::string& why, const std::string& name,
                bool known) {
  console.complain(
      fmt::format("cannot write {}: {}", what, why),
      known ? fmt::format("The peer's new private key is lost, and its old one is good no more: run "
                          "`cpctl peers rotate {}` again.",
                          name)
            : fmt::format(
                  "The peer is added, and its private key is lost: run `cpctl peers rm {}` and add it again.",
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
std::string versioned(std::string_view type, const Message& answer, std::string_view configuration = "") {
  control::JsonObject line = control::message_of_type(type);
  for (const auto& [name, value] : answer.members()) {
    if (name == "config" && !configuration.empty())
      line.add("config", configuration);
    else if (name != "v" && name != "ok")
      line.add_json(name, value.json());
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

// wg-quick calls the interface what the file is called.
bool names_an_interface(std::string_view file) {
  constexpr std::size_t longest = 15;
  if (!file.ends_with(".conf")) return false;
  file.remove_suffix(5);
  return !file.empty() && file.size() <= longest && std::ranges::all_of(file, [](unsigned char c) {
    return std::isalnum(c) || std::string_view("_=+.-").contains(static_cast<char>(c));
  });
}

std::string up_command(const std::filesystem::path& file) {
  const std::string name = file.filename().native();
  if (names_an_interface(name)) return "wg-quick up ./" + printable(name);
  return "call it clawpatrol.conf there (wg-quick takes names of at most 15 characters), and: wg-quick up "
         "./clawpatrol.conf";
}

// What is not the configuration goes to standard error, so that `cpctl peers add NAME > wg0.conf` is one.
void say_what_next(Console& console, const NewPeerRequest& request, const Message& answer,
                   std::string_view what) {
  Message peer = answer.object("peer");
  console.err(fmt::format("peer '{}' is {}: {}\n", printable(request.name), what, addresses_text(peer)));
  if (!request.write_to.empty()) {
    console.err(fmt::format("its configuration is in {}; on the agent: {}\n",
                            printable(request.write_to.native()), up_command(request.write_to)));
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

// Whether it is let in, and for how long.
Cell standing(const Message& peer) {
  if (std::string blocked = shown(peer, "blocked"); !blocked.empty())
    return {"BLOCKED: " + blocked, Style::bad};
  auto now = static_cast<std::uint64_t>(std::time(nullptr));
  const std::uint64_t ends = peer.natural_or_zero("expires_at");
  return {ends > now ? "ends in " + duration_text(ends - now) : ""};
}

}  // namespace

namespace {

// What hooks rest on: the gateway's own word for its authority. Nothing, and the operator is told, where it
// cannot say.
std::optional<std::string> authority_hash(Context context) {
  std::string hash;
  if (auto client = control::Client::connect(context.paths.run / "control.sock");
      client && client->send(command("status").text()))
    while (auto line = client->next(std::chrono::seconds(5))) {
      auto message = Message::parse(*line);
      if (!message || message->text_or_empty("type") != "status") break;
      hash = message->text_or_empty("ca_sha256");
      break;
    }
  if (hash.size() == 64) return hash;
  context.console.err(
      "note: clawpatrold does not answer, so its certificate authority is not known: the configuration is "
      "the tunnel "
      "alone, as with --no-hooks\n");
  return std::nullopt;
}

std::string url_host(const Message& answer) {
  for (const Message& address : answer.list("gateway")) {
    const std::string text = address.as_text().value_or("");
    return text.find(':') == std::string::npos ? text : "[" + text + "]";
  }
  return "";
}

struct Client {
  Message answer;
  std::string configuration;
};

// Found out before anything is changed: a peer whose new key cannot be kept has none that works.
std::string unwritable(const std::filesystem::path& file) {
  if (file.empty()) return "";
  if (access(file.c_str(), F_OK) == 0) return "it is there already";
  const auto directory = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  return access(directory.c_str(), W_OK | X_OK) == 0 ? "" : std::strerror(errno);
}

// Asks netd for it, and adds the hooks. Nothing: the operator has been told, `status` is what to end with.
std::optional<Client> new_client(Context context, std::string_view verb, const NewPeerRequest& request,
                                 int& status) {
  Console& console = context.console;
  if (const std::string why = unwritable(request.write_to); !why.empty()) {
    console.complain(fmt::format("cannot write '{}': {}", request.write_to.native(), why),
                     "Name another file with -O; nothing was changed.");
    status = exit_no;
    return std::nullopt;
  }
  auto line = command(verb).add("name", request.name);
  if (!request.public_key.empty()) line.add("public_key", request.public_key);
  if (!request.profile.empty()) line.add("profile", request.profile);
  if (!request.endpoint.empty()) line.add("endpoint", request.endpoint);
  if (!request.ttl.empty()) {
    auto ttl_ns = config::parse_duration(request.ttl);
    if (!ttl_ns || *ttl_ns < 1'000'000'000) {
      console.complain("--ttl: " + (ttl_ns ? "less than a second" : ttl_ns.error()),
                       "Such as 8h, 90m or 7d.");
      status = exit_usage;
      return std::nullopt;
    }
    line.add("ttl_s", *ttl_ns / 1'000'000'000);
  }
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::netd);
  if (!daemon) {
    status = exit_unreachable;
    return std::nullopt;
  }
  std::optional<std::string> hash;
  if (request.hooks != Hooks::none) hash = authority_hash(context);
  if (hash && request.hooks == Hooks::linux_tools) line.add("resolver", false);
  auto answer = daemon->ask_once(line, status);
  if (!answer) return std::nullopt;
  std::string text = answer->text_or_empty("config");
  if (hash)
    text = with_hooks(text, hook_lines(request.hooks, {.gateway = url_host(*answer), .ca_sha256 = *hash}));
  return Client{std::move(*answer), std::move(text)};
}

void show_qr(Console& console, const std::string& configuration) {
  if (auto code = qr_text(configuration))
    console.out(*code);
  else
    console.err("note: it is too long for a QR code\n");
}

// Prints or writes what new_client() gave.
int hand_over(Context context, std::string_view type, const NewPeerRequest& request, const Client& client) {
  Console& console = context.console;
  const bool known = type == "peer_rotated";
  if (!request.write_to.empty()) {
    if (std::string why = write_private(request.write_to, client.configuration); !why.empty())
      return key_is_lost(console, "'" + request.write_to.native() + "'", why, request.name, known);
  }
  if (console.json()) {
    console.line(versioned(type, client.answer, client.configuration));
  } else if (request.qr) {
    show_qr(console, client.configuration);
  } else if (request.write_to.empty()) {
    print_configuration(console, client.configuration);
  }
  if (console.broken() && request.write_to.empty() && request.public_key.empty())
    return key_is_lost(console, "the configuration", std::strerror(console.broken_by()), request.name, known);
  return exit_ok;
}

}  // namespace

int peers_add(Context context, const NewPeerRequest& request) {
  int status = exit_ok;
  auto client = new_client(context, "add", request, status);
  if (!client) return status;
  if (status = hand_over(context, "peer_added", request, *client); status != exit_ok) return status;
  if (!context.console.json()) say_what_next(context.console, request, client->answer, "added");
  return exit_ok;
}

int peers_rotate(Context context, const NewPeerRequest& request) {
  int status = exit_ok;
  auto client = new_client(context, "rotate", request, status);
  if (!client) return status;
  if (status = hand_over(context, "peer_rotated", request, *client); status != exit_ok) return status;
  if (!context.console.json())
    say_what_next(context.console, request, client->answer, "known by its new key alone");
  return exit_ok;
}

int peers_hold(Context context, const std::optional<std::string>& name, Held held) {
  if (name && name->empty()) {
    context.console.complain(
        "whose name? An empty one is nobody's; everybody: cpctl lockdown --all, unlock --all");
    return exit_usage;
  }
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::netd);
  if (!daemon) {
    if (held == Held::yes) context.console.err("To cut everything without it: systemctl stop clawpatrold\n");
    return exit_unreachable;
  }
  auto line = command(held == Held::yes ? "hold" : "release");
  if (name)
    line.add("name", *name);
  else
    line.add("all", true);
  int status = exit_ok;
  auto answer = daemon->ask_once(line, status);
  if (!answer) return status;
  if (context.console.json()) {
    context.console.line(versioned(held == Held::yes ? "held" : "released", *answer));
    return exit_ok;
  }
  const std::string who = name ? "peer '" + printable(*name) + "'" : "every peer";
  if (held == Held::yes)
    context.console.line(who + " is locked out: what was in flight is cut, and nothing new gets in");
  else if (name && answer->flag("locked_down"))
    context.console.line(who + " is not paused any more; everybody is locked out until `cpctl unlock --all`");
  else
    context.console.line(who + " is let in again" + (name ? "" : ", but for those that are paused"));
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
               {"PROFILE", Align::left, 6, 2},
               {"INTERFACE", Align::left, 6, 2},
               {"HANDSHAKE", Align::left},
               {"FROM", Align::right, 0, 1},
               {"TO", Align::right, 0, 1},
               {"KEY", Align::left, 0, 3},  // a part of one is of no use
               {"", Align::left, 16}});
  for (const Message& peer : answer->list("peers")) {
    table.row({{shown(peer, "name"), Style::bold},
               {addresses_text(peer)},
               {shown(peer, "profile")},
               {shown(peer, "interface")},
               {handshake_text(peer)},
               {bytes_text(peer.natural_or_zero("rx_bytes"))},
               {bytes_text(peer.natural_or_zero("tx_bytes"))},
               {shown(peer, "public_key"), Style::dim},
               standing(peer)});
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
    context.console.line(answer->has("note")
                             ? fmt::format("peer '{}' has no key any more, and its connections close; {}",
                                           printable(name), shown(*answer, "note"))
                             : fmt::format("peer '{}' is removed; its connections close, and its addresses "
                                           "rest for a day",
                                           printable(name)));
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
