// `cpctl test POLICY CASES...`: does a policy do what its author means? Alone on files.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "cpctl/cases/coverage.h"
#include "cpctl/cases/report.h"
#include "cpctl/commands.h"
#include "cpctl/printable.h"
#include "cpctl/units.h"
#include "daemon/control/message.h"
#include "policy/config/suggest.h"

namespace clawpatrol::cpctl {
namespace {

struct Run {
  std::shared_ptr<const Policy> policy;
  std::vector<CaseFile> files;
  std::vector<CaseResult> results;
};

// A rule that a case names and the policy does not have is a mistake of the case.
void check_rules(const Policy& policy, const CaseFile& file, config::Report& report) {
  std::vector<std::string_view> names;
  for (const Rule& rule : policy.rules) names.push_back(rule.name);
  for (const Case& wanted : file.cases) {
    if (!wanted.rule || wanted.rule->empty()) continue;
    if (std::ranges::find(names, std::string_view(*wanted.rule)) != names.end()) continue;
    report.error(
        wanted.at,
        fmt::format("case '{}' expects rule '{}', which the policy does not have", wanted.name, *wanted.rule),
        config::suggestion(*wanted.rule, names));
  }
}

// False: told, and nothing can be run.
bool load(Console& console, const TestRequest& request, Run& run) {
  LoadResult loaded = load_policy(request.policy, LoadFor::judge);
  if (!loaded.policy) {
    console.err(printable_lines(loaded.diagnostics.render()));
    console.complain(fmt::format("the policy cannot be loaded: '{}'", request.policy.native()));
    return false;
  }
  run.policy = std::move(loaded.policy);
  Diagnostics diagnostics;
  config::Report report(diagnostics);
  for (const auto& path : request.cases) {
    run.files.push_back(read_cases(path, report));
    check_rules(*run.policy, run.files.back(), report);
  }
  report.finish(request.cases.front().native());
  console.err(printable_lines(diagnostics.render()));
  return !diagnostics.has_errors();
}

void print_result(Console& console, const CaseResult& result) {
  if (console.json()) return console.line(result_json(result));
  if (result.passed()) return;
  const Case& wanted = *result.wanted;
  const bool failed = result.problem.empty();
  std::string line = fmt::format("{}:{}: {}: {}: {}", printable(wanted.place.file), wanted.place.line,
                                 console.paint(Style::bad, failed ? "failed" : "error"),
                                 console.paint(Style::bold, printable(wanted.name)),
                                 printable(failed ? result.failure : result.problem));
  if (!result.why.empty()) line += ": " + printable(result.why);
  console.line(line);
  if (!failed && !result.outcome.hint.empty())
    console.line("  " + console.paint(Style::dim, "hint: " + printable(result.outcome.hint)));
}

bool write_junit(Console& console, const std::filesystem::path& path, const Run& run) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << junit_xml(run.results);
  file.close();
  if (file) return true;
  console.complain(fmt::format("cannot write '{}': {}", path.native(), std::strerror(errno)));
  return false;
}

struct Counts {
  std::size_t passed = 0, failed = 0, errors = 0;
};

Counts count(const Run& run) {
  Counts counts;
  for (const CaseResult& result : run.results)
    ++(result.passed() ? counts.passed : result.problem.empty() ? counts.failed : counts.errors);
  return counts;
}

void print_summary(Console& console, const Run& run, const Counts& counts, const Coverage* coverage) {
  if (console.json()) {
    control::JsonObject line = control::message_of_type("test");
    line.add("ok", counts.failed + counts.errors == 0).add("digest", run.policy->digest);
    line.add("cases", run.results.size()).add("passed", counts.passed);
    line.add("failed", counts.failed).add("errors", counts.errors);
    if (coverage) line.add_json("coverage", coverage->json());
    return console.line(line.text());
  }
  if (coverage) coverage->print(console);
  std::string line = counted(run.results.size(), "case") + ": " + std::to_string(counts.passed) + " passed";
  if (counts.failed > 0) line += ", " + console.paint(Style::bad, std::to_string(counts.failed) + " failed");
  if (counts.errors > 0) line += ", " + console.paint(Style::bad, counted(counts.errors, "error"));
  console.line(line);
}

}  // namespace

int test_policy(Context context, const TestRequest& request) {
  Console& console = context.console;
  Run run;
  if (!load(console, request, run)) return exit_usage;
  Coverage coverage(*run.policy);
  for (const CaseFile& file : run.files) {
    for (const Case& wanted : file.cases) {
      run.results.push_back(result_of(*run.policy, wanted, run_case(run.policy, wanted)));
      if (request.coverage) coverage.add(run.results.back().outcome);
      print_result(console, run.results.back());
    }
  }
  const Counts counts = count(run);
  print_summary(console, run, counts, request.coverage ? &coverage : nullptr);
  if (!request.junit.empty() && !write_junit(console, request.junit, run)) return exit_usage;
  if (counts.errors > 0) return exit_usage;
  if (counts.failed > 0) return exit_no;
  if (request.coverage && !coverage.reaches(request.fail_under)) {
    console.complain(fmt::format("coverage is below {} %", request.fail_under),
                     "The rules and operands that no case reaches are listed above.");
    return exit_no;
  }
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
