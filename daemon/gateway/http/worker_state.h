// What the HTTP connections of one worker share.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "daemon/gateway/http/peer_memory.h"
#include "daemon/gateway/http/pool.h"

namespace clawpatrol::http {

// Servers of which something is known under the generation of the policy in force. An agent chooses names
// under a wildcard endpoint, so there is a bound; what is forgotten is learnt anew.
class KnownServers {
 public:
  static constexpr std::size_t most = 1024;
  bool contains(std::uint64_t generation, const std::string& server) const {
    return generation == generation_ && servers_.contains(server);
  }
  void add(std::uint64_t generation, const std::string& server) {
    if (generation < generation_) return;
    if (generation > generation_ || servers_.size() >= most) servers_.clear();
    generation_ = generation;
    servers_.insert(server);
  }
  std::size_t size() const { return servers_.size(); }

 private:
  std::uint64_t generation_ = 0;
  std::set<std::string> servers_;
};

struct WorkerState {
  explicit WorkerState(Ring& ring) : pool(ring) {}
  UpstreamPool pool;
  PeerMemory memory;
  KnownServers only_http2;    // agree to HTTP/2 alone
  KnownServers without_alpn;  // agree to no protocol at all
};

}  // namespace clawpatrol::http
