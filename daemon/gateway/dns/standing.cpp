#include "daemon/gateway/dns/standing.h"

namespace clawpatrol {

namespace {

// `*.example.com` does not cover `example.com`.
bool is_below(std::string_view name, std::string_view ancestor) {
  return name.size() > ancestor.size() + 1 && name.ends_with(ancestor) &&
         name[name.size() - ancestor.size() - 1] == '.';
}

struct Found {
  bool exact = false, exact_elsewhere = false;
  bool wildcard = false, wildcard_elsewhere = false;
  bool parent = false;
};

void look_at(const HostPort& host, std::string_view name, bool reached, Found& found) {
  if (host.address) return;
  if (host.wildcard) {
    if (is_below(name, host.host)) (reached ? found.wildcard : found.wildcard_elsewhere) = true;
    if (reached && (host.host == name || is_below(host.host, name))) found.parent = true;
    return;
  }
  if (host.host == name) (reached ? found.exact : found.exact_elsewhere) = true;
  if (reached && is_below(host.host, name)) found.parent = true;
}

}  // namespace

Standing standing_of(const Policy& policy, std::string_view profile, std::string_view name) {
  Found found;
  for (const auto& [endpoint_name, endpoint] : policy.endpoints) {
    bool reached = policy.reaches(profile, endpoint_name);
    for (const HostPort& host : endpoint.hosts) look_at(host, name, reached, found);
  }
  if (found.exact) return Standing::exact;
  // An exact name of others is not opened by a wildcard of ours.
  if (found.exact_elsewhere) return Standing::elsewhere;
  if (found.wildcard) return Standing::wildcard;
  if (found.wildcard_elsewhere) return Standing::elsewhere;
  return found.parent ? Standing::parent : Standing::unclaimed;
}

}  // namespace clawpatrol
