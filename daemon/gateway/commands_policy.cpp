// The policy in force: another generation of it, and what its rules did.
#include <fmt/format.h>

#include "daemon/gateway/command_views.h"
#include "daemon/gateway/commands_state.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

namespace {

std::string peers_problem(const ReloadOutcome& outcome) {
  if (!outcome.netd) return "";
  return outcome.netd->answered ? outcome.netd->problem
                                : "clawpatrol-netd has not answered in time; see `cpctl peers list`";
}

std::vector<std::string> quoted(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) audit::append_json_string(all.emplace_back(), text);
  return all;
}

std::vector<std::string> quoted(const std::vector<ActionType>& types) {
  std::vector<std::string> all;
  for (ActionType type : types) audit::append_json_string(all.emplace_back(), name_of(type));
  return all;
}

std::string rule_line(const Rule& rule, const RuleCount& count) {
  const std::uint64_t last = count.last_action.load(std::memory_order_relaxed);
  JsonObject line = message_of_type("rule");
  line.add("name", rule.name).add_json("endpoints", control::json_array(quoted(rule.endpoints)));
  line.add_json("on", control::json_array(quoted(rule.on))).add("priority", rule.priority);
  line.add("verdict", verdict_text(rule)).add("shadow", rule.shadow);
  line.add("condition", rule.condition ? rule.condition->text() : "");
  line.add_json("place", JsonObject().add("file", rule.place.file).add("line", rule.place.line).text());
  line.add("decided", count.decided.load(std::memory_order_relaxed));
  line.add("unevaluable", count.unevaluable.load(std::memory_order_relaxed));
  line.add("changed", count.changed.load(std::memory_order_relaxed));
  line.add("since", time_text(count.since_unix_ns)).add("last_action", last ? action_id_text(last) : "");
  line.add("last_time", last ? time_text(count.last_unix_ns.load(std::memory_order_relaxed)) : "");
  return line.text();
}

std::string generation_line(const Generation& generation, std::uint64_t in_force) {
  const Policy& policy = *generation.policy;
  JsonObject line = message_of_type("generation");
  line.add("generation", policy.generation).add("digest", policy.digest);
  line.add("loaded", time_text(generation.loaded_unix_ns)).add("in_force", policy.generation == in_force);
  return line.add("rules", policy.rules.size()).add("endpoints", policy.endpoints.size()).text();
}

}  // namespace

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

Answer Commands::State::rollback(const Request& request) {
  if (!sources.rollback) return answer_failure("unsupported", "this daemon cannot roll back");
  const std::uint64_t wanted = request.fields.natural_or_zero("generation");
  const std::uint64_t from = shared.policy.current()->generation;
  const std::string object = wanted ? std::to_string(wanted) : "";
  record(request, object, "asked");
  auto done = sources.rollback(wanted);
  record(request, object, done ? "done" : "failed");
  if (!done)
    return answer_failure("not_found", done.error().what, "See which are kept with `cpctl generations`.");
  const Policy& policy = **done;
  JsonObject line = message_of_type("rolled_back");
  line.add("generation", policy.generation).add("digest", policy.digest).add("from", from);
  return answer_line(line.text());
}

Answer Commands::State::generations(const Request&) {
  std::vector<std::string> lines;
  if (sources.generations)
    for (const Generation& generation : sources.generations().all())
      lines.push_back(generation_line(generation, shared.policy.current()->generation));
  return control::answer_lines(std::move(lines));
}

Answer Commands::State::rules(const Request&) {
  auto policy = shared.policy.current();
  auto counts = shared.rule_counts.of(*policy, now_unix_ns());
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < policy->rules.size(); ++at)
    lines.push_back(rule_line(policy->rules[at], counts->at(at)));
  return control::answer_lines(std::move(lines));
}

}  // namespace clawpatrol
