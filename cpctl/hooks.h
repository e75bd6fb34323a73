// What a wg-quick file does on the agent's machine beside the tunnel: fetch the gateway's authority inside
// it, compare it with the hash that is written here, trust it, set the environment and the resolver; and take
// all of it back.
#pragma once

#include <string>
#include <vector>

namespace clawpatrol::cpctl {

enum class Hooks { none, linux_tools, macos };

struct HookFacts {
  std::string gateway;    // the tunnel's address on the gateway, as in a URL
  std::string ca_sha256;  // of /ca.crt, 64 hexadecimal digits
};

// Lines of [Interface]: PostUp, and PostDown in the opposite order. Debian's, RHEL's, Alpine's or SUSE's
// trust store is found where the tunnel comes up. What is not there is left alone; a hash that is another
// fails, and wg-quick takes the tunnel down again with nothing left of it. A second `up` after one that was
// cut off finds what was there before that.
std::vector<std::string> hook_lines(Hooks hooks, const HookFacts& facts);

// The configuration with those lines at the end of [Interface].
std::string with_hooks(const std::string& configuration, const std::vector<std::string>& lines);

}  // namespace clawpatrol::cpctl
