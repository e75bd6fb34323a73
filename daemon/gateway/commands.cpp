#include "daemon/gateway/commands_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/audit/reader.h"
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/explanation.h"
#include "daemon/gateway/metrics.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {
namespace {

constexpr std::size_t flows_in_a_piece = 64;

Answer flow_lines(std::vector<std::shared_ptr<Flow>> flows) {
  return [flows = std::move(flows), next = std::size_t{0}](Output& output) mutable {
    std::int64_t now = now_unix_ns();
    for (std::size_t end = std::min(flows.size(), next + flows_in_a_piece); next < end; ++next) {
      output.line(flow_line(flows[next]->snapshot(), now));
      flows[next].reset();
    }
    return next == flows.size() ? Progress::done : Progress::more;
  };
}

Answer no_such_flow(std::uint64_t id) {
  return answer_failure("not_found", fmt::format("there is no flow {}", id),
                        "See the live ones with `cpctl flows`.");
}

}  // namespace

Commands::Commands(Shared& shared, CommandSources sources)
    : state_(std::make_unique<State>(shared, std::move(sources))) {}
Commands::~Commands() = default;

Answer Commands::handle(const Request& request) {
  struct Entry {
    std::string_view name;
    Answer (State::*act)(const Request&);
  };
  static constexpr Entry table[] = {
      {"status", &State::status},
      {"metrics", &State::metrics},
      {"flows", &State::flows},
      {"flow", &State::flow},
      {"flow_kill", &State::flow_kill},
      {"actions", &State::actions},
      {"explain", &State::explain},
      {"reload", &State::reload},
      {"rollback", &State::rollback},
      {"generations", &State::generations},
      {"rules", &State::rules},
      {"creds_set", &State::creds_set},
      {"creds_list", &State::creds_list},
      {"creds_rm", &State::creds_rm},
      {"ca", &State::ca},
      {"audit_head", &State::audit_head},
      {"audit_tail", &State::audit_tail},
  };
  for (const Entry& entry : table) {
    if (entry.name == request.command) return ((*state_).*entry.act)(request);
  }
  return nullptr;
}

namespace {

// As they stand in the audit log.
std::string_view name_of(netd::PeerOperation operation) {
  switch (operation) {
    case netd::PeerOperation::add: return "peers_add";
    case netd::PeerOperation::remove: return "peers_rm";
    case netd::PeerOperation::rotate: return "peers_rotate";
    case netd::PeerOperation::pause: return "peers_pause";
    case netd::PeerOperation::resume: return "peers_resume";
    case netd::PeerOperation::lock: return "lockdown";
    case netd::PeerOperation::unlock: return "unlock";
    case netd::PeerOperation::expire: return "peers_expire";
  }
  return "peers_unknown";  // of a netd that is newer
}

}  // namespace

void Commands::record(const SessionOperated& operated) {
  state_->record({.uid = operated.uid,
                  .pid = std::nullopt,
                  .command = name_of(operated.operation),
                  .object = operated.peer,
                  .phase = "done"});
}

bool Commands::State::record(const Request& request, std::string_view object, std::string_view phase) {
  return record({.uid = request.caller.uid,
                 .pid = request.caller.pid,
                 .command = request.command,
                 .object = object,
                 .phase = phase});
}

// One line of what an operator did: `asked` before, `done` or `failed` after.
bool Commands::State::record(const Operated& what) {
  if (!shared.audit) return false;
  JsonObject line;
  line.add("time", time_text(now_unix_ns())).add("type", "operator").add("uid", what.uid);
  if (what.pid) line.add("pid", *what.pid);
  line.add("command", what.command).add("object", what.object).add("phase", what.phase);
  std::string body = line.text();
  std::string lines[] = {body.substr(1, body.size() - 2)};
  auto appended = shared.audit->append(lines);
  if (appended) shared.audit->sync(*appended, [](std::expected<void, Error>) {});
  return appended.has_value();
}

Answer Commands::State::when_recorded(const Request& request, std::string_view object,
                                      const std::function<Answer()>& act) {
  if (record(request, object, "asked")) return act();
  return answer_failure(
      "audit", fmt::format("'{}' is refused: it cannot be recorded in the audit log", request.command),
      fmt::format("Look at `cpctl status` and at the free space of {}; the daemon tries again every second.",
                  sources.audit_directory.native()));
}

