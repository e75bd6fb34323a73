// Bytes of requests and responses that a worker holds, by peer: what one peer asks for must not take the
// memory that all have (attacks.md, 28). Of one ring.
#pragma once

#include <cstdint>
#include <map>

namespace clawpatrol::http {

class PeerMemory {
 public:
  static constexpr std::size_t most_per_peer = 64 << 20;
  // Of these, what is on its way and waits for its reader: who reads slowly can still ask.
  static constexpr std::size_t most_on_the_way = 32 << 20;

  // Of one body, head or connection; gives back at its end what it has taken.
  class Share {
   public:
    Share(PeerMemory& memory, std::uint32_t peer_id, std::size_t most = most_per_peer)
        : memory_(memory), peer_id_(peer_id), most_(most) {}
    ~Share() { memory_.give_back(peer_id_, taken_); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    // So much in all, from now on. False: the peer has as much as it may have, and this is left as it was.
    bool hold(std::size_t bytes) {
      if (bytes > taken_) return take(bytes - taken_);
      memory_.give_back(peer_id_, taken_ - bytes);
      taken_ = bytes;
      return true;
    }
    // So much more.
    bool take(std::size_t bytes) {
      std::size_t& held = memory_.held_[peer_id_];
      if (held + bytes > most_) return false;
      held += bytes;
      taken_ += bytes;
      return true;
    }

   private:
    PeerMemory& memory_;
    std::uint32_t peer_id_;
    std::size_t most_;
    std::size_t taken_ = 0;
  };

  std::size_t held(std::uint32_t peer_id) const {
    auto found = held_.find(peer_id);
    return found == held_.end() ? 0 : found->second;
  }

 private:
  void give_back(std::uint32_t peer_id, std::size_t bytes) {
    auto found = held_.find(peer_id);
    if (found == held_.end()) return;
    found->second -= bytes;
    if (found->second == 0) held_.erase(found);
  }
  std::map<std::uint32_t, std::size_t> held_;
};

}  // namespace clawpatrol::http
