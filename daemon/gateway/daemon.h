// clawpatrold as a whole: what main builds, in the order in which one would explain it.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control/loop.h"
#include "daemon/control/server.h"
#include "daemon/files/private_directory.h"
#include "daemon/gateway/commands.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/generations.h"
#include "daemon/gateway/heartbeat.h"
#include "daemon/gateway/metrics_door.h"
#include "daemon/gateway/netd_link.h"
#include "daemon/gateway/options.h"
#include "daemon/gateway/worker_thread.h"

namespace clawpatrol {

class Daemon {
 public:
  // Everything up to where an agent could be served. The error is for the operator, whole.
  static std::expected<std::unique_ptr<Daemon>, std::string> create(const Options& options);
  ~Daemon();

  // Until a signal ends it. The exit status.
  int run();

 private:
  explicit Daemon(Options options) : options_(std::move(options)) {}
  std::expected<void, std::string> load_first_policy();
  std::expected<void, std::string> open_state();
  std::expected<void, std::string> make_workers();
  std::expected<void, std::string> open_control();
  ReloadOutcome reload();
  ReloadOutcome load_anew();
  std::expected<std::shared_ptr<const Policy>, Error> rollback(std::uint64_t generation);
  void follow_policy();
  void forget_credential(const std::string& name);
  std::expected<void, Error> put_in_force(std::shared_ptr<Policy> policy);
  void peers_changed(std::vector<Peer> peers);
  void tell_overruns();
  std::expected<void, Error> restore_seen();
  void save_seen();
  void feed_watchdog();
  void warn_of_authority();
  void begin_ending();
  int end();

  Options options_;
  std::size_t most_connections_ = 0;  // for which there are descriptors
  std::optional<PrivateDirectory> state_;
  std::shared_ptr<Policy> first_policy_;
  Generations generations_;
  Shared shared_;
  std::unique_ptr<control::Loop> loop_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::unique_ptr<WorkerThread> errands_;  // the gateway's own: tokens; no agent is served there
  std::optional<Heartbeat> heartbeat_;
  std::optional<Clock::time_point> drained_by_;  // set once it ends
  std::unique_ptr<NetdLink> netd_;
  std::unique_ptr<Commands> commands_;
  std::unique_ptr<control::Server> control_;
  std::unique_ptr<MetricsDoor> metrics_;  // where the configuration names an address
};

}  // namespace clawpatrol
