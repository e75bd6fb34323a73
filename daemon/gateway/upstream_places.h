// How many connections one peer has at one endpoint: a server's own limit is for all of its clients, and a
// peer that takes it all leaves nothing for the others. Who finds none free may wait for one; each peer waits
// for its own.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace clawpatrol {

// Any thread. Outlives its places and turns.
class UpstreamPlaces {
 public:
  static constexpr std::size_t most_waiting = 1000;  // of one peer for one endpoint

  struct At {
    std::uint32_t peer_id;
    std::string endpoint;
    auto operator<=>(const At&) const = default;
  };

  // One connection's, from before it dials until it is gone.
  class Place {
   public:
    Place(Place&& other) noexcept
        : places_(std::exchange(other.places_, nullptr)), at_(std::move(other.at_)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(places_, other.places_);
      std::swap(at_, other.at_);
      return *this;
    }
    ~Place() {
      if (places_) places_->leave(at_);
    }

   private:
    friend class UpstreamPlaces;
    Place(UpstreamPlaces& places, At at) : places_(&places), at_(std::move(at)) {}
    UpstreamPlaces* places_;
    At at_;
  };

  // Somebody's who waits. Destroyed, it waits no more, and a place that it did not take is the next one's.
  class Turn {
   public:
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    std::optional<Place> take();  // nothing: it has not come

   private:
    friend class UpstreamPlaces;
    Turn(UpstreamPlaces& places, At at, std::size_t limit, std::function<void()> told)
        : places_(places), at_(std::move(at)), limit_(limit), told_(std::move(told)) {}
    UpstreamPlaces& places_;
    At at_;
    std::size_t limit_;
    std::function<void()> told_;
    bool granted_ = false;
  };

  // Nothing: the peer has as many as the limit at this endpoint.
  std::optional<Place> take(std::uint32_t peer_id, const std::string& endpoint, std::size_t limit);

  // Neither: as many wait already.
  struct Answer {
    std::optional<Place> place = {};
    std::unique_ptr<Turn> turn = {};  // first come, first served
  };
  // `told` is called once, on any thread, when the turn has come and while it lives; it must not call back.
  Answer take_or_wait(At at, std::size_t limit, std::function<void()> told);

 private:
  struct Taken {
    std::size_t count = 0;
    std::list<Turn*> waiting;  // the first is the next; mostly there is none, and no memory for it
  };
  void leave(const At& at);
  // A place that has become free is who is next's, or nobody's.
  void pass_on(const At& at);

  std::mutex mutex_;
  std::map<At, Taken> taken_;
};

}  // namespace clawpatrol
