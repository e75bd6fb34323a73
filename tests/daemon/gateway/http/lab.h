// A gateway in front of a server that the test plays itself, and agents that speak raw bytes; all on
// loopback.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/gateway/http/handler.h"
#include "daemon/ring/fd.h"
#include "tests/daemon/gateway/lab/serving.h"

namespace clawpatrol::http::lab {

// One side of a connection: blocking, every read bounded by ten seconds.
class Side {
 public:
  explicit Side(Fd socket) : socket_(std::move(socket)) {}
  void send(std::string_view bytes);
  // What has come, once it holds `end`; all there is where the connection ends before that.
  std::string until(std::string_view end);
  std::string head() { return until("\r\n\r\n"); }
  std::string exactly(std::size_t count);
  std::string rest();  // to the end of the connection
  bool was_reset() const { return was_reset_; }
  bool is_quiet();  // nothing has come, and it has not ended
  void hang_up() { socket_ = Fd(); }
  void reset();
  int fd() const { return socket_.get(); }
  void end_sending();

 private:
  bool fill();
  Fd socket_;
  std::string buffer_;
  bool was_reset_ = false;
};

Side connect_to(std::uint16_t port);  // on loopback

enum class Wire : std::uint8_t { clear, tls };  // the agent's, with the authority of tests/daemon/tls/pair.h

struct Setup {
  std::string rules = "";        // [[rule]] tables
  std::string settings = "";     // further tables, such as [limits]
  std::string of_endpoint = "";  // further keys
  std::string credentials = "";  // of the profile: "\"a\", \"b\""
  std::string type = "http";
  std::string of_gateway = "";       // further keys
  Version version = Version::http1;  // that the agent has agreed to
  Wire wire = Wire::clear;
  std::size_t audit_bytes = 1 << 30;  // that the peer may write before it is denied
};

// Serves 127.0.0.1:port() as endpoint `api` of name `api.internal` for peer `tester`.
class Gateway {
 public:
  explicit Gateway(Setup setup);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  Side agent() const { return connect_to(port()); }  // a connection to the gateway
  std::uint16_t port() const { return serving_.port(); }
  std::uint16_t server_port() const { return server_port_; }
  Side server() const;                                // the next connection of the gateway to its server
  bool server_is_quiet() const;                       // no connection waits to be taken
  void use(std::string rules);                        // another generation
  void come_as(std::uint32_t peer) { peer_ = peer; }  // whose connections follow; at first `tester`
  // Closes what rests under it, as an operator's `creds set` does.
  void forget(const std::string& credential);
  Shared& shared() { return serving_.shared(); }
  bool logs(std::string_view text) const;  // once it is written, which an outcome waits for
  std::string log() const;                 // as far as it is written
  std::string authority() const { return "127.0.0.1:" + std::to_string(server_port_); }

 private:
  std::shared_ptr<Policy> load(const std::string& rules);
  void accept(Worker& worker, Fd socket);

  Setup setup_;
  std::uint64_t generation_ = 0;
  Fd server_listener_;
  std::uint16_t server_port_ = 0;
  std::atomic<std::uint32_t> peer_ = clawpatrol::lab::tester;
  clawpatrol::lab::Serving serving_;  // whose flows use all of the above
};

// A request with a body. `fields` are further lines of its head.
std::string post(const Gateway& gateway, const std::string& body, const std::string& fields = "");

inline constexpr const char* allow_all = R"toml(
[[rule]]
name = "all"
endpoint = "api"
verdict = "allow"
)toml";

// Both ends of a WebSocket, and the heads that came to the server and to the agent. `fields` are of the
// request, `answer` of the 101.
struct Opened {
  Side agent, server;
  std::string request, response;
};
Opened open_websocket(const Gateway& gateway, const std::string& fields = "", const std::string& answer = "");

}  // namespace clawpatrol::http::lab
