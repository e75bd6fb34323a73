// Wall-clock time, as audit lines and rules have it.
#pragma once

#include <chrono>
#include <cstdint>

namespace clawpatrol {

inline std::int64_t now_unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace clawpatrol
