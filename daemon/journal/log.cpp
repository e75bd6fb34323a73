#include "daemon/journal/log.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace clawpatrol::journal {

namespace {

// Never destroyed: threads may speak until the process ends.
struct Opened {
  std::string program;
  Socket socket;
};
Opened& opened() {
  static Opened& log = *new Opened;
  return log;
}

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= ' ' && byte != 0x7f) || c == '\n' || c == '\t')
      shown += c;
    else
      shown += fmt::format("\\x{:02x}", byte);
  }
  return shown;
}

void write_to_standard_error(std::string_view text) {
  std::string line = opened().program;
  line += line.empty() ? "" : ": ";
  line += text;
  line += '\n';
  for (std::string_view left = line; !left.empty();) {
    const ssize_t size = ::write(2, left.data(), left.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    left.remove_prefix(static_cast<std::size_t>(size));
  }
}

// KEY=value where the value is one line; else KEY, the value's size in 64 bits (little-endian), the value.
void add_field(std::string& out, std::string_view key, std::string_view value) {
  out += key;
  if (value.find('\n') == value.npos) {
    out += '=';
  } else {
    out += '\n';
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value.size() >> shift);
  }
  out += value;
  out += '\n';
}

}  // namespace

bool leads_to_journal(int fd, std::string_view stream) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && stream == fmt::format("{}:{}", info.st_dev, info.st_ino);
}

Socket Socket::connect(const std::filesystem::path& path) {
  sockaddr_un address{};
  if (path.native().size() >= sizeof address.sun_path) return {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return Socket(std::move(fd));
}

bool Socket::send(std::string_view program, const Described& what, std::string_view text) const {
  if (!fd_ || text.size() > longest_text) return false;
  std::string entry;
  add_field(entry, "MESSAGE_ID", what.id);
  add_field(entry, "PRIORITY", std::to_string(what.priority));
  add_field(entry, "SYSLOG_IDENTIFIER", program);
  add_field(entry, "MESSAGE", text);
  // Never waits: whoever speaks may hold a lock, and standard error has room of its own.
  const ssize_t sent = ::send(fd_.get(), entry.data(), entry.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(entry.size());
}

std::string_view first_part(std::string_view text) {
  if (text.size() <= Socket::longest_text) return text;
  const std::size_t line_end = text.rfind('\n', Socket::longest_text - 1);
  return text.substr(0, line_end == text.npos ? Socket::longest_text : line_end + 1);
}

void open_log(std::string_view program) {
  opened().program = program;
  const char* stream = std::getenv("JOURNAL_STREAM");
  if (stream && leads_to_journal(2, stream)) opened().socket = Socket::connect(socket_path);
}

void say(std::string_view text) {
  write_to_standard_error(printable(text));
}

void say(Message message, std::string_view text) {
  const Described* what = description_of(message);
  if (!what) return say(text);
  std::string shown = printable(text);
  while (shown.ends_with('\n')) shown.pop_back();
  const std::string_view first = first_part(shown);
  if (!opened().socket.send(opened().program, *what, first)) return write_to_standard_error(shown);
  if (first.size() < shown.size()) write_to_standard_error(std::string_view(shown).substr(first.size()));
}

}  // namespace clawpatrol::journal
