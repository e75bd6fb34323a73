#include "daemon/control/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace clawpatrol::control {
namespace {

constexpr std::size_t max_line = 4 << 20;

}  // namespace

std::expected<Client, Error> Client::connect(const std::filesystem::path& path) {
  std::string what = fmt::format("cannot connect to '{}'", path.native());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) return std::unexpected(os_error(ENAMETOOLONG, what));
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(os_error(errno, what));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(os_error(errno, what));
  }
  return Client(std::move(fd));
}

std::expected<void, Error> Client::send(std::string_view line, std::string_view body) {
  // Three pieces and no copy: the body may be a secret.
  for (std::string_view piece : {line, std::string_view("\n"), body}) {
    while (!piece.empty()) {
      ssize_t count = ::send(fd_.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return std::unexpected(os_error(errno, "cannot send to the control socket"));
      piece.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  return {};
}

std::optional<std::string> Client::next(std::chrono::milliseconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (std::optional<std::string> line = take_line()) return line;
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd polled{fd_.get(), POLLIN, 0};
    int count = left <= 0 ? 0 : poll(&polled, 1, static_cast<int>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || !fill()) return take_line();
  }
}

bool Client::fill() {
  if (buffer_.size() - taken_ > max_line) return false;
  buffer_.erase(0, taken_);
  taken_ = 0;
  char piece[32 << 10];
  ssize_t count = -1;
  do count = recv(fd_.get(), piece, sizeof piece, 0);
  while (count < 0 && errno == EINTR);
  if (count <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(count));
  return true;
}

std::optional<std::string> Client::take_line() {
  std::size_t end = buffer_.find('\n', taken_);
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(taken_, end - taken_);
  taken_ = end + 1;
  return line;
}

}  // namespace clawpatrol::control
