#include "cpctl/json_lines.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "parsers/json.h"

namespace clawpatrol::cpctl {
namespace {

// What a descriptor gives, piece by piece.
class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}

  enum class Outcome : std::uint8_t { line, too_long, end, failed };
  // Without its newline; the last one need not have any.
  Outcome next(std::string& line) {
    line.clear();
    bool any = false, too_long = false;
    for (;;) {
      const std::size_t end = buffer_.find('\n', at_);
      const std::size_t part = (end == std::string::npos ? buffer_.size() : end) - at_;
      any |= part > 0 || end != std::string::npos;
      too_long |= line.size() + part > longest_input;
      if (!too_long) line.append(buffer_, at_, part);
      at_ += part;
      if (end != std::string::npos) {
        ++at_;
        return too_long ? Outcome::too_long : Outcome::line;
      }
      if (!fill()) break;
    }
    if (error_ != 0) return Outcome::failed;
    return too_long ? Outcome::too_long : any ? Outcome::line : Outcome::end;
  }
  std::string error() const { return std::string("cannot read standard input: ") + std::strerror(error_); }

  // False at the end, or when it failed.
  bool fill() {
    buffer_.resize(std::size_t{64} * 1024);
    at_ = 0;
    ssize_t count = 0;
    do count = ::read(fd_, buffer_.data(), buffer_.size());
    while (count < 0 && errno == EINTR);
    if (count < 0) error_ = errno;
    buffer_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return count > 0;
  }
  bool failed() const { return error_ != 0; }
  const std::string& buffer() const { return buffer_; }

 private:
  int fd_;
  std::string buffer_;
  std::size_t at_ = 0;
  int error_ = 0;
};

std::expected<std::string, std::string> answer_line(const std::string& line, const LineAnswer& answer) {
  auto message = control::Message::parse(line);
  if (!message) return std::unexpected("this line: " + message.error());
  // Of two readings neither is what the line says.
  if (std::string_view problem = json_problem(line); !problem.empty())
    return std::unexpected("this line: " + std::string(problem));
  return answer(*message);
}

std::string error_line(std::string_view why) {
  return control::JsonObject().add("error", why).text();
}

}  // namespace

int answer_lines(Context context, const LineAnswer& answer) {
  Console& console = context.console;
  Input input(console.in());
  int status = exit_ok;
  std::string line;
  while (!console.broken()) {
    const Input::Outcome outcome = input.next(line);
    if (outcome == Input::Outcome::end) return status;
    if (outcome == Input::Outcome::failed) {
      console.complain(input.error());
      return exit_no;
    }
    std::expected<std::string, std::string> text = outcome == Input::Outcome::too_long
                                                       ? std::unexpected("this line is longer than 64 MiB")
                                                       : answer_line(line, answer);
    if (!text) status = exit_no;
    console.line(text ? *text : error_line(text.error()));
  }
  return status;
}

std::expected<std::string, std::string> read_input(Console& console) {
  Input input(console.in());
  std::string text;
  while (input.fill()) {
    text += input.buffer();
    if (text.size() > longest_input) return std::unexpected("standard input is longer than 64 MiB");
  }
  if (input.failed()) return std::unexpected(input.error());
  return text;
}

}  // namespace clawpatrol::cpctl
