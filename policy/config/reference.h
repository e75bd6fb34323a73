// The reference pages that are generated: scripts/fix writes them, a test compares them.
#pragma once

#include <string>

namespace clawpatrol {

std::string config_reference_markdown();  // docs/config.md
std::string facets_reference_markdown();  // docs/facets.md

}  // namespace clawpatrol
