#include "cpctl/cases/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpctl/printable.h"
#include "daemon/control/message.h"
#include "policy/cel/trace.h"

namespace clawpatrol::cpctl {
namespace {

std::string place_text(const Place& place) {
  return fmt::format("{}:{}", place.file, place.line);
}

std::string by(std::string_view rule, std::string_view guard) {
  if (!rule.empty()) return fmt::format(" by rule \"{}\"", rule);
  if (guard == "observe") return " because the gateway observes";
  return guard.empty() ? " by no rule" : " by the gateway itself";
}

bool is_for(const Rule& rule, const ActionRecord& record) {
  const bool endpoint = record.endpoint().empty()
                            ? rule.endpoints.empty()
                            : std::ranges::find(rule.endpoints, record.endpoint()) != rule.endpoints.end();
  return endpoint && std::ranges::find(rule.on, record.type) != rule.on.end();
}

// Why a condition is not true: the least of it that would have to be otherwise.
std::string culprits_of(const cel::Condition& condition, const Action& action) {
  const cel::Trace trace = cel::trace(condition, action);
  std::string text;
  for (std::size_t at : cel::culprits(trace)) {
    const cel::Step& step = trace.steps[at];
    const std::string_view part = condition.text().substr(step.span.begin, step.span.end - step.span.begin);
    text += fmt::format("{}{} is {}", text.empty() ? "" : " and ", part,
                        step.value.undecided() ? "not known" : "false");
  }
  return text;
}

// What became of the rule that should have decided.
std::string fate_of(const Policy& policy, const std::string& name, const ActionRecord& record,
                    const Action& action, const Decision& decision) {
  auto rule = std::ranges::find(policy.rules, name, &Rule::name);
  if (rule == policy.rules.end()) return {};
  if (!is_for(*rule, record))
    return fmt::format("rule \"{}\" is not for a {} at endpoint \"{}\"", name, name_of(record.type),
                       record.endpoint());
  auto tried = std::ranges::find(decision.tried, &*rule, &Tried::rule);
  if (tried == decision.tried.end())
    return decision.rule ? fmt::format("rule \"{}\" was not reached", name) : "";
  if (tried->truth == cel::Truth::no)
    return fmt::format("rule \"{}\" did not match: {}", name, culprits_of(*rule->condition, action));
  if (rule->shadow) return fmt::format("rule \"{}\" matched, and is a shadow: it never decides", name);
  return {};
}

std::string why_of(const Policy& policy, const Case& wanted, const CaseOutcome& outcome) {
  if (!outcome.decisive) return outcome.reason;
  const ActionRecord& record = *outcome.decisive;
  std::string why;
  const auto add = [&why](std::string_view part) {
    if (!part.empty()) why += (why.empty() ? "" : "; ") + std::string(part);
  };
  if (!outcome.guard.empty() && outcome.guard != "observe") return outcome.reason;
  if (record.evidence == ActionRecord::Evidence::dropped) return outcome.reason;
  std::shared_ptr<const SqlFacets> analysed;
  const Action action = record.action(analysed);
  const Decision decision = explain(policy, action);
  if (decision.rule) {
    add(fmt::format("{} {}", place_text(decision.rule->place),
                    decision.unevaluable       ? "could not be evaluated"
                    : decision.rule->condition ? "matched"
                                               : "has no condition"));
    if (decision.unevaluable) add(outcome.reason);
  } else {
    add(fmt::format("none of {} rules matched", decision.tried.size()));
  }
  if (wanted.rule && !wanted.rule->empty() && *wanted.rule != outcome.rule)
    add(fate_of(policy, *wanted.rule, record, action, decision));
  return why;
}

std::string xml(std::string_view text) {
  std::string out;
  const std::string clean = printable(text);
  for (std::size_t i = 0; i < clean.size(); ++i) {
    // U+FFFE and U+FFFF may not stand in XML, not even as references.
    const std::string_view three = std::string_view(clean).substr(i, 3);
    if (three == "\xef\xbf\xbe" || three == "\xef\xbf\xbf") {
      out += '?';
      i += 2;
      continue;
    }
    switch (clean[i]) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += clean[i];
    }
  }
  return out;
}

}  // namespace

