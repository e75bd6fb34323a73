#include "policy/cel/syntax.h"

#include <algorithm>
#include <iterator>

#include "policy/cel/checker.h"
#include "policy/cel/lower.h"
#include "policy/cel/parser.h"

namespace clawpatrol::cel {

std::expected<Syntax, std::vector<Problem>> read_syntax(std::string_view text,
                                                        const Environment& environment) {
  Syntax syntax;
  auto root = parse(text, *syntax.pool, *syntax.constants, Macros::expand);
  if (!root) return std::unexpected(std::vector<Problem>{root.error()});
  Checked checked = check(**root, environment, *syntax.types);
  std::vector<Problem> problems = std::move(checked.problems);
  std::ranges::move(lower(**root, {.locals = checked.locals}, *syntax.constants).problems,
                    std::back_inserter(problems));
  std::ranges::sort(problems, {},
                    [](const Problem& problem) { return std::pair(problem.span.begin, problem.span.end); });
  if (!problems.empty()) return std::unexpected(std::move(problems));
  syntax.root = *root;
  syntax.type = checked.type;
  syntax.locals = checked.locals;
  return syntax;
}

std::vector<FacetFamily> all_families() {
  std::vector<FacetFamily> families;
  for (const FacetInfo& facet : facet_table)
    if (std::ranges::find(families, facet.family) == families.end()) families.push_back(facet.family);
  return families;
}

}  // namespace clawpatrol::cel
