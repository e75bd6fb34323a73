// What an open connection rests on: its peer and that peer's key, its profile, its endpoint as it was
// configured and, once it is logged in, its credential with that value. A connection ends when any of it is
// no longer so (attacks.md, 20): at once by close_orphans(), and before anything more is judged or forwarded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

class Grant {
 public:
  // Of a flow that has been claimed; an endpoint without a name is passthrough.
  Grant(const std::shared_ptr<const Policy>& policy, const Peer& peer, std::string profile,
        std::string endpoint, DestFacets dest);

  struct Login {
    std::string credential;  // empty: none
    std::string user;        // whom the gateway logs in as
    std::string declared_user;
  };
  // Before the credential's value is read: a value that is set in between then ends the connection.
  void logged_in(Login login, const credentials::Store* store);

  // What else it rests on: asked of each generation, from any thread.
  void also_rests_on(std::function<const char*(const Policy&)> more) { more_ = std::move(more); }

  // Why it does not stand any more, as a literal; null: it stands. A peer that is gone denies, as does a
  // login without the store that it was made with.
  const char* broken(const Policy& policy, const Peers& peers, const credentials::Store* store) const;
  bool stands(const Policy& policy, const Peers& peers, const credentials::Store* store) const {
    return broken(policy, peers, store) == nullptr;
  }

 private:
  const char* broken_login(const Policy& policy, const credentials::Store* store) const;

  std::uint32_t peer_id_;
  std::uint64_t peer_key_;
  std::string peer_, profile_, endpoint_;
  DestFacets dest_;
  // Of the endpoint, in the generation that claimed it, which this keeps; null: passthrough.
  std::shared_ptr<const EndpointConfig> configured_;
  std::optional<Login> login_;
  std::uint64_t credential_version_ = 0;
  std::function<const char*(const Policy&)> more_;
};

// Gives the flow its grant, in place of one before. Where a change came in between, the flow is asked to
// close at once.
void give_grant(Shared& shared, Flow& flow, Grant grant);

// Asks every flow whose grant does not stand to close. Any thread; after a reload, a change of peers, and a
// change of a credential's value.
void close_orphans(Shared& shared);

}  // namespace clawpatrol
