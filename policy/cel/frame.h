// One evaluation: where variables are read, where new values live, and how much work is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "policy/cel/value.h"

namespace clawpatrol::cel {

// Memory that is given back all at once. The first bytes are in the object itself, so that a condition that
// makes little does not allocate.
class Arena {
 public:
  Arena() = default;
  ~Arena() {
    if (chunks_) release();
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* allocate(std::size_t size);  // aligned for Value
  template <class T>
  T* make(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(Value));
    return static_cast<T*>(allocate(count * sizeof(T)));
  }
  std::string_view keep(std::string_view text);

 private:
  struct alignas(Value) Chunk {
    Chunk* before;
    std::size_t size;  // with this header
  };
  void release();

  static constexpr std::size_t first_bytes = 512;
  alignas(Value) std::byte first_[first_bytes];
  std::byte* next_ = first_;
  std::size_t left_ = first_bytes;
  Chunk* chunks_ = nullptr;  // the latest
};

// Cost: one for every operation and every member of a list that is looked at, one for every 16 bytes of text.
// What is allocated is charged first, at no less than one for 16 bytes, so the limit bounds memory as well as
// time.
class Frame {
 public:
  Frame(const Action* action, std::span<const Value> variables, std::uint64_t cost_limit)
      : action_(action), variables_(variables), limit_(cost_limit) {}

  const Action& action() const { return *action_; }
  Value variable(std::size_t index) const { return variables_[index]; }

  // The variables of macros, by depth.
  Value& local(std::size_t slot) { return locals_[slot]; }
  void reserve_locals(std::size_t count) {
    if (count > 0) locals_ = arena_.make<Value>(count);
  }

  // False when the limit is passed: stop, and answer cost_limit.
  [[nodiscard]] bool charge(std::uint64_t work) {
    cost_ += work;
    return cost_ <= limit_;
  }
  [[nodiscard]] bool charge_text(std::size_t bytes) { return charge(1 + bytes / 16); }
  bool exhausted() const { return cost_ > limit_; }
  std::uint64_t cost() const { return cost_; }

  Arena& arena() { return arena_; }
  // Copies into the arena.
  Value string(std::string_view text);
  Value list(std::span<const Value> items);

 private:
  const Action* action_;
  std::span<const Value> variables_;
  std::uint64_t cost_ = 0;
  std::uint64_t limit_;
  Value* locals_ = nullptr;
  Arena arena_;
};

inline Value out_of_budget() {
  return Value::error(ErrorCode::cost_limit);
}

}  // namespace clawpatrol::cel
