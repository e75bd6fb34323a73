// What the HTTP connections of one worker share.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "daemon/gateway/http/pool.h"

namespace clawpatrol::http {

// Bytes of bodies that wait for their verdict, by peer: one peer's requests must not take the memory that all
// have (attacks.md, 28).
class HeldBodies {
 public:
  static constexpr std::size_t most_per_peer = 64 << 20;

  // Of one body; gives back at its end what it has taken.
  class Share {
   public:
    Share(HeldBodies& bodies, std::uint32_t peer_id) : bodies_(bodies), peer_id_(peer_id) {}
    ~Share() { bodies_.give_back(peer_id_, taken_); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    // So much in all, from now on. False: the peer has as much as it may have.
    bool hold(std::size_t bytes) {
      if (bytes > taken_) return take(bytes - taken_);
      bodies_.give_back(peer_id_, taken_ - bytes);
      taken_ = bytes;
      return true;
    }
    // So much more.
    bool take(std::size_t bytes) {
      std::size_t& held = bodies_.held_[peer_id_];
      if (held + bytes > most_per_peer) return false;
      held += bytes;
      taken_ += bytes;
      return true;
    }

   private:
    HeldBodies& bodies_;
    std::uint32_t peer_id_;
    std::size_t taken_ = 0;
  };

 private:
  void give_back(std::uint32_t peer_id, std::size_t bytes) {
    auto found = held_.find(peer_id);
    if (found == held_.end()) return;
    found->second -= bytes;
    if (found->second == 0) held_.erase(found);
  }
  std::map<std::uint32_t, std::size_t> held_;
};

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
  HeldBodies held;
  KnownServers only_http2;    // agree to HTTP/2 alone
  KnownServers without_alpn;  // agree to no protocol at all
};

}  // namespace clawpatrol::http
