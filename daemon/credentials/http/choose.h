// Which credential a request gets: by its placeholder, else by profile. Before the request is judged, on the
// head as the agent sent it.
#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/credentials/http/patterns.h"
#include "parsers/http/message.h"
#include "policy/policy.h"

namespace clawpatrol::credentials {

// The placeholders of all credentials of a policy, ready to be looked for.
class Placeholders {
 public:
  explicit Placeholders(const Policy& policy);
  const std::shared_ptr<const Patterns>& patterns() const { return patterns_; }
  const CredentialConfig& of(const Patterns::Pattern& pattern) const { return credentials_[pattern.needle]; }
  bool none() const { return credentials_.empty(); }

 private:
  std::vector<CredentialConfig> credentials_;
  std::shared_ptr<const Patterns> patterns_;
};

// Keeps those of the generation that was asked for last. Any thread.
class PlaceholdersInForce {
 public:
  std::shared_ptr<const Placeholders> of(const std::shared_ptr<const Policy>& policy);

 private:
  std::mutex mutex_;
  std::shared_ptr<const Policy> policy_;
  std::shared_ptr<const Placeholders> placeholders_;
};

struct Asking {
  std::string_view profile, endpoint;
  std::string_view host;  // the one name of the flow
  std::uint16_t port = 0;
};

enum class Way : std::uint8_t { none, slot, placeholder };

struct Choice {
  const CredentialConfig* credential = nullptr;  // null: none is sent
  Way way = Way::none;
  const CredentialConfig* client_certificate = nullptr;  // of the connection; null: none
  // The whole body is to be read, and choose() asked again with it: a credential's place is in there.
  bool needs_body = false;
  // Where in the body the placeholder stands, for a place that is in there: as itself, not within an escape.
  std::size_t placeholder_at = 0;

  // As the facet and the audit line have it.
  std::string_view name() const {
    return credential ? std::string_view(credential->name)
                      : (client_certificate ? std::string_view(client_certificate->name) : "");
  }
};

struct Refusal {
  std::string what;  // for the agent: a sentence; holds names of credentials of its own profile alone
};

// Pointers are into the policy. `body` is the whole of it, where it is here.
std::expected<Choice, Refusal> choose(const Policy& policy, const Placeholders& placeholders,
                                      const Asking& asking, const http::RequestHead& head,
                                      std::optional<std::string_view> body = std::nullopt);

// All that this profile may send in requests to this endpoint and host, whichever of them one request gets.
// Pointers are into the policy.
std::vector<const CredentialConfig*> sendable(const Policy& policy, const Asking& asking);

}  // namespace clawpatrol::credentials
