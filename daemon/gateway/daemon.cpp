#include "daemon/gateway/daemon.h"

#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <charconv>

#include "daemon/audit/log.h"
#include "daemon/credentials/credential_file.h"
#include "daemon/credentials/process_secrets.h"
#include "daemon/gateway/analysts.h"
#include "daemon/gateway/authority_file.h"
#include "daemon/gateway/commands.h"
#include "daemon/gateway/descriptors.h"
#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/http/worker_state.h"
#include "daemon/gateway/leaves.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "daemon/gateway/sandbox.h"
#include "daemon/gateway/tokens.h"
#include "daemon/gateway/unix_time.h"
#include "daemon/journal/log.h"

namespace clawpatrol {

using journal::Message;
using journal::say;

namespace {

constexpr auto drain_time = std::chrono::seconds(3);
constexpr std::size_t most_seen_bytes = std::size_t{100} * SeenAddresses::max_addresses;

std::size_t worker_count(const LimitsConfig& limits) {
  if (limits.workers) return std::min(limits.workers, netd::max_workers);
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, netd::max_workers);
}

// On a small disk less than was asked for: a log that fills it denies everything to everybody.
std::size_t kept_bytes(const AuditConfig& audit, const std::filesystem::path& state) {
  std::error_code problem;
  const auto disk = std::filesystem::space(state, problem);
  return problem ? audit.keep : std::min<std::size_t>(audit.keep, disk.capacity / 4);
}

audit::Limits audit_limits(const AuditConfig& audit, const std::filesystem::path& state) {
  return {.segment_bytes = audit.segment,
          .keep_bytes = kept_bytes(audit, state),
          .reserve_bytes = audit.reserve,
          .keep_for = audit.keep_for};
}

audit::PeerBudget::Options budget_of(const Policy& policy, const std::filesystem::path& state) {
  const AuditConfig& audit = policy.audit;
  return {.bytes_per_second = audit.peer_bytes_per_second,
          .burst = 4 * audit.peer_bytes_per_second,
          .share = kept_bytes(audit, state) / std::max<std::size_t>(policy.peers.size(), 1),
          .share_time = audit.keep_for};
}

// The group whose members may use cpctl; without it, root alone.
gid_t operators_group() {
  group* found = getgrnam("clawpatrol");
  return found ? found->gr_gid : static_cast<gid_t>(-1);
}

}  // namespace

// ---- starting
// ---------------------------------------------------------------------------------------------------

std::expected<std::unique_ptr<Daemon>, std::string> Daemon::create(const Options& options) {
  if (auto renounced = renounce_privileges(); !renounced) return std::unexpected(renounced.error().what);
  std::unique_ptr<Daemon> made(new Daemon(options));
  const std::size_t descriptors = raise_descriptor_limit();
  made->most_connections_ = most_connections(descriptors);
  if (made->most_connections_ == 0)
    return std::unexpected(
        fmt::format("cannot serve: {} descriptors are too few\nhint: Raise the limit on open files "
                    "(LimitNOFILE=) to {} and "
                    "two for each connection.",
                    descriptors, descriptors_beside));
  auto loop = control::Loop::create();
  if (!loop) return std::unexpected(loop.error().what);
  made->loop_ = std::move(*loop);
  // Before any thread, so that all inherit the mask.
  auto signals = made->loop_->on_signals({SIGTERM, SIGINT, SIGHUP}, [daemon = made.get()](int signal) {
    if (signal != SIGHUP) return daemon->begin_ending();
    (void)daemon->reload();  // which says itself what it refuses
  });
  if (!signals) return std::unexpected(signals.error().what);
  for (auto step :
       {&Daemon::load_first_policy, &Daemon::open_state, &Daemon::make_workers, &Daemon::open_control})
    if (auto done = (made.get()->*step)(); !done) return std::unexpected(done.error());
  if (auto forbidden = forbid_system_calls(); !forbidden) return std::unexpected(forbidden.error().what);
  return made;
}

Daemon::~Daemon() = default;

std::expected<void, std::string> Daemon::load_first_policy() {
  LoadResult loaded = load_policy(options_.config);
  if (!loaded.policy)
    return std::unexpected(
        fmt::format("the policy in {} does not load; nothing is served\n{}hint: cpctl check {}",
                    options_.config.string(), loaded.diagnostics.render(), options_.config.string()));
  if (!loaded.diagnostics.items.empty()) say("warnings about the policy:\n" + loaded.diagnostics.render());
  first_policy_ = std::move(loaded.policy);
  return {};
}

