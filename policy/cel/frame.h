// One evaluation: where variables are read, where new values live, and how much work is left.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
  std::size_t used() const { return used_; }  // of what was asked for

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
  std::size_t used_ = 0;
  Chunk* chunks_ = nullptr;  // the latest
};

// What one evaluation may cost.
struct Limits {
  std::uint64_t cost = 1'000'000;
  std::size_t memory = 8 << 20;  // bytes that it makes: a facet is never copied
};

// Cost: one for every operation and every member of a list that is looked at, one for every 16 bytes of text
// and of memory. Past either limit the evaluation is over: whatever it says then is the cost limit.
class Frame {
 public:
  Frame(const Action* action, std::span<const Value> variables, Limits limits)
      : action_(action), variables_(variables), limits_(limits), left_(limits.cost) {}

  const Action& action() const { return *action_; }
  Value variable(std::size_t index) const { return variables_[index]; }

  // The variables of macros, by depth.
  Value& local(std::size_t slot) { return locals_[slot]; }
  void reserve_locals(std::size_t count) {
    if (count > 0) locals_ = arena_.make<Value>(count);
  }

  // False when the limit is passed: stop, and answer cost_limit.
  [[nodiscard]] bool charge(std::uint64_t work) {
    if (work <= left_) [[likely]] {
      left_ -= work;
      return !exhausted_;
    }
    left_ = 0;
    exhausted_ = true;
    return false;
  }
  [[nodiscard]] bool charge_text(std::size_t bytes) { return charge(1 + bytes / 16); }
  bool exhausted() const { return exhausted_; }
  std::uint64_t cost() const { return limits_.cost - left_ + (exhausted_ ? 1 : 0); }
  std::size_t memory() const { return arena_.used(); }

  // Memory for `count` of them, charged; null when a limit is passed.
  template <class T>
  [[nodiscard]] T* make(std::size_t count) {
    if (count > limits_.memory / sizeof(T) || arena_.used() + count * sizeof(T) > limits_.memory)
      exhausted_ = true;
    return charge(1 + count * sizeof(T) / 16) ? arena_.make<T>(count) : nullptr;
  }

  // Copies into the arena.
  Value string(std::string_view text);
  Value optional(Value held);
  Value network(Kind kind, const Network& network);
  // Of members that are there already.
  Value list_of(std::span<const Value> items);
  Value map_of(std::span<const Entry> entries);                           // keys are allowed and different
  Value open_list_of(std::span<const Value> items, std::uint16_t facet);  // there may be others

 private:
  const Action* action_;
  std::span<const Value> variables_;
  Limits limits_;
  std::uint64_t left_;
  bool exhausted_ = false;
  Value* locals_ = nullptr;
  Arena arena_;
};

inline Value out_of_budget() {
  return Value::error(ErrorCode::cost_limit);
}

// A text or a list that is not known to be how long before it is made. Once a limit is passed it takes no
// more.
template <class T>
class Growing {
 public:
  explicit Growing(Frame& frame) : frame_(frame) {}

  bool append(const T* items, std::size_t count) {
    if (count > capacity_ - size_ && !grow(size_ + count)) return false;
    if (count > 0) std::memcpy(static_cast<void*>(items_ + size_), items, count * sizeof(T));
    size_ += count;
    return true;
  }
  bool append(std::string_view text)
    requires std::same_as<T, char>
  {
    return append(text.data(), text.size());
  }
  bool push(T item) { return append(&item, 1); }
  std::span<T> items() { return {items_, size_}; }
  std::string_view text() const
    requires std::same_as<T, char>
  {
    return size_ > 0 ? std::string_view(items_, size_) : std::string_view("");  // never null
  }

 private:
  bool grow(std::size_t wanted) {
    std::size_t capacity = std::max({wanted, 2 * capacity_, std::size_t{64} / sizeof(T)});
    T* moved = frame_.make<T>(capacity);
    if (!moved) return false;
    if (size_ > 0) std::memcpy(static_cast<void*>(moved), items_, size_ * sizeof(T));
    items_ = moved;
    capacity_ = capacity;
    return true;
  }

  Frame& frame_;
  T* items_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace clawpatrol::cel
