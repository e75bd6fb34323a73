// The command line.
#pragma once

#include <expected>
#include <filesystem>
#include <string>

#include "daemon/netd/rates.h"

namespace clawpatrol::netd {

struct Options {
  enum class Action { run, first_network, teardown, help, version };
  Action action = Action::run;
  std::filesystem::path config = "/etc/clawpatrol";
  std::filesystem::path state = "/var/lib/clawpatrol-net";
  std::filesystem::path run = "/run/clawpatrol";
  std::string daemon_uid = "clawpatrol";
  std::string operator_group = "clawpatrol";
  std::string user;  // "": stay who we are
  Rates rates;
};

std::expected<Options, std::string> parse_options(int count, char** arguments);
std::string help_text();

}  // namespace clawpatrol::netd
