#include "cpctl/secret_input.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "cpctl/printable.h"

namespace clawpatrol::cpctl {
namespace {

volatile std::sig_atomic_t interrupted = 0;

// No echo for as long as it lives, also when the operator interrupts.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    tcgetattr(fd_, &before_);
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted = 1; };
    sigaction(SIGINT, &action, &old_interrupt_);
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    now.c_lflag |= ECHONL;
    tcsetattr(fd_, TCSAFLUSH, &now);
  }
  ~NoEcho() {
    tcsetattr(fd_, TCSAFLUSH, &before_);
    sigaction(SIGINT, &old_interrupt_, nullptr);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  int fd_;
  termios before_{};
  struct sigaction old_interrupt_{};
};

enum class Until { newline, end };

std::expected<control::WipedBuffer, std::string> read_until(int fd, Until until) {
  control::WipedBuffer buffer;
  char piece[4096];
  for (;;) {
    ssize_t count = read(fd, piece, sizeof piece);
    if (count < 0 && errno == EINTR && !interrupted) continue;
    if (count < 0)
      return std::unexpected(interrupted ? "interrupted"
                                         : std::string("cannot read: ") + std::strerror(errno));
    buffer.append({piece, static_cast<std::size_t>(count)});
    explicit_bzero(piece, sizeof piece);
    if (buffer.size() > max_secret + 2) return std::unexpected("the value is longer than 64 KiB");
    if (count == 0 || (until == Until::newline && buffer.view().ends_with('\n'))) return buffer;
  }
}

void strip_newline(control::WipedBuffer& buffer) {
  if (buffer.view().ends_with("\r\n"))
    buffer.drop_back(2);
  else if (buffer.view().ends_with('\n'))
    buffer.drop_back(1);
}

}  // namespace

std::expected<control::WipedBuffer, std::string> read_secret(Console& console, const std::string& prompt) {
  // Whatever happens to this process, the value is not left in a core file.
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  std::expected<control::WipedBuffer, std::string> value;
  if (console.in_is_terminal()) {
    NoEcho quiet(console.in());  // before the prompt: who types at once is not seen either
    console.err(printable(prompt));
    value = read_until(console.in(), Until::newline);
  } else {
    value = read_until(console.in(), Until::end);
  }
  if (!value) return value;
  strip_newline(*value);
  if (value->size() == 0) return std::unexpected("the value is empty");
  if (value->size() > max_secret) return std::unexpected("the value is longer than 64 KiB");
  return value;
}

}  // namespace clawpatrol::cpctl