std::expected<void, std::string> Daemon::open_state() {
  credentials::tell_of_unlocked_secret([](const Error& why) { say(Message::keys_not_locked, why.what); });
  // Twice what is allowed now: a reload may allow more, and where the pages are full handshakes fail.
  const std::size_t connections = std::min(most_connections_, 2 * first_policy_->limits.connections);
  if (auto locked = credentials::lock_private_keys(connections); !locked)
    say(Message::keys_not_locked, locked.error().what);
  auto state = PrivateDirectory::open(options_.state);
  if (!state) return std::unexpected(state.error().what);
  state_ = std::move(*state);
  if (auto locked = state_->lock(); !locked) return std::unexpected(locked.error().what);
  auto store = credentials::Store::open(options_.state / "credentials");
  if (!store) return std::unexpected(store.error().what);
  shared_.credentials = std::move(*store);
  if (!credentials::key_is_handed_over())
    say(Message::credential_key_unsealed,
        fmt::format(
            "warning: the key of the credentials is a file, '{}': whoever has the disk has the credentials",
            (options_.state / "credential-key").string()));

  const AuditConfig& audit = first_policy_->audit;
  auto log = audit::Log::open(
      {.directory = options_.state / "audit",
       .key_file = options_.state / "audit.key",
       .segment_bytes = audit.segment,
       .keep_bytes = kept_bytes(audit, options_.state),
       .reserve_bytes = audit.reserve,
       .keep_for = audit.keep_for,
       .warn = [](Message message, std::string_view line) { say(message, line); },
       // To the journal, out of reach of whoever cuts the log (attacks.md, 26).
       .on_head = [](const audit::Head& head) { say("audit head " + audit::head_text(head)); }});
  if (!log) return std::unexpected(log.error().what);
  shared_.audit = std::move(*log);
  shared_.audit_budget = std::make_unique<audit::PeerBudget>(budget_of(*first_policy_, options_.state));

  auto names = VirtualNames::open(options_.state, first_policy_->gateway.virtual_);
  if (!names) return std::unexpected(names.error().what);
  shared_.names = std::move(*names);
  shared_.cancel_keys = std::make_unique<CancelKeys>();
  shared_.analysts = std::make_unique<Analysts>();
  auto authority = open_authority(*state_, now_unix_ns() / 1'000'000'000);
  if (!authority) return std::unexpected(authority.error().what);
  shared_.authority = std::move(*authority);
  warn_of_authority();
  shared_.leaves = std::make_unique<Leaves>(*shared_.authority);
  auto server_context = tls::ServerContext::create();
  if (!server_context) return std::unexpected(server_context.error().what);
  shared_.server_context = std::move(*server_context);
  shared_.name_service = std::make_unique<NameService>(shared_);
  if (auto restored = restore_seen(); !restored) return std::unexpected(restored.error().what);
  if (auto forced = put_in_force(std::move(first_policy_)); !forced)
    return std::unexpected(forced.error().what);
  return {};
}

std::expected<void, std::string> Daemon::make_workers() {
  std::size_t count = worker_count(shared_.policy.current()->limits);
  for (std::size_t index = 0; index < count; ++index) {
    auto worker = WorkerThread::create(shared_, index);
    if (!worker) return std::unexpected(worker.error().what);
    workers_.push_back(std::move(*worker));
  }
  auto errands = WorkerThread::create(shared_, count);
  if (!errands) return std::unexpected(errands.error().what);
  errands_ = std::move(*errands);
  shared_.tokens = std::make_unique<Tokens>(shared_);
  shared_.tokens->serve_on(errands_->worker());
  return {};
}

std::expected<void, std::string> Daemon::open_control() {
  netd_ = std::make_unique<NetdLink>(
      *loop_, options_.run / "netd.sock", workers_.size(),
      NetdLink::Receivers{
          .listener = [this](std::size_t worker, Fd fd) { workers_[worker]->listen(std::move(fd)); },
          .dns =
              [this](Family family, Fd fd) {
                auto socket = std::make_shared<Fd>(std::move(fd));
                Worker& worker = workers_.front()->worker();
                worker.ring().post([this, &worker, socket, family] {
                  shared_.name_service->listen(worker, std::move(*socket), family);
                });
              },
          .peers = [this](std::vector<Peer> peers) { peers_changed(std::move(peers)); },
          .operated = [this](const SessionOperated& operated) { commands_->record(operated); }});
  commands_ = std::make_unique<Commands>(
      shared_,
      CommandSources{.audit_directory = options_.state / "audit",
                     .workers = workers_.size(),
                     .reload = [this] { return reload(); },
                     .rollback = [this](std::uint64_t generation) { return rollback(generation); },
                     .generations = [this]() -> const Generations& { return generations_; },
                     .forget_credential = [this](const std::string& name) { forget_credential(name); },
                     .netd_connected = [this] { return netd_->connected(); },
                     .drops = [this] { return netd_->drops(); }});
  auto server =
      control::Server::listen(*loop_, {.path = options_.run / "control.sock", .group = operators_group()},
                              [this](const control::Request& request) { return commands_->handle(request); });
  if (!server) return std::unexpected(server.error().what);
  control_ = std::move(*server);
  if (!control_->for_operators())
    say(fmt::format(
        "warning: control.sock is for root alone: the file system of '{}' has no access control lists",
        options_.run.string()));
  const std::string address = shared_.policy.current()->gateway.metrics;
  if (address.empty()) return {};
  auto metrics = MetricsDoor::listen(*loop_, address, [this] { return commands_->metrics(); });
  if (!metrics) return std::unexpected(metrics.error().what);
  metrics_ = std::move(*metrics);
  return {};
}

// ---- running
// ----------------------------------------------------------------------------------------------------

int Daemon::run() {
  for (auto& worker : workers_) worker->start();
  errands_->start();
  Worker& first = workers_.front()->worker();
  first.ring().post([this, &first] { shared_.name_service->follow_endpoints(first); });
  netd_->start();
  loop_->every(std::chrono::seconds(1), [this] {
    tell_overruns();
    save_seen();
  });
  loop_->every(std::chrono::hours(24), [this] { warn_of_authority(); });
  if (std::uint64_t within_us = 0; sd_watchdog_enabled(0, &within_us) > 0) {
    std::vector<Heartbeat::Post> rings;
    for (auto& worker : workers_)
      rings.push_back(
          [ring = &worker->worker().ring()](std::function<void()> beat) { ring->post(std::move(beat)); });
    rings.push_back(
        [ring = &errands_->worker().ring()](std::function<void()> beat) { ring->post(std::move(beat)); });
    heartbeat_.emplace(std::move(rings));
    loop_->every(std::chrono::microseconds(within_us / 4), [this] { feed_watchdog(); });
  }
  sd_notify(0, "READY=1");
  say(fmt::format("version {}, policy generation {}, {} workers", CLAWPATROL_VERSION,
                  shared_.policy.current()->generation, workers_.size()));
  loop_->run();
  return end();
}

void Daemon::warn_of_authority() {
  if (std::string ending = authority_ending(*shared_.authority, now_unix_ns() / 1'000'000'000);
      !ending.empty())
    say(Message::authority_ends, "warning: " + ending);
}

// systemd kills and starts anew what it does not hear this of (WatchdogSec=).
void Daemon::feed_watchdog() {
  if (heartbeat_->felt()) sd_notify(0, "WATCHDOG=1");
}

// Who asked for it is told; the log is too, since a policy that did not come into force concerns everybody.
ReloadOutcome Daemon::reload() {
  ReloadOutcome outcome = load_anew();
  if (!outcome.done)
    say(Message::reload_refused, "reload refused; the policy in force stays:\n" + outcome.diagnostics);
  return outcome;
}

ReloadOutcome Daemon::load_anew() {
  LoadResult loaded = load_policy(options_.config);
  ReloadOutcome outcome{.done = false, .diagnostics = loaded.diagnostics.render()};
  if (!loaded.policy) return outcome;
  if (auto forced = put_in_force(std::move(loaded.policy)); !forced) {
    outcome.diagnostics += forced.error().what + "\n";
    return outcome;
  }
  outcome.done = true;
  if (std::size_t count = worker_count(shared_.policy.current()->limits); count != workers_.size())
    outcome.diagnostics +=
        fmt::format("note: `limits.workers` asks for {}; {} run, until clawpatrold is started again\n", count,
                    workers_.size());
  outcome.netd = netd_->ask_to_reload();
  follow_policy();
  return outcome;
}

// netd is not asked: it reads the files, which say what they said.
std::expected<std::shared_ptr<const Policy>, Error> Daemon::rollback(std::uint64_t generation) {
  const std::uint64_t now = shared_.policy.current()->generation;
  auto policy = generation ? generations_.find(generation) : generations_.before(now);
  if (!policy)
    return std::unexpected(
        Error{0, generation ? fmt::format("generation {} is not kept", generation)
                            : fmt::format("there is no generation before {} since this start", now)});
  if (auto renewed = shared_.upstream_contexts.renew(*policy); !renewed)
    return std::unexpected(renewed.error());
  if (auto adopted = shared_.names->adopt(*policy); !adopted) return std::unexpected(adopted.error());
  shared_.policy.replace(policy);
  follow_policy();
  return policy;
}

// What else the policy in force decides.
void Daemon::follow_policy() {
  auto policy = shared_.policy.current();
  shared_.audit->set_limits(audit_limits(policy->audit, options_.state));
  shared_.audit_budget->set_options(budget_of(*policy, options_.state));
  close_orphans(shared_);
}

void Daemon::forget_credential(const std::string& name) {
  for (auto& thread : workers_)
    thread->worker().ring().post([&worker = thread->worker(), name] { worker.http().pool.forget(name); });
}

// Gives the policy its number, and its names their addresses, before anything is decided by it.
std::expected<void, Error> Daemon::put_in_force(std::shared_ptr<Policy> policy) {
  std::array<char, 32> text{};
  std::uint64_t last = 0;
  auto size = state_->read("generation", text);
  if (size)
    std::from_chars(text.data(), text.data() + *size, last);
  else if (size.error().code != ENOENT)
    return std::unexpected(size.error());
  policy->generation = last + 1;
  if (std::size_t& connections = policy->limits.connections; connections > most_connections_) {
    say(Message::connections_limited,
        fmt::format("`limits.connections` is {}, but there are descriptors for {} only; that is the limit\n"
                    "hint: Raise the hard limit on open files (LimitNOFILE=) to {}.",
                    connections, most_connections_, 2 * connections + descriptors_beside));
    connections = most_connections_;
  }
  if (auto renewed = shared_.upstream_contexts.renew(*policy); !renewed) return renewed;
  if (auto kept = state_->replace("generation", std::to_string(policy->generation)); !kept) return kept;
  if (auto adopted = shared_.names->adopt(*policy); !adopted) return adopted;
  generations_.add({policy, now_unix_ns()});
  shared_.policy.replace(std::move(policy));
  return {};
}

void Daemon::peers_changed(std::vector<Peer> peers) {
  shared_.peers.replace(std::move(peers));
  close_orphans(shared_);
}

// One counted line for a peer that was denied because it fills the log (attacks.md, 27).
void Daemon::tell_overruns() {
  for (const auto& overrun : shared_.audit_budget->take_overruns(Clock::now())) {
    auto peer = shared_.peers.by_id(overrun.peer_id);
    std::string line = fmt::format(R"("type":"audit_budget","peer":)");
    audit::append_json_string(line, peer ? peer->name : "");
    line += fmt::format(R"(,"verdict":"deny","denied":{},"bytes":{})", overrun.lines, overrun.bytes);
    (void)shared_.audit->append(std::span(&line, 1));  // a log that fails says so by itself
  }
}

// What the guard of passthrough remembers across restarts (attacks.md, 13).
std::expected<void, Error> Daemon::restore_seen() {
  std::string text(most_seen_bytes, '\0');
  auto size = state_->read("seen.json", text);
  if (!size && size.error().code == ENOENT) return {};
  if (!size) return std::unexpected(size.error());
  text.resize(*size);
  auto restored = shared_.name_service->seen().restore(text, Clock::now(), std::time(nullptr));
  // To start without it would open what it closes.
  if (!restored)
    restored.error().what += "\nhint: Remove '" + (options_.state / "seen.json").string() +
                             "'; for a day passthrough then guards only what endpoints resolve to now.";
  return restored;
}

void Daemon::save_seen() {
  auto text = shared_.name_service->seen().take_unsaved(Clock::now(), std::time(nullptr));
  if (!text) return;
  if (auto saved = state_->replace("seen.json", *text); !saved) say("warning: " + saved.error().what);
}

// ---- ending
// -----------------------------------------------------------------------------------------------------

// What comes now waits in netd's listeners for the daemon that comes next; what is here may end by itself for
// a while, and operators may go on looking. A second signal ends it at once.
void Daemon::begin_ending() {
  if (drained_by_) return loop_->stop();
  const auto drain =
      std::chrono::duration_cast<Clock::duration>(shared_.policy.current()->limits.drain_timeout);
  drained_by_ = Clock::now() + drain;
  const auto within = std::chrono::duration_cast<std::chrono::microseconds>(drain + 2 * drain_time);
  sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld", static_cast<long long>(within.count()));
  for (auto& worker : workers_) worker->stop_accepting();
  for (const auto& flow : shared_.flows.all(FlowTable::Which::also_opening)) flow->ask_to_leave();
  loop_->every(std::chrono::milliseconds(20), [this] {
    if (shared_.flows.size() == 0 || Clock::now() >= *drained_by_) loop_->stop();
  });
}

int Daemon::end() {
  shared_.name_service->stop();
  shared_.tokens->stop();
  for (const auto& flow : shared_.flows.all()) flow->ask_to_close("the gateway is shutting down");
  auto deadline = Clock::now() + drain_time;
  bool ended = true;
  for (auto& worker : workers_) ended = worker->finish(deadline) && ended;
  ended = errands_->finish(deadline) && ended;
  if (ended) {  // before the rings that they post to
    shared_.analysts.reset();
    shared_.leaves.reset();
  }
  metrics_.reset();
  control_.reset();
  save_seen();
  if (!ended) {
    // Some flow would not end in time: its buffers are the kernel's, so nothing is destroyed under it.
    say("some connections did not end in time and are cut");
    shared_.audit.reset();
    fflush(nullptr);
    _exit(0);
  }
  return 0;
}

}  // namespace clawpatrol
