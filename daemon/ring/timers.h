// Deadlines, kept in a hashed wheel: arming and disarming are O(1) and allocate nothing, since most deadlines
// are disarmed long before they pass. Resolution 16 ms.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace clawpatrol {

using Clock = std::chrono::steady_clock;

class Deadline {
 public:
  static Deadline at(Clock::time_point when) { return Deadline(when); }
  static Deadline after(Clock::duration span) { return Deadline(Clock::now() + span); }
  // Where a wait may last for ever (an idle session), say so by name.
  static Deadline never() { return Deadline(Clock::time_point::max()); }
  bool is_never() const { return when_ == Clock::time_point::max(); }
  Clock::time_point when() const { return when_; }

 private:
  explicit Deadline(Clock::time_point when) : when_(when) {}
  Clock::time_point when_;
};

// Something that expires. Lives in at most one wheel.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  bool armed() const { return next_ != nullptr; }

 protected:
  ~Timer() { disarm(); }
  virtual void expire() = 0;

 private:
  friend class Timers;
  void disarm();
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  Clock::time_point when_;
};

class Timers {
 public:
  static constexpr auto resolution = std::chrono::milliseconds(16);

  Timers();
  // Does nothing for a deadline of never. Re-arms a timer that is armed.
  void arm(Timer& timer, Deadline deadline);
  void disarm(Timer& timer) { timer.disarm(); }
  // Expires what is due at `now`; a timer is disarmed before its expire() is called.
  void advance(Clock::time_point now);
  // When advance() should be called next; nothing where no timer is armed. May be early, never late.
  std::optional<Clock::time_point> next() const;

 private:
  static constexpr std::size_t slots = 1024;
  struct Head final : Timer {
    void expire() override {}
    friend class Timers;
  };
  std::uint64_t tick_of(Clock::time_point when) const;
  static void link(Timer& timer, Head& head);
  void take_due(std::size_t slot, Clock::time_point now, Head& due);
  std::array<Head, slots> wheel_;
  std::array<std::uint64_t, slots / 64> occupied_{};  // a bit a slot; stale after disarm, cleared by advance
  Clock::time_point epoch_;
  std::uint64_t tick_ = 0;  // every slot up to this one has been looked at
};

}  // namespace clawpatrol
