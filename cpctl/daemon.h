// One conversation with a daemon, and what to tell the operator when there is none.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cpctl/commands.h"
#include "daemon/control/client.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {

enum class Service : std::uint8_t { gateway, netd };

// A request without its first two members.
control::JsonObject command(std::string_view name);

// What a daemon says where it does not do what it was asked; empty members: it does not say.
struct Failure {
  std::string what, hint, code;
};
Failure failure_of(const control::Message& answer);

class Daemon {
 public:
  // Null: nobody answers there; the operator has been told, the exit status is exit_unreachable.
  static std::unique_ptr<Daemon> connect(const Context& context, Service service);

  // Called with each line of an answer but its end. False: enough, stop asking.
  using OnLine = std::function<bool(const control::Message&)>;

  // The exit status. Under -o json each line goes to the output as it is, and `on_line` is not called.
  int ask(const control::JsonObject& request, const OnLine& on_line, std::string_view body = "");
  // The same, and lines are kept as they are for `on_line` also under -o json.
  int ask_quietly(const control::JsonObject& request, const OnLine& on_line, std::string_view body = "");

  // netd answers with one line that says "ok" itself; nothing after a failure, which has been told.
  std::optional<control::Message> ask_once(const control::JsonObject& request, int& status);

 private:
  Daemon(const Context& context, Service service, control::Client client)
      : console_(context.console), service_(service), client_(std::move(client)) {}
  int converse(const control::JsonObject& request, const OnLine& on_line, std::string_view body);
  int lost();
  int failed(const control::Message& end);

  Console& console_;
  Service service_;
  control::Client client_;
};

// `line` for -o json: as it came when it is plain ASCII, else written anew.
std::string json_line(std::string_view line, const control::Message& message);

}  // namespace clawpatrol::cpctl
