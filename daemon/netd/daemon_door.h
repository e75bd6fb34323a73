// The daemon's socket: protocol.h, one session at a time, only with the daemon's uid, no descriptor inbound.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/netd/peer_book.h"
#include "daemon/netd/poller.h"
#include "daemon/netd/protocol.h"
#include "daemon/netd/steering.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::netd {

struct HandedDescriptor {
  DescriptorRole role;
  std::uint32_t index;
  int fd;
};

struct ReloadAnswer {
  bool done = false;                  // false: nothing has changed
  std::vector<std::string> problems;  // why not, or who and what is not admitted now
};

// What the door asks of netd. Called from the loop.
struct DaemonRequests {
  std::function<std::expected<std::vector<HandedDescriptor>, Error>(std::uint32_t workers)> hello;
  std::function<Message()> welcome;
  std::function<std::vector<PeerEntry>()> peers;  // those who are admitted
  std::function<std::vector<Drop>()> drops;
  std::function<ReloadAnswer()> reload;
};

// As many of the problems as fit, and the number of the others.
std::string joined(const std::vector<std::string>& problems, std::size_t limit);

class DaemonDoor {
 public:
  static constexpr std::size_t max_queued =
      131072;  // messages that a daemon has not read; past it the session ends

  DaemonDoor(Poller& poller, std::uint32_t daemon_uid, DaemonRequests requests);
  ~DaemonDoor();
  DaemonDoor(const DaemonDoor&) = delete;
  DaemonDoor& operator=(const DaemonDoor&) = delete;

  std::expected<void, Error> open(const std::filesystem::path& path);
  // Tells a session what changed since it was told last.
  void peers_changed();
  // And what an operator has done; without a session only netd's own log has it.
  void operated(PeerOperation operation, std::uint32_t uid, std::string_view name);

 private:
  struct Outgoing {
    Message message;
    Fd descriptor;  // a duplicate, so that it is sent even if netd has closed its own by then
  };

  void accept_one();
  void begin(Fd session);
  void begin_waiting();
  void end(std::string_view why);
  void on_session(short events);
  bool receive_one();  // false: nothing more for now, or the session is over
  void handle(const Message& message);
  void say_hello(const Message& message);
  void say_statistics();
  void say_peers();
  void queue(const Message& message, int descriptor = -1);
  void flush();

  Poller& poller_;
  std::uint32_t daemon_uid_;
  DaemonRequests requests_;
  Fd listener_;
  Fd session_;
  Fd waiting_;  // the next daemon, until the session before it is over
  bool greeted_ = false;
  std::deque<Outgoing> queue_;
  std::map<std::uint32_t, std::string> told_;  // peer id -> what was said of it
};

}  // namespace clawpatrol::netd
