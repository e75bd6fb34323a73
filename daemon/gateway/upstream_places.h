// How many connections one peer has at one endpoint: a server's own limit is for all of its clients, and a
// peer that takes it all leaves nothing for the others.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace clawpatrol {

// Any thread. Outlives its places.
class UpstreamPlaces {
 public:
  // One connection's, from before it dials until it is gone.
  class Place {
   public:
    Place(Place&& other) noexcept
        : places_(std::exchange(other.places_, nullptr)), key_(std::move(other.key_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (places_) places_->leave(key_);
    }

   private:
    friend class UpstreamPlaces;
    using Key = std::pair<std::uint32_t, std::string>;
    Place(UpstreamPlaces& places, Key key) : places_(&places), key_(std::move(key)) {}
    UpstreamPlaces* places_;
    Key key_;
  };

  // Nothing: the peer has as many as the limit at this endpoint.
  std::optional<Place> take(std::uint32_t peer_id, const std::string& endpoint, std::size_t limit) {
    std::lock_guard lock(mutex_);
    std::size_t& count = counts_[{peer_id, endpoint}];
    if (count >= limit) return std::nullopt;
    ++count;
    return Place(*this, {peer_id, endpoint});
  }

 private:
  void leave(const Place::Key& key) {
    std::lock_guard lock(mutex_);
    auto found = counts_.find(key);
    if (--found->second == 0) counts_.erase(found);
  }

  std::mutex mutex_;
  std::map<Place::Key, std::size_t> counts_;
};

}  // namespace clawpatrol
