// The other end of the control socket (and of netd's operator socket, which speaks the same lines): blocking.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::control {

class Client {
 public:
  // An Error with the errno of connect(): ENOENT and ECONNREFUSED mean that nobody serves, EACCES that the
  // caller may not.
  static std::expected<Client, Error> connect(const std::filesystem::path& path);
  // Of a connection made already.
  explicit Client(Fd fd) : fd_(std::move(fd)) {}

  // One request: a line without its newline, and the body that it announces.
  std::expected<void, Error> send(std::string_view line, std::string_view body = "");

  // The next line without its newline; nothing at the end of the stream or at the deadline. A line is at most
  // 4 MiB.
  std::optional<std::string> next(std::chrono::milliseconds patience);

  // For those who wait for other things too: poll fd(), fill(), then take lines until there is none.
  int fd() const { return fd_.get(); }
  bool fill();  // one read; false: the stream has ended
  std::optional<std::string> take_line();

 private:
  Fd fd_;
  std::string buffer_;
  std::size_t taken_ = 0;  // of buffer_
};

}  // namespace clawpatrol::control
