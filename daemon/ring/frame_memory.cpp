#include "daemon/ring/frame_memory.h"

#include <array>
#include <new>
#include <utility>

namespace clawpatrol {

#if __has_feature(address_sanitizer)

// It watches over what was freed.
void* take_frame(std::size_t size) {
  return ::operator new(size);
}
void give_back_frame(void* frame, std::size_t size) noexcept {
  ::operator delete(frame, size);
}

#else

namespace {

constexpr std::size_t step = 128, classes = 32;  // frames of up to 4 KiB
constexpr unsigned most_kept = 16;               // of one class: 1 MiB in all at most

struct Unused {
  Unused* next;
};

class Kept {
 public:
  ~Kept() {
    for (Class& one : classes_)
      while (void* frame = one.take()) ::operator delete(frame);
    closed_ = true;
  }
  void* take(std::size_t which) { return classes_[which].take(); }
  bool keep(std::size_t which, void* frame) {
    Class& one = classes_[which];
    if (closed_ || one.count == most_kept) return false;
    one.first = new (frame) Unused{one.first};
    ++one.count;
    return true;
  }

 private:
  struct Class {
    Unused* first = nullptr;
    unsigned count = 0;
    void* take() {
      if (!first) return nullptr;
      --count;
      return std::exchange(first, first->next);
    }
  };
  std::array<Class, classes> classes_{};
  bool closed_ = false;  // the thread ends, and what its other objects give back is freed
};
constinit thread_local Kept kept;

constexpr std::size_t class_of(std::size_t size) {
  return (size - 1) / step;
}

}  // namespace

void* take_frame(std::size_t size) {
  const std::size_t which = class_of(size);
  if (which >= classes) return ::operator new(size);
  void* frame = kept.take(which);
  return frame ? frame : ::operator new((which + 1) * step);
}

void give_back_frame(void* frame, std::size_t size) noexcept {
  const std::size_t which = class_of(size);
  if (which >= classes || !kept.keep(which, frame)) ::operator delete(frame);
}

#endif

}  // namespace clawpatrol
