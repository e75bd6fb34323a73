// How a run of cases is told: as text, as JSON lines, as JUnit's XML.
#pragma once

#include <string>
#include <vector>

#include "cpctl/cases/run.h"

namespace clawpatrol::cpctl {

struct CaseResult {
  const Case* wanted = nullptr;
  CaseOutcome outcome;
  std::string problem;  // not empty: there is no verdict, and why
  std::string failure;  // not empty: another verdict, rule or reason than expected
  std::string why;      // of a failure: what decided, and what became of the rule that was expected
  bool passed() const { return problem.empty() && failure.empty(); }
};

CaseResult result_of(const Policy& policy, const Case& wanted, CaseOutcome outcome);

std::string expectation_text(const Case& wanted);      // deny by rule "x"
std::string outcome_text(const CaseOutcome& outcome);  // allow by rule "y"

std::string result_json(const CaseResult& result);
std::string junit_xml(const std::vector<CaseResult>& results);

}  // namespace clawpatrol::cpctl
