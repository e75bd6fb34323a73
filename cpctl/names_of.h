// Names that the daemons know, for the shell's completion. Quiet: who does not answer at once has none.
#pragma once

#include <string>
#include <vector>

#include "cpctl/commands.h"

namespace clawpatrol::cpctl {

enum class NameKind : std::uint8_t { peer, flow, credential, action, generation };

std::vector<std::string> names_of(NameKind kind, const Paths& paths);

}  // namespace clawpatrol::cpctl
