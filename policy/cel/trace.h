// One evaluation with the value of every sub-expression: for `cpctl explain`, `cpctl eval` and coverage.
// Nothing here is on the path that decides.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/cel/program.h"
#include "policy/cel/value.h"

namespace clawpatrol::cel {

inline constexpr std::size_t no_step = ~std::size_t{0};

// What a step is for its parent.
enum class Part : std::uint8_t {
  whole,
  operand,    // of && and ||
  condition,  // of ? :
  branch,     // of ? :
  body,       // of a macro, for one member: `binding`
  argument,   // anything else
};

enum class Junction : std::uint8_t { none, all_of, any_of, conditional };

// A sub-expression, unless it is a constant.
struct Step {
  Span span;  // of the text
  std::size_t depth = 0;
  std::size_t parent = no_step;
  Part part = Part::whole;
  Junction junction = Junction::none;  // what the expression itself is
  std::string_view facet;              // its name, where it is one
  // Not asked: an operand after the one that decided, the branch that was not taken. It has no value then.
  bool skipped = false;
  Value value;
  std::string binding;  // "v = 'drop'": the member of the list that decided
};

struct Trace {
  Value value;
  std::string type;         // of the value, as the checker says, or where that is dyn the value itself
  std::vector<Step> steps;  // the whole first, each before its parts
  bool cut = false;         // there were more steps than are kept
  std::shared_ptr<const void> owner;  // of what the values refer to, apart from the action
};

inline constexpr std::size_t most_steps = 500;

struct TraceOptions {
  std::vector<FacetFamily> families;
  // Facets that are unknown whatever the action says of them: of an action that is stated in part.
  std::vector<FacetId> unstated = {};
  std::uint64_t cost_limit = 1'000'000;  // of the whole; all of its parts together may cost four times that
};

// The action outlives the trace.
std::expected<Trace, std::vector<Problem>> trace(std::string_view text, const Action& action,
                                                 const TraceOptions& options);
// Of a condition, which compiles.
Trace trace(const Condition& condition, const Action& action);

// The steps that make the whole what it is, where it is not true: the least that would have to be otherwise.
// `a && b` is false because of the first of them that is, `a || b` because of both. Never empty then.
std::vector<std::size_t> culprits(const Trace& trace);

// The facets that a step asks, each once.
std::vector<std::size_t> facets_of(const Trace& trace, std::size_t step);

}  // namespace clawpatrol::cel
