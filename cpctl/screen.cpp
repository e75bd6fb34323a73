#include "cpctl/screen.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace clawpatrol::cpctl {
namespace {

volatile std::sig_atomic_t leave = 0;
volatile std::sig_atomic_t resized = 0;

void on_signal(int number) {
  (number == SIGWINCH ? resized : leave) = 1;
}

void catch_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;  // without SA_RESTART: poll returns
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaction(number, &action, nullptr);
}

}  // namespace

Screen::Screen(Console& console) : console_(console) {
  catch_signals();
  console_.hold_errors();
  termios now{};
  if (console_.in_is_terminal() && tcgetattr(console_.in(), &now) == 0) {
    before_ = now;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    tcsetattr(console_.in(), TCSANOW, &now);
  }
  // A line that is longer than the screen is wide must not take two.
  console_.out("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J");
}

Screen::~Screen() {
  console_.out("\x1b[?7h\x1b[?25h\x1b[?1049l");
  if (before_) tcsetattr(console_.in(), TCSANOW, &*before_);
  console_.release_errors();
}

void Screen::draw(const std::vector<std::string>& lines) {
  std::size_t height = std::max<std::size_t>(2, console_.height().value_or(24));
  std::string frame = "\x1b[?2026h\x1b[H";
  bool fits = lines.size() <= height;
  std::size_t shown = fits ? lines.size() : height - 1;
  for (std::size_t i = 0; i < shown; ++i) {
    // The rest of the line is cleared after it is written, never before.
    frame += lines[i] + "\x1b[K";
    if (i + 1 < shown || !fits) frame += "\r\n";
  }
  if (!fits)
    frame += console_.paint(Style::dim, fmt::format("... {} more lines", lines.size() - shown)) + "\x1b[K";
  frame += "\x1b[J\x1b[?2026l";
  console_.out(frame);
}

Screen::Event Screen::wait(std::chrono::milliseconds span) {
  pollfd input{before_ ? console_.in() : -1, POLLIN, 0};
  int count = leave || resized ? 0 : poll(&input, 1, static_cast<int>(span.count()));
  if (leave || console_.broken()) return Event::quit;
  if (resized) {
    resized = 0;
    return Event::resized;
  }
  char key = 0;
  if (count > 0 && (read(console_.in(), &key, 1) <= 0 || key == 'q' || key == 'Q')) return Event::quit;
  return Event::elapsed;
}

}  // namespace clawpatrol::cpctl
