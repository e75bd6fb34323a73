// Connections to servers that are done with one request and may be asked for another: of one worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/http/http1_upstream.h"
#include "policy/policy.h"

namespace clawpatrol::http {

// What a connection may be used for again (attacks.md, 15): never another peer's, never under another
// credential or value of it, and never what another generation's endpoint says of TLS, its roots or the host.
struct PoolKey {
  std::uint32_t peer_id = 0;
  std::uint64_t generation = 0;  // of the policy: CA, mode and networks are of its endpoint
  std::string endpoint = {}, host = {};
  std::uint16_t port = 0;
  std::string credential = {};  // of the requests on it: names and versions, "pat:3 cert:1 "; "": none
  std::uint64_t credential_version = 0;
  bool operator==(const PoolKey&) const = default;
};

class UpstreamPool final : Timer {
 public:
  static constexpr std::size_t most = 256;       // of one worker
  static constexpr std::size_t most_alike = 64;  // of one key: as many as a peer may use at once by default
  static constexpr auto idle_time = std::chrono::seconds(30);

  explicit UpstreamPool(Ring& ring) : ring_(ring) {}

  // The one used last; null: none. One on which the server has said something since, or that it has closed,
  // is never given.
  std::unique_ptr<Http1Upstream> take(const PoolKey& key);
  // Takes one that is reusable; closes any other.
  void put(PoolKey key, std::unique_ptr<Http1Upstream> connection);
  // Closes those under a credential of this name, whose value has changed.
  void forget(std::string_view credential);
  std::size_t size() const { return idle_.size(); }

 private:
  void expire() override;
  struct Idle {
    PoolKey key;
    std::unique_ptr<Http1Upstream> connection;
    Clock::time_point since;
  };
  Ring& ring_;
  std::vector<Idle> idle_;  // the oldest first
};

}  // namespace clawpatrol::http
