// What netd says to systemd, and what systemd holds for it while it is started anew: its listeners, so that
// connections that wait in their backlog are not lost, and the link that finds the listeners
// (FileDescriptorStoreMax= of the unit; sd_notify(3) and sd_listen_fds(3) are the protocol). Without systemd
// nothing of it does anything.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ring/fd.h"

namespace clawpatrol::netd {

class ServiceManager {
 public:
  // Takes what systemd hands over, out of the environment too. Once, and before any other descriptor is
  // opened.
  static ServiceManager from_environment();

  // "READY=1", "WATCHDOG=1" and the like. Lost where nobody listens.
  void notify(std::string_view state) const;
  // Has a descriptor held under a name until `forget`, or until the unit is stopped and not started again.
  void keep(const std::string& name, int fd) const;
  void forget(const std::string& name) const;
  // What was held under that name; the first of them, where there are several. Each is given once.
  Fd take(std::string_view name);
  // Gives up what nobody took, here and at systemd's.
  void forget_untaken();

 private:
  void send(std::string_view text, int fd) const;

  std::string socket_;  // as in NOTIFY_SOCKET; "": nobody listens
  std::vector<std::pair<std::string, Fd>> held_;
};

// The descriptors of LISTEN_FDS and LISTEN_FDNAMES by name; none where they are not for this process.
std::vector<std::string> held_names(std::string_view count, std::string_view names);

}  // namespace clawpatrol::netd
