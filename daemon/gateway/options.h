// Command line of clawpatrold.
#pragma once

#include <filesystem>
#include <optional>

namespace clawpatrol {

struct Options {
  std::filesystem::path config = "/etc/clawpatrol";
  std::filesystem::path state = "/var/lib/clawpatrol";
  std::filesystem::path run = "/run/clawpatrol";
};

// Prints help, version or the usage error itself; then the value is the exit status.
struct ParsedOptions {
  Options options;
  std::optional<int> exit_status;
};
ParsedOptions parse_options(int argc, char** argv);

}  // namespace clawpatrol
