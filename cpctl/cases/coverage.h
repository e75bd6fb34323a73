// What cases reach of a policy: rules that decided, and which way each operand of each condition went.
#pragma once

#include <string>
#include <vector>

#include "cpctl/cases/run.h"
#include "cpctl/console.h"
#include "policy/cel/branches.h"

namespace clawpatrol::cpctl {

class Coverage {
 public:
  explicit Coverage(const Policy& policy);

  void add(const CaseOutcome& outcome);
  void print(Console& console) const;
  std::string json() const;
  // Of all rules and both ways of all operands together.
  bool reaches(unsigned percent) const;

 private:
  struct Reached {
    const Rule* rule = nullptr;
    std::size_t cases = 0;                // that it decided, or as a shadow would have
    std::vector<cel::Branches> branches;  // one, or none where there is no condition
  };
  struct Sum {
    std::size_t reached = 0, all = 0;
  };
  Sum rules() const;
  Sum ways() const;
  static Sum ways_of(const Reached& reached);

  std::vector<Reached> rules_;  // in the order in which they are tried
};

}  // namespace clawpatrol::cpctl
