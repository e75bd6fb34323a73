#include "daemon/gateway/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "daemon/audit/reader.h"
#include "daemon/control/background.h"
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/explanation.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/postgres/salted_passwords.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {
namespace {

using control::Answer;
using control::answer_failure;
using control::answer_line;
using control::JsonObject;
using control::message_of_type;
using control::Output;
using control::Progress;
using control::Request;

constexpr std::uint64_t most_tail_lines = 100'000;
constexpr std::size_t flows_in_a_piece = 64;
constexpr std::chrono::seconds idle_interval{30};

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

// A line of the log as a member; one that somebody has damaged, as a text.
std::string audit_line_of(const std::string& text) {
  JsonObject line = message_of_type("audit_line");
  bool whole = control::Message::parse(text).has_value();
  return (whole ? line.add_json("line", text) : line.add("damaged", text)).text();
}

std::string peers_problem(const ReloadOutcome& outcome) {
  if (!outcome.netd) return "";
  return outcome.netd->answered ? outcome.netd->problem
                                : "clawpatrol-netd has not answered in time; see `cpctl peers list`";
}

// The result of a job of the background thread, which the answer waits for.
struct Lookup {
  std::mutex mutex;
  bool done = false;
  std::expected<std::vector<std::string>, Error> lines;
};

}  // namespace

struct Commands::State {
  State(Shared& with, CommandSources from) : shared(with), sources(std::move(from)) {}

  Answer status(const Request&);
  Answer flows(const Request&) { return flow_lines(shared.flows.all()); }
  Answer flow(const Request&);
  Answer flow_kill(const Request&);
  Answer actions(const Request&);
  Answer explain(const Request&);
  Answer reload(const Request&);
  Answer creds_set(const Request&);
  Answer creds_list(const Request&);
  Answer creds_rm(const Request&);
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
  std::shared_ptr<Lookup> look_up(std::function<std::expected<std::vector<std::string>, Error>()> job);

  Shared& shared;
  const CommandSources sources;
  const Clock::time_point started = Clock::now();
  control::Background background;
};

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
      {"flows", &State::flows},
      {"flow", &State::flow},
      {"flow_kill", &State::flow_kill},
      {"actions", &State::actions},
      {"explain", &State::explain},
      {"reload", &State::reload},
      {"creds_set", &State::creds_set},
      {"creds_list", &State::creds_list},
      {"creds_rm", &State::creds_rm},
      {"audit_head", &State::audit_head},
      {"audit_tail", &State::audit_tail},
  };
  for (const Entry& entry : table) {
    if (entry.name == request.command) return ((*state_).*entry.act)(request);
  }
  return nullptr;
}

