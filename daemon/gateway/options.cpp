#include "daemon/gateway/options.h"

#include <fmt/format.h>
#include <getopt.h>

namespace clawpatrol {

static constexpr const char* usage =
    "usage: clawpatrold [--config DIR] [--state DIR] [--run DIR]\n"
    "\n"
    "Judges what agents send, and passes on what the policy allows. Has no privileges: clawpatrol-netd must "
    "run\n"
    "beside it and hands it its listeners.\n"
    "\n"
    "  --config DIR   the policy: clawpatrol.toml and conf.d (default /etc/clawpatrol)\n"
    "  --state DIR    credentials, audit log, names (default /var/lib/clawpatrol)\n"
    "  --run DIR      control.sock and netd.sock (default /run/clawpatrol)\n"
    "  --version, --help\n";

ParsedOptions parse_options(int argc, char** argv) {
  static constexpr option known[] = {
      {"config", required_argument, nullptr, 'c'}, {"state", required_argument, nullptr, 's'},
      {"run", required_argument, nullptr, 'r'},    {"version", no_argument, nullptr, 'v'},
      {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
  ParsedOptions parsed;
  optind = 1;
  for (int choice; (choice = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (choice) {
      case 'c': parsed.options.config = optarg; break;
      case 's': parsed.options.state = optarg; break;
      case 'r': parsed.options.run = optarg; break;
      case 'v': fmt::print("clawpatrold {}\n", CLAWPATROL_VERSION); return {.options = {}, .exit_status = 0};
      case 'h': fmt::print("{}", usage); return {.options = {}, .exit_status = 0};
      default: fmt::print(stderr, "{}", usage); return {.options = {}, .exit_status = 2};
    }
  }
  if (optind < argc) {
    fmt::print(stderr, "clawpatrold: unexpected argument '{}'\n{}", argv[optind], usage);
    return {.options = {}, .exit_status = 2};
  }
  return parsed;
}

}  // namespace clawpatrol
