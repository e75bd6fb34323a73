// How often something may happen: a burst, and a rate after it.
#pragma once

#include <algorithm>
#include <chrono>

namespace clawpatrol::http2 {

using Clock = std::chrono::steady_clock;

struct Rate {
  double burst;
  double per_second;
};

class Budget {
 public:
  explicit Budget(Rate rate) : rate_(rate), left_(rate.burst) {}

  // False: there is nothing left.
  bool take(Clock::time_point now) {
    if (now > last_) {  // the first call finds it full
      const std::chrono::duration<double> passed = now - last_;
      left_ = std::min(rate_.burst, left_ + passed.count() * rate_.per_second);
      last_ = now;
    }
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }
  void fill() { left_ = rate_.burst; }

 private:
  Rate rate_;
  double left_;
  Clock::time_point last_{};
};

}  // namespace clawpatrol::http2
