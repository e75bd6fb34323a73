#include "daemon/ring/timers.h"

#include <bit>

namespace clawpatrol {

void Timer::disarm() {
  if (!next_) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = previous_ = nullptr;
}

Timers::Timers() : epoch_(Clock::now()) {
  for (Head& head : wheel_) head.next_ = head.previous_ = &head;
}

std::uint64_t Timers::tick_of(Clock::time_point when) const {
  if (when <= epoch_) return 0;
  // Rounded up: a deadline may end late by one tick, never early.
  return static_cast<std::uint64_t>((when - epoch_ + resolution - Clock::duration(1)) / resolution);
}

void Timers::link(Timer& timer, Head& head) {
  timer.previous_ = head.previous_;
  timer.next_ = &head;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
}

void Timers::arm(Timer& timer, Deadline deadline) {
  timer.disarm();
  if (deadline.is_never()) return;
  timer.when_ = deadline.when();
  std::uint64_t tick = std::max(tick_of(timer.when_), tick_ + 1);
  std::size_t slot = tick % slots;
  link(timer, wheel_[slot]);
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void Timers::advance(Clock::time_point now) {
  if (now < epoch_) return;
  auto target = static_cast<std::uint64_t>((now - epoch_) / resolution);
  if (target <= tick_) return;
  std::uint64_t first = target - tick_ > slots ? target - slots : tick_;
  tick_ = target;  // before any callback: what it arms belongs to a later turn
  Head due;
  due.next_ = due.previous_ = &due;
  for (std::uint64_t tick = first + 1; tick <= target; ++tick) take_due(tick % slots, now, due);
  while (due.next_ != &due) {
    Timer& timer = *due.next_;
    timer.disarm();
    timer.expire();
  }
}

void Timers::take_due(std::size_t slot, Clock::time_point now, Head& due) {
  if (!(occupied_[slot / 64] >> (slot % 64) & 1)) return;
  Head& head = wheel_[slot];
  for (Timer* timer = head.next_; timer != &head;) {
    Timer* next = timer->next_;
    if (timer->when_ <= now) {
      timer->disarm();
      link(*timer, due);
    }
    timer = next;
  }
  if (head.next_ == &head) occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

std::optional<Clock::time_point> Timers::next() const {
  // From the slot after the last one looked at, once around. Bits may be stale after a disarm: then it is
  // early.
  std::size_t start = (tick_ + 1) % slots;
  for (std::size_t step = 0; step < slots;) {
    std::size_t slot = (start + step) % slots;
    std::uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word) {
      std::size_t ahead = step + static_cast<std::size_t>(std::countr_zero(word));
      return epoch_ + resolution * static_cast<std::int64_t>(tick_ + 1 + ahead);
    }
    step += 64 - slot % 64;
  }
  return std::nullopt;
}

}  // namespace clawpatrol
