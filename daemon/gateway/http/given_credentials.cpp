#include "daemon/gateway/http/given_credentials.h"

#include <algorithm>

namespace clawpatrol::http {
namespace {

const char* broken_one(const GivenCredentials::Given& given, const Policy& policy, const std::string& profile,
                       const DestFacets& dest, const credentials::Store* store) {
  const auto configured = policy.credentials.find(given.name);
  const auto its_profile = policy.profiles.find(profile);
  const bool granted =
      configured != policy.credentials.end() && its_profile != policy.profiles.end() &&
      std::ranges::find(its_profile->second.credentials, given.name) != its_profile->second.credentials.end();
  if (!granted) return "the credential is no longer within this peer's profile";
  if (!configured->second.goes_to(dest.host, dest.port)) return "the credential has changed";
  if (!store || store->version(given.name) != given.version) return "the credential's value has changed";
  return nullptr;
}

}  // namespace

void GivenCredentials::add(Given given) {
  std::lock_guard lock(mutex_);
  given_.push_back(std::move(given));
}

void GivenCredentials::remove(const Given& given) {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find(given_, given);
  if (found != given_.end()) given_.erase(found);
}

const char* GivenCredentials::broken(const Policy& policy, const std::string& profile, const DestFacets& dest,
                                     const credentials::Store* store) const {
  std::lock_guard lock(mutex_);
  for (const Given& given : given_)
    if (const char* why = broken_one(given, policy, profile, dest, store)) return why;
  return nullptr;
}

}  // namespace clawpatrol::http
