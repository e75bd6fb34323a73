#include "cpctl/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cpctl/folded.h"
#include "cpctl/printable.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {
namespace {

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

std::string_view code_of(Style style) {
  switch (style) {
    case Style::plain: return "";
    case Style::bold: return "\x1b[1m";
    case Style::dim: return "\x1b[2m";
    case Style::good: return "\x1b[32m";
    case Style::bad: return "\x1b[31m";
    case Style::warning: return "\x1b[33m";
    case Style::accent: return "\x1b[36m";
  }
  return "";
}

std::optional<winsize> size_of(int fd) {
  winsize size{};
  if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return size;
}

}  // namespace

void Console::out(std::string_view text) {
  if (!broken_ && !write_whole(streams_.out, text)) broken_ = errno != 0 ? errno : EIO;
}

void Console::err(std::string_view text) {
  if (holding_)
    held_ += text;
  else
    write_whole(streams_.err, text);
}

void Console::lines(std::string_view text) {
  out(printable_lines(text));
}

void Console::paragraph(std::size_t indent, const std::string& text) {
  std::size_t columns = width().value_or(0);
  std::size_t room = columns > indent + 20 ? columns - indent : text.size() + 1;
  for (const std::string& piece : folded(text, room)) line(std::string(indent, ' ') + piece);
}

void Console::release_errors() {
  holding_ = false;
  err(held_);
  held_.clear();
}

bool Console::out_is_terminal() const {
  return isatty(streams_.out) == 1;
}
bool Console::in_is_terminal() const {
  return isatty(streams_.in) == 1;
}

bool Console::colour() const {
  const char* term = std::getenv("TERM");
  return !json() && out_is_terminal() && !is_set("NO_COLOR") && !(term && std::strcmp(term, "dumb") == 0);
}

std::optional<std::size_t> Console::width() const {
  auto size = size_of(streams_.out);
  if (!size) return std::nullopt;
  // A terminal that does not know its width (a serial line) has the traditional one.
  return size->ws_col == 0 ? 80 : size->ws_col;
}

std::optional<std::size_t> Console::height() const {
  auto size = size_of(streams_.out);
  if (!size) return std::nullopt;
  return size->ws_row == 0 ? 24 : size->ws_row;
}

std::string Console::paint(Style style, std::string_view text) const {
  std::string_view code = code_of(style);
  if (code.empty() || text.empty() || !colour()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", code, text);
}

void Console::complain(std::string_view what, std::string_view hint) {
  if (json()) {
    control::JsonObject error;
    error.add("message", what);
    if (!hint.empty()) error.add("hint", hint);
    control::JsonObject line = control::message_of_type("error");
    line.add_json("error", error.text());
    err(line.text() + "\n");
    return;
  }
  err(fmt::format("cpctl: {}\n", printable(what)));
  if (!hint.empty()) err(fmt::format("hint: {}\n", printable(hint)));
}

}  // namespace clawpatrol::cpctl
