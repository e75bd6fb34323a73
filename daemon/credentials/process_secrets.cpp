#include "daemon/credentials/process_secrets.h"

#include <sys/prctl.h>
#include <sys/resource.h>

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

}  // namespace clawpatrol::credentials
