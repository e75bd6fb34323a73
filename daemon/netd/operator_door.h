// The operator's socket: JSON lines, for root and the group that --operator-group names.
//
//   {"v":1,"command":"add","name":"builder-1","public_key":"..."}  public_key is optional
//   {"v":1,"command":"list"}
//   {"v":1,"command":"rm","name":"builder-1"}
//
// answered by one line: {"ok":true,...} or {"ok":false,"error":"..."}. Anybody else gets the latter, unasked.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "daemon/netd/door.h"
#include "daemon/netd/poller.h"

namespace clawpatrol::netd {

class OperatorDoor {
 public:
  static constexpr std::size_t max_line = 4096;
  static constexpr std::size_t max_callers = 16;
  static constexpr std::chrono::seconds patience{10};  // for a line to be complete

  // Answers one line, without its newline, from `uid`.
  using Answer = std::function<std::string(std::string_view line, std::uint32_t uid)>;

  OperatorDoor(Poller& poller, gid_t group, Answer answer)
      : poller_(poller), group_(group), answer_(std::move(answer)) {}
  ~OperatorDoor();
  OperatorDoor(const OperatorDoor&) = delete;
  OperatorDoor& operator=(const OperatorDoor&) = delete;

  std::expected<void, Error> open(const std::filesystem::path& path);
  void close_idle(std::chrono::steady_clock::time_point now);

 private:
  struct Conversation {
    Fd fd;
    std::uint32_t uid;
    std::string in, out;
    std::chrono::steady_clock::time_point since;
  };
  void accept_one();
  void on_ready(int fd, short events);
  bool read_lines(Conversation& conversation);  // false: it is over
  bool write_answers(Conversation& conversation);
  void drop(int fd);

  Poller& poller_;
  gid_t group_;
  Answer answer_;
  Fd listener_;
  std::map<int, Conversation> conversations_;
};

}  // namespace clawpatrol::netd
