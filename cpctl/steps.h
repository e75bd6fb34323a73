// The values of a condition's sub-expressions on a terminal: a tree of expressions, their values in a column.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpctl/console.h"
#include "daemon/control/message.h"
#include "policy/cel/trace.h"

namespace clawpatrol::cpctl {

struct ShownStep {
  std::size_t depth = 0;
  std::string text;     // as in the policy
  std::string value;    // as written in a condition
  std::string binding;  // "v = 'drop'", or ""
  bool skipped = false;
};

std::vector<ShownStep> steps_of(std::string_view expression, const cel::Trace& trace);
// Of a daemon's explanation.
std::vector<ShownStep> steps_of(const std::vector<control::Message>& steps);

// Lines without newline and within `width` columns, cut with an ellipsis where they are longer; nothing is
// cut where there is no width. Everything has gone through printable().
std::vector<std::string> step_lines(const Console& console, const std::vector<ShownStep>& steps,
                                    std::optional<std::size_t> width);

// White space of a condition, line ends too, as one blank each; printable.
std::string one_line(std::string_view expression);

}  // namespace clawpatrol::cpctl
