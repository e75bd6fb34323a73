// What the control socket can ask of the gateway. Requests and answers: docs/formats.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control/server.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/generations.h"
#include "daemon/gateway/netd_session.h"

namespace clawpatrol {

// One count of netd's: packets that the kernel dropped.
struct DropCount {
  std::uint32_t peer_id = 0;  // 0: of no known peer
  std::string reason;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

// What netd answers to a request to reload.
struct NetdAnswer {
  bool answered = false;
  std::string problem;  // netd could not follow, or admits not all; "": all is as configured
};

struct ReloadOutcome {
  bool done = false;        // false: the generation in force is what it was
  std::string diagnostics;  // as Diagnostics::render() gives it; warnings too
  // Shared with the session, which writes into it on the control thread. Null: netd was not asked.
  std::shared_ptr<const NetdAnswer> netd{};
};

// What main lends to the commands. Called on the control thread; each returns at once.
struct CommandSources {
  std::filesystem::path audit_directory;
  std::size_t workers = 0;
  std::function<ReloadOutcome()> reload;
  // Puts a generation in force again that is kept; 0: the one before that in force.
  std::function<std::expected<std::shared_ptr<const Policy>, Error>(std::uint64_t)> rollback{};
  std::function<const Generations&()> generations{};
  // Closes what rests under a credential whose value has changed; what is in use the grants end.
  std::function<void(const std::string&)> forget_credential{};
  std::function<bool()> netd_connected;
  std::function<std::vector<DropCount>()> drops;
};

// The handler of a control::Server. What changes something is written to the audit log with the uid of the
// caller before it is done and again after; where that is not possible it is refused, but for what only takes
// access away (flow_kill, creds_rm) and for reload, which may be the cure.
class Commands {
 public:
  static constexpr std::chrono::seconds netd_time{5};  // how long a reload waits for netd

  Commands(Shared& shared, CommandSources sources);
  ~Commands();
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  control::Answer handle(const control::Request& request);  // null: no such command
  std::string metrics() const;                              // as Prometheus reads them
  void record(const SessionOperated& operated);             // what netd has done at an operator's word

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace clawpatrol
