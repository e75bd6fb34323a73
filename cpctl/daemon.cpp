#include "cpctl/daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "cpctl/printable.h"

namespace clawpatrol::cpctl {
namespace {

// How long the daemon may think. A stream that has nothing to say is not bounded: it says `idle` lines
// itself.
constexpr std::chrono::minutes patience{2};

std::string_view name_of(Service service) {
  return service == Service::gateway ? "clawpatrold" : "clawpatrol-netd";
}

std::string hint_for(int code, Service service, const std::filesystem::path& socket) {
  if (code == EACCES || code == EPERM) return "Run this as root or as a member of the group clawpatrol.";
  return fmt::format(
      "Start it with `systemctl start {}`, or say where its socket is with --run DIR (looked for {}).",
      name_of(service), socket.native());
}

}  // namespace

control::JsonObject command(std::string_view name) {
  control::JsonObject request;
  request.add("v", 1).add("command", name);
  return request;
}

std::string json_line(std::string_view line, const control::Message& message) {
  bool plain = std::ranges::all_of(line, [](char c) { return c >= 0x20 && c < 0x7f; });
  return plain ? std::string(line) : message.json();
}

std::unique_ptr<Daemon> Daemon::connect(const Context& context, Service service) {
  auto socket = context.paths.run / (service == Service::gateway ? "control.sock" : "peers.sock");
  auto client = control::Client::connect(socket);
  if (client) return std::unique_ptr<Daemon>(new Daemon(context, service, std::move(*client)));
  const bool refused =
      client.error().code == EACCES;  // by the mode of the socket, so the daemon cannot say it
  context.console.complain(refused
                               ? fmt::format("cannot ask {}: permission denied", name_of(service))
                               : fmt::format("cannot reach {}: {}", name_of(service), client.error().what),
                           hint_for(client.error().code, service, socket));
  return nullptr;
}

int Daemon::ask(const control::JsonObject& request, const OnLine& on_line, std::string_view body) {
  return converse(request, console_.json() ? nullptr : on_line, body);
}

int Daemon::ask_quietly(const control::JsonObject& request, const OnLine& on_line, std::string_view body) {
  return converse(request, on_line, body);
}

int Daemon::converse(const control::JsonObject& request, const OnLine& on_line, std::string_view body) {
  // A daemon that refuses us says so and hangs up, perhaps before it has read: its words matter more than the
  // failure to send.
  bool sent = client_.send(request.text(), body).has_value();
  while (!console_.broken()) {
    std::optional<std::string> line = client_.next(patience);
    if (!line) return lost();
    auto message = control::Message::parse(*line);
    if (!message) return lost();
    std::string type = message->text_or_empty("type");
    if (type == "end" && message->flag("ok") && sent) return exit_ok;
    if (type == "end") return failed(*message);
    if (type == "idle") continue;
    if (!on_line)
      console_.line(json_line(*line, *message));
    else if (!on_line(*message))
      return exit_ok;
  }
  return exit_ok;  // whoever read our output has seen enough
}

std::optional<control::Message> Daemon::ask_once(const control::JsonObject& request, int& status) {
  status = exit_unreachable;
  bool sent = client_.send(request.text()).has_value();
  std::optional<std::string> line = client_.next(patience);
  std::optional<control::Message> message;
  if (auto parsed = control::Message::parse(line.value_or(""))) message = std::move(*parsed);
  if (!message || (!sent && message->flag("ok"))) {
    lost();
    return std::nullopt;
  }
  if (!message->flag("ok")) {
    status = failed(*message);
    return std::nullopt;
  }
  status = exit_ok;
  return message;
}

int Daemon::lost() {
  console_.complain(fmt::format("{} hung up or did not answer", name_of(service_)),
                    fmt::format("Look at its journal: `journalctl -u {} -n 50`.", name_of(service_)));
  return exit_unreachable;
}

int Daemon::failed(const control::Message& end) {
  const Failure failure = failure_of(end);
  console_.complain(failure.what.empty() ? fmt::format("{} refused", name_of(service_)) : failure.what,
                    failure.hint);
  return failure.code == "forbidden" ? exit_unreachable : exit_no;
}

// netd says the error as a text, the gateway as an object.
Failure failure_of(const control::Message& answer) {
  const control::Message error = answer.object("error");
  if (error.is_null())
    return {answer.text_or_empty("error"), answer.text_or_empty("hint"), answer.text_or_empty("code")};
  return {error.text_or_empty("message"), error.text_or_empty("hint"), error.text_or_empty("code")};
}

}  // namespace clawpatrol::cpctl
