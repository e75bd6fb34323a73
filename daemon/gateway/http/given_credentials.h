// The credentials that requests in progress were given, with the value that each had: what their connection
// rests on beside its grant (attacks.md, 20).
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/credentials/store.h"
#include "policy/policy.h"

namespace clawpatrol::http {

// Thread-safe.
class GivenCredentials {
 public:
  struct Given {
    std::string name;
    std::uint64_t version = 0;
    bool operator==(const Given&) const = default;
  };
  void add(Given given);
  void remove(const Given& given);  // one of those that are equal

  // Why one of them may not be used any more, a literal; null: all may.
  const char* broken(const Policy& policy, const std::string& profile, const DestFacets& dest,
                     const credentials::Store* store) const;

 private:
  mutable std::mutex mutex_;
  std::vector<Given> given_;
};

}  // namespace clawpatrol::http
