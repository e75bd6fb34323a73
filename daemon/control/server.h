// The control socket: JSON lines over a Unix stream socket, for root and one group. Format: docs/formats.md.
//
// A request is one line, {"v":1,"command":"status",...}, and where it says "body":N, N raw bytes after it
// (secrets travel so, and never enter the JSON library). The answer is any number of lines and then one of
// type "end". A connection may carry many requests, one after the other.
//
// Clients cannot hurt: requests, clients and what waits to be sent are bounded, answers are made only as fast
// as they are read, and who does not read or does not finish a request is hung up on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/control/loop.h"
#include "daemon/control/message.h"
#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::control {

inline constexpr int protocol_version = 1;

// Who asks, by the kernel's word (SO_PEERCRED).
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
};

struct Request {
  std::string command;
  Message fields;
  std::string_view body;  // dies with the call; copy it only into what is wiped
  Caller caller;
};

// What an answer writes to.
class Output {
 public:
  void line(std::string_view json);
  // The answer failed: said in its end line. The first one stands.
  void fail(std::string_view code, std::string_view message, std::string_view hint = "");

  const std::string& lines() const { return lines_; }      // each with its newline
  const std::string& failure() const { return failure_; }  // a JSON object, or empty

 private:
  std::string lines_;
  std::string failure_;
};

enum class Progress {
  more,     // call again as soon as there is room
  waiting,  // nothing now; call again soon (a stream)
  done,
};

// Makes an answer piece by piece: called when the client has room for more. Pieces are short (milliseconds),
// since the control thread does everything else too.
using Answer = std::function<Progress(Output&)>;

Answer answer_line(std::string json);
Answer answer_lines(std::vector<std::string> lines);
Answer answer_failure(std::string code, std::string message, std::string hint = "");

using Handler = std::function<Answer(const Request&)>;

class Server {
 public:
  struct Options {
    std::filesystem::path path;
    gid_t group = static_cast<gid_t>(-1);  // admitted beside root, and the socket's; -1: none
    std::size_t max_clients = 64;
    std::size_t max_clients_per_uid = 32;
    std::size_t max_line = 64 << 10;
    std::size_t max_body = 64 << 10;
    std::size_t low_water = 64 << 10;  // an answer is asked for more below this
    std::chrono::milliseconds stream_tick{100};
    std::chrono::milliseconds request_timeout{10'000};  // from its first byte to its last
    std::chrono::milliseconds idle_timeout{300'000};    // between requests
    std::chrono::milliseconds write_timeout{30'000};    // without one byte taken
  };

  // Replaces a socket that nobody serves; fails where somebody does.
  static std::expected<std::unique_ptr<Server>, Error> listen(Loop& loop, Options options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::size_t clients() const { return clients_.size(); }
  // False: the file system would not let `group` in, and the socket is for the daemon's own user and root.
  bool for_operators() const { return for_operators_; }

 private:
  struct Client;
  Server(Loop& loop, Options options, Handler handler);
  std::expected<void, Error> open_socket();
  void accept_clients();
  std::string why_refused(const Caller& caller, int fd) const;
  void ready(int fd, short events);
  bool read_from(Client& client);
  bool take_request(Client& client);
  void answer(Client& client, const Request& request);
  void refuse(Client& client, std::string_view code, std::string_view message, std::string_view hint);
  void produce(Client& client);
  bool flush(Client& client);
  void serve(Client& client);
  void update_interest(Client& client);
  std::size_t serve_all(bool (*wanted)(const Client&));
  void rest_from_accepting();
  void hang_up_on_the_slow();
  void drop(int fd);

  Loop& loop_;
  const Options options_;
  const Handler handler_;
  Fd listener_;
  std::unordered_map<int, std::unique_ptr<Client>> clients_;
  Loop::TimerId tick_timer_ = 0;
  Loop::TimerId slow_timer_ = 0;
  Loop::TimerId again_timer_ = 0;
  Loop::TimerId rest_timer_ = 0;
  ino_t inode_ = 0;
  bool for_operators_ = true;
};

}  // namespace clawpatrol::control
