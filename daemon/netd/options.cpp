#include "daemon/netd/options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <charconv>

namespace clawpatrol::netd {
namespace {

constexpr option long_options[] = {{"config", required_argument, nullptr, 'c'},
                                   {"state", required_argument, nullptr, 's'},
                                   {"run", required_argument, nullptr, 'r'},
                                   {"daemon-uid", required_argument, nullptr, 'd'},
                                   {"operator-group", required_argument, nullptr, 'g'},
                                   {"user", required_argument, nullptr, 'u'},
                                   {"connections-per-second", required_argument, nullptr, 1},
                                   {"connection-burst", required_argument, nullptr, 2},
                                   {"datagrams-per-second", required_argument, nullptr, 3},
                                   {"datagram-burst", required_argument, nullptr, 4},
                                   {"choose-network", no_argument, nullptr, 'n'},
                                   {"teardown", no_argument, nullptr, 't'},
                                   {"version", no_argument, nullptr, 'v'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};

// Written into the filter before it is loaded.
std::expected<void, std::string> set_rate(std::uint32_t& into) {
  constexpr std::uint32_t most = 1'000'000;
  const std::string text = ::optarg;
  std::uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > most)
    return std::unexpected(fmt::format("not a number from 1 to {}: '{}'", most, text));
  into = value;
  return {};
}

}  // namespace

std::string help_text() {
  return R"(clawpatrol-netd: the gateway's privileged half: tunnel, routes, kernel filter, sockets.

  --config PATH          the configuration, a file or a directory  (/etc/clawpatrol)
  --state PATH           keys and peers are kept here              (/var/lib/clawpatrol-net)
  --run PATH             netd.sock and peers.sock are made here    (/run/clawpatrol)
  --daemon-uid USER      the only one that is given sockets        (clawpatrol)
  --operator-group GROUP who beside root adds and removes peers    (clawpatrol)
  --user USER            become this user after the start
  --connections-per-second N, --connection-burst N
                         new TCP connections of one peer         (1000, 2000)
  --datagrams-per-second N, --datagram-burst N
                         DNS and other datagrams of one peer     (500, 500)
  --choose-network       write conf.d/00-gateway.toml, if no network is configured, and exit
  --teardown             remove interface, rules, routes and filters, and exit
  --version, --help
)";
}

std::expected<Options, std::string> parse_options(int count, char** arguments) {
  Options options;
  ::opterr = 0;
  ::optind = 1;
  for (int option; (option = ::getopt_long(count, arguments, "hv", long_options, nullptr)) != -1;) {
    std::expected<void, std::string> rate;
    switch (option) {
      case 1: rate = set_rate(options.rates.connections_per_second); break;
      case 2: rate = set_rate(options.rates.connection_burst); break;
      case 3: rate = set_rate(options.rates.datagrams_per_second); break;
      case 4: rate = set_rate(options.rates.datagram_burst); break;
      case 'c': options.config = ::optarg; break;
      case 's': options.state = ::optarg; break;
      case 'r': options.run = ::optarg; break;
      case 'd': options.daemon_uid = ::optarg; break;
      case 'g': options.operator_group = ::optarg; break;
      case 'u': options.user = ::optarg; break;
      case 'n': options.action = Options::Action::first_network; break;
      case 't': options.action = Options::Action::teardown; break;
      case 'v': options.action = Options::Action::version; return options;
      case 'h': options.action = Options::Action::help; return options;
      default: return std::unexpected(fmt::format("unknown option: '{}'", arguments[::optind - 1]));
    }
    if (!rate) return std::unexpected(rate.error());
  }
  if (::optind < count) return std::unexpected(fmt::format("unexpected argument: '{}'", arguments[::optind]));
  return options;
}

}  // namespace clawpatrol::netd
