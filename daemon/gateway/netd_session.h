// The daemon's end of netd's socket (daemon/netd/protocol.h). Never blocks; for the control thread's loop.
//
// What it reads is netd's, and checked all the same: anything that the protocol does not allow closes the
// session. After `SessionClosed` the owner makes a new one. What the old one brought stays valid: listeners,
// DNS sockets and the descriptors that keep steering attached are held until a new netd has sent its own.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/gateway/gateway.h"
#include "daemon/netd/protocol.h"
#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"
#include "policy/address.h"

namespace clawpatrol {

struct SessionWelcome {
  std::uint64_t incarnation = 0;  // differs from that of the last session: netd was restarted
  std::optional<Address> address_v4, address_v6;
};
struct SessionListener {
  std::uint32_t worker = 0;
  Fd fd;  // non-blocking, listening
};
struct SessionDnsSocket {
  bool v6 = false;
  Fd fd;  // non-blocking, bound to port 53
};
struct SessionKeep {
  Fd fd;  // only to be held
};
struct SessionPeers {
  std::vector<Peer> peers;  // all of them
};
struct SessionStatistics {
  struct Row {
    std::uint32_t peer_id = 0;  // 0: of no known peer
    std::uint32_t reason = 0;
    std::string_view reason_text;  // a literal
    std::uint64_t packets = 0, bytes = 0;
  };
  std::vector<Row> rows;
};
struct SessionReloaded {
  bool done = false;    // false: netd's configuration is what it was
  std::string problem;  // why not, or who and what is not admitted now; "": all are
};
struct SessionOperated {  // `cpctl peers` and `lockdown`, and what netd did of itself
  netd::PeerOperation operation{};
  std::uint32_t uid = 0;
  std::string peer;  // "": all of them
};
struct SessionClosed {
  std::string why;
};
using SessionEvent =
    std::variant<SessionWelcome, SessionListener, SessionDnsSocket, SessionKeep, SessionPeers,
                 SessionStatistics, SessionReloaded, SessionOperated, SessionClosed>;

class NetdSession {
 public:
  static std::expected<NetdSession, Error> connect(const std::filesystem::path& path);

  int fd() const { return fd_.get(); }  // poll for reading; -1 once closed

  // Everything that has arrived. The last event is SessionClosed when the session is over.
  std::vector<SessionEvent> on_readable();

  // First, and once: netd answers when the session before this one is over.
  std::expected<void, Error> send_hello(std::uint32_t workers);
  std::expected<void, Error> request_statistics();
  std::expected<void, Error> request_reload();

 private:
  explicit NetdSession(Fd fd) : fd_(std::move(fd)) {}
  std::expected<void, Error> send(const netd::Message& message);
  bool receive(std::vector<SessionEvent>& events);  // false: nothing more for now
  // Why the session must end, or nothing.
  const char* take(const netd::Message& message, Fd descriptor, std::vector<SessionEvent>& events);
  const char* take_descriptor(const netd::Message& message, Fd descriptor, std::vector<SessionEvent>& events);
  const char* take_peer(const netd::Message& message);
  void close(std::string why, std::vector<SessionEvent>& events);

  Fd fd_;
  std::map<std::uint32_t, Peer> peers_;
  std::vector<SessionStatistics::Row> rows_;
};

}  // namespace clawpatrol
