// How long a token is good, by both clocks: the steady one, which no operator sets, and that of the wall,
// which goes on while the machine is suspended. Whichever says that more time has passed counts.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace clawpatrol::credentials {

inline constexpr std::chrono::seconds longest_token_lifetime = std::chrono::hours(24 * 365);

struct Moment {
  std::chrono::steady_clock::time_point steady;
  std::int64_t unix_ns = 0;
};

inline std::chrono::nanoseconds passed(const Moment& from, const Moment& now) {
  return std::max<std::chrono::nanoseconds>(now.steady - from.steady,
                                            std::chrono::nanoseconds(now.unix_ns - from.unix_ns));
}

struct TokenLife {
  Moment asked;  // when the request for it left: it cannot have begun before
  std::chrono::seconds lifetime{0};

  std::chrono::nanoseconds left(const Moment& now) const { return lifetime - passed(asked, now); }
  // A request is on its way for a while after it got its token.
  bool usable(const Moment& now) const {
    return left(now) > std::min<std::chrono::nanoseconds>(std::chrono::seconds(10), span() / 10);
  }
  // Whether it is time for the next one.
  bool due(const Moment& now) const {
    return left(now) <= std::min<std::chrono::nanoseconds>(std::chrono::minutes(5), span() / 5);
  }
  std::int64_t ends_unix() const { return asked.unix_ns / 1'000'000'000 + lifetime.count(); }

 private:
  std::chrono::nanoseconds span() const { return lifetime; }
};

// Before the next try, after so many that failed: 1 s, 2 s, ... 5 minutes, of which `random` (0 to 1) takes
// up to a half.
inline std::chrono::nanoseconds pause_after(unsigned failures, double random) {
  constexpr std::chrono::nanoseconds first = std::chrono::seconds(1), longest = std::chrono::minutes(5);
  const auto whole = failures > 9 ? longest : std::min(longest, first * (1 << (std::max(failures, 1u) - 1)));
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * (1 - random / 2)));
}

}  // namespace clawpatrol::credentials