void Commands::record(const SessionOperated& operated) {
  const bool added = operated.change == netd::PeerChange::present;
  state_->record({.uid = operated.uid,
                  .pid = std::nullopt,
                  .command = added ? "peers_add" : "peers_rm",
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

Answer Commands::State::status(const Request&) {
  StatusFacts facts;
  facts.uptime_s = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started).count();
  facts.workers = sources.workers;
  facts.netd_connected = sources.netd_connected && sources.netd_connected();
  if (sources.drops) facts.drops = sources.drops();
  return [head = status_line(shared, facts), flows = flow_lines(shared.flows.all())](Output& output) mutable {
    if (!head.empty()) output.line(std::exchange(head, ""));
    return flows(output);
  };
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

Answer Commands::State::reload(const Request& request) {
  if (!sources.reload) return answer_failure("unsupported", "this daemon cannot reload");
  record(request, "", "asked");
  ReloadOutcome outcome = sources.reload();
  record(request, "", outcome.done ? "done" : "failed");
  return [outcome, policy = shared.policy.current(), until = Clock::now() + netd_time](Output& output) {
    // Until netd has followed, what it took away is still steered.
    if (outcome.netd && !outcome.netd->answered && Clock::now() < until) return Progress::waiting;
    if (!outcome.diagnostics.empty())
      output.line(message_of_type("diagnostics").add("text", outcome.diagnostics).text());
    if (!outcome.done) {
      output.fail(
          "configuration", "the configuration was not taken; the generation in force is as it was",
          "Mend what the lines above name (`cpctl check` looks at the configuration), and reload again.");
      return Progress::done;
    }
    JsonObject line = message_of_type("reloaded");
    line.add("generation", policy->generation).add("digest", policy->digest);
    if (std::string problem = peers_problem(outcome); !problem.empty()) line.add("peers_problem", problem);
    output.line(line.text());
    return Progress::done;
  };
}

std::string Commands::State::credential_line(const credentials::Info* info, const std::string& name) const {
  auto policy = shared.policy.current();
  const CredentialConfig* config = nullptr;
  if (policy) {
    auto found = policy->credentials.find(name);
    if (found != policy->credentials.end()) config = &found->second;
  }
  JsonObject line = message_of_type("credential");
  line.add("name", name).add("set", info != nullptr).add("version", info ? info->version : 0);
  line.add("set_at", info ? time_text(info->set_at_unix * 1'000'000'000) : "");
  line.add("configured", config != nullptr).add("credential_type", config ? config->type : "");
  return line.add("endpoint", config ? config->endpoint : "").add("user", config ? config->user : "").text();
}

Answer Commands::State::creds_set(const Request& request) {
  std::string name = request.fields.text_or_empty("name");
  return when_recorded(request, name, [&] {
    auto info = shared.credentials->set(name, request.body);
    shared.salted_passwords->forget(name);
    close_orphans(shared);
    record(request, name, info ? "done" : "failed");
    if (!info) return answer_failure("credential", info.error().what);
    return answer_line(credential_line(&*info, name));
  });
}

Answer Commands::State::creds_list(const Request&) {
  std::vector<credentials::Info> stored = shared.credentials->list();
  std::set<std::string> names;
  for (const auto& info : stored) names.insert(info.name);
  if (auto policy = shared.policy.current()) {
    for (const auto& [name, config] : policy->credentials) names.insert(name);
  }
  std::vector<std::string> lines;
  for (const std::string& name : names) {
    auto found = std::ranges::find(stored, name, &credentials::Info::name);
    lines.push_back(credential_line(found == stored.end() ? nullptr : &*found, name));
  }
  return control::answer_lines(std::move(lines));
}

Answer Commands::State::creds_rm(const Request& request) {
  std::string name = request.fields.text_or_empty("name");
  record(request, name, "asked");
  auto removed = shared.credentials->remove(name);
  shared.salted_passwords->forget(name);
  close_orphans(shared);
  record(request, name, removed ? "done" : "failed");
  if (!removed)
    return answer_failure("credential", removed.error().what, "See the names with `cpctl creds list`.");
  return answer_line(message_of_type("removed").add("name", name).text());
}

Answer Commands::State::audit_head(const Request&) {
  if (!shared.audit) return answer_failure("audit", "there is no audit log");
  audit::Head head = shared.audit->head();
  JsonObject line = message_of_type("audit_head");
  line.add("head", audit::head_text(head)).add("seq", head.seq).add("mac", head.mac).add("boot", head.boot);
  return answer_line(line.text());
}

Answer Commands::State::audit_tail(const Request& request) {
  std::size_t count = std::min(request.fields.natural_or_zero("last"), most_tail_lines);
  std::shared_ptr<audit::Follower> follower;  // shared, since answers are copyable
  if (request.fields.flag("follow")) {
    // Begun before the last lines are read: a line that falls between the two is said twice, never not at
    // all.
    auto opened = audit::Follower::open(sources.audit_directory);
    if (!opened) return answer_failure("audit", opened.error().what);
    follower = std::move(*opened);
  }
  auto lookup =
      look_up([directory = sources.audit_directory, count] { return audit::last_lines(directory, count); });
  if (!lookup)
    return answer_failure("busy", "too many look-ups in the audit log at once", "Try again in a moment.");
  return [lookup, follower, next = std::size_t{0}, idle = Idle()](Output& output) mutable {
    std::lock_guard lock(lookup->mutex);
    if (!lookup->done) return Progress::waiting;
    if (!lookup->lines) {
      output.fail("audit", lookup->lines.error().what);
      return Progress::done;
    }
    std::vector<std::string>& lines = *lookup->lines;
    if (next == lines.size() && follower) {
      auto fresh = follower->next(std::chrono::milliseconds(0));
      if (!fresh) {
        output.fail("audit", fresh.error().what);
        return Progress::done;
      }
      lines = std::move(*fresh);
      next = 0;
      if (lines.empty()) return idle.waiting(output);
      idle.said();
    }
    for (std::size_t end = std::min(lines.size(), next + 64); next < end; ++next)
      output.line(audit_line_of(lines[next]));
    return next < lines.size() || follower ? Progress::more : Progress::done;
  };
}

}  // namespace clawpatrol
