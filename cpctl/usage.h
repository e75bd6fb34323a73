// What is said of arguments that cpctl does not understand: which word it is, and what was probably meant.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace clawpatrol::cpctl {

struct UsageProblem {
  std::string what, hint;
};

// `arguments` are those that were parsed, in the order in which they stand. Words are as they were written:
// not yet fit for a terminal.
UsageProblem usage_problem(const CLI::App& app, const CLI::ParseError& error,
                           const std::vector<std::string>& arguments);

}  // namespace clawpatrol::cpctl
