// clawpatrold: judges what agents send. docs/ARCHITECTURE.md tells the story that starts here.
#include "daemon/gateway/daemon.h"
#include "daemon/gateway/options.h"
#include "daemon/journal/log.h"
#include "daemon/tls/openssl_memory.h"

int main(int argc, char** argv) {
  clawpatrol::journal::open_log("clawpatrold");
  if (!clawpatrol::tls::serve_openssl_memory())
    clawpatrol::journal::say(
        "warning: OpenSSL's memory is malloc's, which overwrites nothing: it was used before main");
  clawpatrol::ParsedOptions parsed = clawpatrol::parse_options(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  auto daemon = clawpatrol::Daemon::create(parsed.options);
  if (!daemon) {
    clawpatrol::journal::say(clawpatrol::journal::Message::cannot_start, daemon.error());
    return 1;
  }
  return (*daemon)->run();
}
