#include <fmt/format.h>

#include <set>

#include "policy/lints/lint.h"

namespace clawpatrol::lints {

using config::Build;

namespace {

struct Used {
  std::set<std::string> profiles, credentials, reached, ruled;
};

Used used_by(const Build& build) {
  Used used;
  for (const auto& [name, peer] : build.policy.peers) used.profiles.insert(peer.profile);
  for (const auto& [name, profile] : build.policy.profiles) {
    used.credentials.insert(profile.credentials.begin(), profile.credentials.end());
    used.reached.insert(profile.endpoints.begin(), profile.endpoints.end());
  }
  for (const std::string& name : used.credentials) {
    auto credential = build.policy.credentials.find(name);
    if (credential != build.policy.credentials.end()) used.reached.insert(credential->second.endpoint);
  }
  for (const Rule& rule : build.policy.rules) used.ruled.insert(rule.endpoints.begin(), rule.endpoints.end());
  return used;
}

}  // namespace

void lint_use(Build& build) {
  const Used used = used_by(build);
  for (const auto& [name, named] : build.credentials)
    if (!used.credentials.contains(name))
      build.report.lint("CP0301", named.at, fmt::format("no profile lists credential '{}'", name),
                        "List it in a profile, or remove it.");
  for (const auto& [name, named] : build.endpoints) {
    if (!used.reached.contains(name))
      build.report.lint("CP0302", named.at, fmt::format("no profile reaches endpoint '{}'", name),
                        "List it, or a credential for it, in a profile.");
    if (!used.ruled.contains(name) && build.policy.unmatched == Unmatched::deny)
      build.report.lint("CP0303", named.at,
                        fmt::format("no rule is for endpoint '{}': everything sent to it is refused", name));
  }
  // Where there are no peers at all, they come later: from conf.d, or with the first agent.
  if (build.policy.peers.empty()) return;
  for (const auto& [name, named] : build.profiles)
    if (!used.profiles.contains(name))
      build.report.lint("CP0304", named.at, fmt::format("no peer has profile '{}'", name),
                        "Give it to a peer, or remove it.");
}

}  // namespace clawpatrol::lints
