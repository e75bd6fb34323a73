// Cancel keys of our own (attacks.md, 10): an agent never sees the server's. A key works for the peer and the
// endpoint that it was given to, and for nobody else; wrong ones are rate limited.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/ring/timers.h"

namespace clawpatrol {

// Thread-safe: a session and the connection that cancels it are often on different workers.
class CancelKeys {
 public:
  struct Owner {
    std::uint32_t peer = 0;
    std::string endpoint;
    bool operator==(const Owner&) const = default;
  };
  struct Key {
    std::uint32_t process = 0;
    std::string secret;
  };
  // Asks a session to cancel what it runs, from any thread. `done` is called once, from the session's thread,
  // when nothing of the cancellation is under way any more, or there was nothing to cancel.
  using Cancel = std::function<void(std::function<void()> done)>;
  enum class Refusal : std::uint8_t { wrong, too_many };

  // Random from the system's CSPRNG. `secret_size` is 4 in protocol 3.0, 32 in 3.2.
  Key issue(Owner owner, std::size_t secret_size, Cancel cancel);
  void withdraw(const Key& key);

  // After `burst` wrong keys of a peer, one more attempt every `refill`, right or wrong.
  static constexpr double burst = 10;
  static constexpr std::chrono::seconds refill{1};
  std::expected<Cancel, Refusal> find(std::uint32_t process, std::string_view secret, const Owner& owner,
                                      Clock::time_point now);

 private:
  struct Entry {
    std::string secret;
    Owner owner;
    Cancel cancel;
  };
  struct Attempts {
    double left = burst;
    Clock::time_point at;
  };
  Attempts& attempts_of(std::uint32_t peer, Clock::time_point now);

  std::mutex mutex_;
  std::unordered_map<std::uint32_t, Entry> keys_;
  std::unordered_map<std::uint32_t, Attempts> attempts_;
};

}  // namespace clawpatrol
