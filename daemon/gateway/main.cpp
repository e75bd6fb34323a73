// clawpatrold: judges what agents send. docs/ARCHITECTURE.md tells the story that starts here.
#include <fmt/format.h>

#include "daemon/gateway/daemon.h"
#include "daemon/gateway/options.h"
#include "daemon/tls/record_buffers.h"

int main(int argc, char** argv) {
  if (!clawpatrol::tls::keep_record_buffers())
    fmt::print(stderr, "clawpatrold: warning: OpenSSL's buffers are not kept: it was used before main\n");
  clawpatrol::ParsedOptions parsed = clawpatrol::parse_options(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  auto daemon = clawpatrol::Daemon::create(parsed.options);
  if (!daemon) {
    fmt::print(stderr, "clawpatrold: {}\n", daemon.error());
    return 1;
  }
  return (*daemon)->run();
}
