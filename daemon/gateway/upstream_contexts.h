// What TLS with the endpoints' servers rests on, made once and shared by their connections.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/tls/client_context.h"
#include "policy/policy.h"

namespace clawpatrol {

// Thread-safe.
class UpstreamContexts {
 public:
  using Context = std::shared_ptr<const tls::ClientContext>;

  // Makes those of a policy, and reads the system's roots anew. On an error nothing has changed.
  std::expected<void, Error> renew(const Policy& policy);
  // Null: the endpoint speaks without TLS.
  std::expected<Context, Error> of(const EndpointConfig& endpoint);

  // A credential that is a certificate, with the value of this version.
  struct ClientCertificate {
    std::string credential;
    std::uint64_t version = 0;
    tls::ClientIdentity identity{};
  };
  // The same where the server is shown who we are. Made once for each version.
  std::expected<Context, Error> of(const EndpointConfig& endpoint, const ClientCertificate& certificate);

 private:
  using Key = std::pair<UpstreamTls, std::string>;  // and the roots, in PEM
  std::mutex mutex_;
  std::map<Key, Context> contexts_;
  struct Identified {
    std::uint64_t version = 0;
    Context context;
  };
  std::map<std::pair<std::string, Key>, Identified> identified_;  // by credential; of the policy in force
};

}  // namespace clawpatrol