std::string expectation_text(const Case& wanted) {
  std::string text(name_of(wanted.verdict));
  if (wanted.rule) text += by(*wanted.rule, "");
  if (wanted.reason) text += fmt::format(" with reason \"{}\"", *wanted.reason);
  return text;
}

std::string outcome_text(const CaseOutcome& outcome) {
  return std::string(name_of(outcome.verdict)) + by(outcome.rule, outcome.guard);
}

CaseResult result_of(const Policy& policy, const Case& wanted, CaseOutcome outcome) {
  CaseResult result;
  result.wanted = &wanted;
  result.problem = outcome.problem;
  if (result.problem.empty()) {
    const bool reason = !wanted.reason || *wanted.reason == outcome.reason;
    const bool as_expected =
        wanted.verdict == outcome.verdict && (!wanted.rule || *wanted.rule == outcome.rule) && reason;
    if (!as_expected) {
      result.failure = fmt::format("expected {}, got {}", expectation_text(wanted), outcome_text(outcome));
      if (!reason) result.failure += fmt::format(" with reason \"{}\"", outcome.reason);
      result.why = why_of(policy, wanted, outcome);
    }
  }
  result.outcome = std::move(outcome);
  return result;
}

std::string result_json(const CaseResult& result) {
  using control::JsonObject;
  const Case& wanted = *result.wanted;
  JsonObject line = control::message_of_type("case");
  line.add("ok", result.passed()).add("name", wanted.name);
  line.add_json("place", JsonObject().add("file", wanted.place.file).add("line", wanted.place.line).text());
  JsonObject expected;
  expected.add("verdict", name_of(wanted.verdict));
  if (wanted.rule) expected.add("rule", *wanted.rule);
  if (wanted.reason) expected.add("reason", *wanted.reason);
  line.add_json("expected", expected.text());
  if (!result.problem.empty())
    return line.add("error", result.problem).add("hint", result.outcome.hint).text();
  const CaseOutcome& outcome = result.outcome;
  line.add_json("got", JsonObject()
                           .add("verdict", name_of(outcome.verdict))
                           .add("rule", outcome.rule)
                           .add("reason", outcome.reason)
                           .add("guard", outcome.guard)
                           .text());
  if (!result.passed()) line.add("why", result.why);
  return line.text();
}

std::string junit_xml(const std::vector<CaseResult>& results) {
  std::string suites;
  std::size_t failures = 0, errors = 0;
  for (auto first = results.begin(); first != results.end();) {
    const std::string& file = first->wanted->place.file;
    auto last = std::find_if(first, results.end(),
                             [&](const CaseResult& result) { return result.wanted->place.file != file; });
    const auto failed =
        std::count_if(first, last, [](const auto& result) { return !result.failure.empty(); });
    const auto broken =
        std::count_if(first, last, [](const auto& result) { return !result.problem.empty(); });
    failures += static_cast<std::size_t>(failed), errors += static_cast<std::size_t>(broken);
    suites += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n", xml(file),
                          last - first, failed, broken);
    for (; first != last; ++first) {
      const Case& wanted = *first->wanted;
      suites += fmt::format("    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"", xml(file),
                            xml(wanted.name), xml(file), wanted.place.line);
      if (first->passed())
        suites += "/>\n";
      else
        suites += fmt::format(">\n      <{0} message=\"{1}\">{2}</{0}>\n    </testcase>\n",
                              first->failure.empty() ? "error" : "failure",
                              xml(first->failure.empty() ? first->problem : first->failure), xml(first->why));
    }
    suites += "  </testsuite>\n";
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites name=\"cpctl test\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n{}</testsuites>\n",
      results.size(), failures, errors, suites);
}

}  // namespace clawpatrol::cpctl
