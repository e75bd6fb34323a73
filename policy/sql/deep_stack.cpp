#include "policy/sql/deep_stack.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CLAWPATROL_FIBERS_ANNOTATED
#include <sanitizer/common_interface_defs.h>
#endif
#endif

namespace clawpatrol::sql {
namespace {

constexpr std::size_t kept_bytes = std::size_t{1024} * 1024;  // of touched pages, between calls

class DeepStack {
 public:
  DeepStack() : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    void* memory = ::mmap(nullptr, page_ + deep_stack_bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    // Without it no text can be read safely, and there is no caller who could do anything about that.
    if (memory == MAP_FAILED) give_up();
    memory_ = static_cast<char*>(memory);
    if (::mprotect(bottom(), deep_stack_bytes, PROT_READ | PROT_WRITE) != 0) give_up();
  }
  ~DeepStack() { ::munmap(memory_, page_ + deep_stack_bytes); }
  DeepStack(const DeepStack&) = delete;
  DeepStack& operator=(const DeepStack&) = delete;

  void run(void (*function)(void*), void* argument) {
    if (running_) return function(argument);
    function_ = function;
    argument_ = argument;
    running_ = true;
    ::getcontext(&inside_);
    inside_.uc_stack.ss_sp = bottom();
    inside_.uc_stack.ss_size = deep_stack_bytes;
    inside_.uc_link = &outside_;
    auto self = reinterpret_cast<std::uintptr_t>(this);
    ::makecontext(&inside_, reinterpret_cast<void (*)()>(&enter), 2, static_cast<unsigned>(self >> 32),
                  static_cast<unsigned>(self));
    start_switch();
    ::swapcontext(&outside_, &inside_);
    finish_switch();
    running_ = false;
    trim();
  }

  std::size_t touched() const {
    std::vector<unsigned char> resident(deep_stack_bytes / page_);
    if (::mincore(bottom(), deep_stack_bytes, resident.data()) != 0) return deep_stack_bytes;
    for (std::size_t i = 0; i < resident.size(); ++i) {
      if ((resident[i] & 1) != 0) return deep_stack_bytes - i * page_;
    }
    return 0;
  }

 private:
  static void enter(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<DeepStack*>((static_cast<std::uintptr_t>(high) << 32) | low);
#ifdef CLAWPATROL_FIBERS_ANNOTATED
    __sanitizer_finish_switch_fiber(nullptr, &self->outside_bottom_, &self->outside_size_);
#endif
    self->function_(self->argument_);
#ifdef CLAWPATROL_FIBERS_ANNOTATED
    __sanitizer_start_switch_fiber(nullptr, self->outside_bottom_, self->outside_size_);
#endif
  }
  void start_switch() {
#ifdef CLAWPATROL_FIBERS_ANNOTATED
    __sanitizer_start_switch_fiber(&outside_fake_stack_, bottom(), deep_stack_bytes);
#endif
  }
  void finish_switch() {
#ifdef CLAWPATROL_FIBERS_ANNOTATED
    __sanitizer_finish_switch_fiber(outside_fake_stack_, nullptr, nullptr);
#endif
  }

  // A thread that once read a deeply nested text would hold its pages for ever. One look at a page answers
  // whether it went deep: a stack is touched from the top down without gaps larger than a frame.
  void trim() {
    char* kept = memory_ + page_ + deep_stack_bytes - kept_bytes;
    unsigned char resident = 0;
    if (::mincore(kept - page_, page_, &resident) != 0 || (resident & 1) == 0 || keep_for_measurement) return;
    ::madvise(bottom(), deep_stack_bytes - kept_bytes, MADV_DONTNEED);
  }

  [[noreturn]] static void give_up() {
    fmt::print(stderr, "sql: mapping a stack of {} MiB failed: {}\n", deep_stack_bytes >> 20,
               std::strerror(errno));
    std::abort();
  }
  char* bottom() const { return memory_ + page_; }  // below it lies the guard page

  std::size_t page_;
  char* memory_ = nullptr;
  bool running_ = false;
  void (*function_)(void*) = nullptr;
  void* argument_ = nullptr;
  ucontext_t inside_{};
  ucontext_t outside_{};
#ifdef CLAWPATROL_FIBERS_ANNOTATED
  void* outside_fake_stack_ = nullptr;
  const void* outside_bottom_ = nullptr;
  std::size_t outside_size_ = 0;
#endif

 public:
  bool keep_for_measurement = false;
};

DeepStack& deep_stack() {
  thread_local DeepStack stack;
  return stack;
}

}  // namespace

void on_deep_stack(void (*function)(void*), void* argument) {
  deep_stack().run(function, argument);
}

std::size_t deep_stack_touched() {
  deep_stack().keep_for_measurement = true;
  return deep_stack().touched();
}

}  // namespace clawpatrol::sql
