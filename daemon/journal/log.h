// Where both programs say what goes on: standard error, which under systemd is the journal. A message that
// has an id (messages.h) goes to the journal by its own protocol (systemd: "Native Journal Protocol"), since
// nothing that is written to standard error can carry one.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string_view>

#include "daemon/journal/messages.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::journal {

inline constexpr const char* socket_path = "/run/systemd/journal/socket";

// Whether what is open as `fd` is what systemd connected to the journal: `stream` is $JOURNAL_STREAM.
bool leads_to_journal(int fd, std::string_view stream);

// The journal's socket. One that is not connected sends nothing.
class Socket {
 public:
  Socket() = default;
  static Socket connect(const std::filesystem::path& path);

  // One entry of the journal, or none: false where the journal does not take it at once. `text` is at most
  // longest_text; newlines in it are the message's own and begin no field.
  bool send(std::string_view program, const Described& what, std::string_view text) const;
  // What a datagram certainly has room for. The protocol hands over longer ones in a memory file, which
  // clawpatrold's filter of system calls rightly forbids.
  static constexpr std::size_t longest_text = 64 << 10;

 private:
  explicit Socket(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// As standard error is, this is one for the process. First thing in main, while there is one thread and
// nothing is forbidden yet; `program`, a literal, stands before each line.
void open_log(std::string_view program);

// Any thread. Control bytes but newline and tab are escaped. Nothing is lost: what the journal's socket does
// not take is written to standard error.
void say(std::string_view text);
void say(Message message, std::string_view text);

// What of a message goes to the journal in one entry; the rest, from a line's beginning where there is one,
// follows on standard error.
std::string_view first_part(std::string_view text);

}  // namespace clawpatrol::journal
