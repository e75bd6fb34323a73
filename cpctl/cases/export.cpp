// `cpctl audit export ACTION`: what happened, as a case that `cpctl test` passes with the policy that decided
// it.
#include <fmt/format.h>

#include "cpctl/cases/recorded.h"
#include "cpctl/cases/report.h"
#include "cpctl/cases/written.h"
#include "cpctl/commands.h"
#include "cpctl/printable.h"

namespace clawpatrol::cpctl {
namespace {

struct Found {
  std::optional<Recorded> action;
  std::vector<std::string> lines;  // of this action, as they stand in the log
  std::string problem;
};

Found find(const std::filesystem::path& log, const std::string& id, const Policy& policy) {
  Found found;
  LongTexts texts;
  const std::string member = fmt::format(R"("id":"{}")", id);
  auto read = for_each_line(log, [&](std::string_view line) {
    const bool own = line.find(member) != line.npos;
    if (own) found.lines.emplace_back(line);
    if (!own && line.find(R"("type":"text")") == line.npos) return;
    auto recorded = read_recorded(line, texts, policy);
    if (recorded && *recorded && (*recorded)->id == id) found.action = std::move(**recorded);
  });
  if (!read) found.problem = read.error();
  return found;
}

// Whether the case is what this policy says too.
void tell_of_policy(Console& console, const std::shared_ptr<const Policy>& policy, const Case& wanted) {
  const CaseResult result = result_of(*policy, wanted, run_case(policy, wanted));
  if (result.passed()) return;
  console.err(printable(fmt::format("note: the policy in the directory of --config says otherwise: {}",
                                    result.problem.empty() ? result.failure : result.problem)) +
              "\n");
}

}  // namespace

int audit_export(Context context, const ExportRequest& request) {
  Console& console = context.console;
  const auto log = request.log.empty() ? context.paths.state / "audit" : request.log;
  LoadResult loaded = load_policy(context.paths.config, LoadFor::judge);
  std::shared_ptr<const Policy> policy = loaded.policy;
  if (!policy) policy = std::make_shared<const Policy>();
  Found found = find(log, request.action, *policy);
  if (!found.problem.empty()) {
    console.complain(found.problem, "Name the log's directory or a segment of it: --log PATH.");
    return exit_no;
  }
  if (!found.action) {
    console.complain(fmt::format("there is no action '{}' in '{}'", request.action, log.native()),
                     "Ids look like a-...; see the latest with `cpctl audit tail`.");
    return exit_no;
  }
  if (!request.as_case) {
    for (const std::string& line : found.lines) console.line(printable(line));
    return exit_ok;
  }
  const Recorded& action = *found.action;
  if (!action.lacking.empty()) {
    console.complain(fmt::format("action '{}' cannot be made a case: {}", action.id, action.lacking),
                     "See what is known of it with `cpctl explain " + action.id + "`.");
    return exit_no;
  }
  auto toml = case_toml(action.wanted);
  if (!console.json() && !toml) {
    console.complain(fmt::format("action '{}' cannot be a case in TOML: {}", action.id, toml.error()),
                     "Take it as a line for a file .jsonl: -o json.");
    return exit_no;
  }
  console.out(console.json() ? case_json(action.wanted) + "\n" : *toml);
  if (loaded.policy) tell_of_policy(console, policy, action.wanted);
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