StatusFacts Commands::State::status_facts() const {
  StatusFacts facts;
  facts.uptime_s = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started).count();
  facts.workers = sources.workers;
  if (sources.generations) facts.newest_generation = sources.generations().newest();
  facts.netd_connected = sources.netd_connected && sources.netd_connected();
  if (sources.drops) facts.drops = sources.drops();
  return facts;
}

std::string Commands::metrics() const {
  return metrics_text(state_->shared, state_->status_facts());
}

Answer Commands::State::metrics(const Request&) {
  return answer_line(message_of_type("metrics").add("text", metrics_text(shared, status_facts())).text());
}

Answer Commands::State::status(const Request&) {
  const StatusFacts facts = status_facts();
  return [head = status_line(shared, facts), flows = flow_lines(shared.flows.all())](Output& output) mutable {
    if (!head.empty()) output.line(std::exchange(head, ""));
    return flows(output);
  };
}

Answer Commands::State::flows(const Request&) {
  return flow_lines(shared.flows.all());
}

Answer Commands::State::flow(const Request& request) {
  std::uint64_t id = request.fields.natural_or_zero("id");
  auto found = shared.flows.find(id);
  return found ? answer_line(flow_line(found->snapshot(), now_unix_ns())) : no_such_flow(id);
}

Answer Commands::State::flow_kill(const Request& request) {
  std::uint64_t id = request.fields.natural_or_zero("id");
  auto found = shared.flows.find(id);
  if (!found) return no_such_flow(id);
  record(request, std::to_string(id), "asked");
  found->ask_to_close("closed by the gateway's operator");
  record(request, std::to_string(id), "done");
  return answer_line(message_of_type("closing").add("id", id).add("peer", found->peer).text());
}

Answer Commands::State::actions(const Request& request) {
  bool follow = request.fields.flag("follow");
  std::uint64_t end = shared.actions.end();
  std::uint64_t last = request.fields.natural_or_zero("last");
  return [this, follow, cursor = end - std::min(end, last), idle = Idle()](Output& output) mutable {
    std::uint64_t before = cursor;
    auto records = shared.actions.since(cursor);
    std::uint64_t missed = cursor - before - records.size();
    if (missed > 0) output.line(message_of_type("missed").add("count", missed).text());
    for (const auto& record : records) output.line(action_object(*record, "action").text());
    if (!records.empty()) {
      idle.said();
      return Progress::more;
    }
    return follow ? idle.waiting(output) : Progress::done;
  };
}

std::shared_ptr<Lookup> Commands::State::look_up(
    std::function<std::expected<std::vector<std::string>, Error>()> job) {
  // Shared by the answer, which may be dropped, and the job, which may still run.
  auto lookup = std::make_shared<Lookup>();
  bool queued = background.run([lookup, job = std::move(job)] {
    auto lines = job();
    std::lock_guard lock(lookup->mutex);
    lookup->lines = std::move(lines);
    lookup->done = true;
  });
  return queued ? lookup : nullptr;
}

Answer Commands::State::explain(const Request& request) {
  std::string id = request.fields.text_or_empty("action");
  auto number = parse_action_id(id);
  if (auto record = number ? shared.actions.find(*number) : nullptr)
    return answer_line(explain_record(*record, shared.policy.current()));
  auto lookup =
      look_up([directory = sources.audit_directory, id] { return audit::find_action(directory, id); });
  if (!lookup)
    return answer_failure("busy", "too many look-ups in the audit log at once", "Try again in a moment.");
  return [this, lookup, id](Output& output) {
    std::lock_guard lock(lookup->mutex);
    if (!lookup->done) return Progress::waiting;
    std::string line =
        lookup->lines ? explain_audit_lines(id, *lookup->lines, shared.policy.current().get()) : "";
    if (!lookup->lines) {
      output.fail("audit", lookup->lines.error().what);
    } else if (line.empty()) {
      output.fail("not_found",
                  fmt::format("there is no action '{}', neither in memory nor in the audit log", id),
                  "Ids look like a-...; see the latest with `cpctl audit tail`.");
    } else {
      output.line(line);
    }
    return Progress::done;
  };
}

}  // namespace clawpatrol
