#include "daemon/credentials/process_secrets.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstring>

namespace clawpatrol::credentials {

std::expected<void, Error> disable_core_dumps() {
  rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0)
    return std::unexpected(os_error(errno, "cannot forbid core files"));
  // The limit alone does not stop a pipe in core_pattern.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return std::unexpected(os_error(errno, "cannot forbid core dumps"));
  return {};
}

// Copies of zeros, of every size for which the C library takes other registers.
void forget_registers() {
  alignas(64) static constexpr char zeros[1024] = {};
  static void* (*const volatile copy)(void*, const void*, std::size_t) = std::memcpy;
  char sink[sizeof zeros];
  for (std::size_t size = 16; size <= sizeof zeros; size *= 2) copy(sink, zeros, size);
}

}  // namespace clawpatrol::credentials
