// Inside of Commands, shared by the files that answer: commands.cpp (flows and actions), commands_policy.cpp,
// commands_credentials.cpp, commands_authority.cpp, commands_audit.cpp.
#pragma once

#include <expected>
#include <mutex>
#include <optional>

#include "daemon/control/background.h"
#include "daemon/control/message.h"
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/commands.h"

namespace clawpatrol {

using control::Answer;
using control::answer_failure;
using control::answer_line;
using control::JsonObject;
using control::message_of_type;
using control::Output;
using control::Progress;
using control::Request;

inline constexpr std::chrono::seconds idle_interval{30};

// A stream that has nothing to say says so now and then, so that its reader can tell it from a dead one.
class Idle {
 public:
  void said() { last_ = Clock::now(); }
  Progress waiting(Output& output) {
    if (Clock::now() - last_ >= idle_interval) {
      output.line(message_of_type("idle").text());
      said();
    }
    return Progress::waiting;
  }

 private:
  Clock::time_point last_ = Clock::now();
};

// The result of a job of the background thread, which the answer waits for.
struct Lookup {
  std::mutex mutex;
  bool done = false;
  std::expected<std::vector<std::string>, Error> lines;
};

struct Commands::State {
  State(Shared& with, CommandSources from) : shared(with), sources(std::move(from)) {}

  StatusFacts status_facts() const;
  Answer status(const Request&);
  Answer metrics(const Request&);
  Answer flows(const Request&);
  Answer flow(const Request&);
  Answer flow_kill(const Request&);
  Answer actions(const Request&);
  Answer explain(const Request&);
  Answer reload(const Request&);
  Answer rollback(const Request&);
  Answer generations(const Request&);
  Answer rules(const Request&);
  Answer creds_set(const Request&);
  Answer creds_list(const Request&);
  Answer creds_rm(const Request&);
  Answer ca(const Request&);
  Answer audit_head(const Request&);
  Answer audit_tail(const Request&);

  struct Operated {
    uid_t uid;
    std::optional<pid_t> pid;
    std::string_view command, object, phase;
  };
  bool record(const Operated& what);
  bool record(const Request& request, std::string_view object, std::string_view phase);
  Answer when_recorded(const Request& request, std::string_view object, const std::function<Answer()>& act);
  std::string credential_line(const credentials::Info* info, const std::string& name) const;
  void forget_value(const std::string& name);
  std::string objection_to(const std::string& name, std::string_view value) const;
  std::shared_ptr<Lookup> look_up(std::function<std::expected<std::vector<std::string>, Error>()> job);

  Shared& shared;
  const CommandSources sources;
  const Clock::time_point started = Clock::now();
  control::Background background;
};

}  // namespace clawpatrol
