// Where cpctl reads and writes: three descriptors, whether they are terminals, and how the answer is wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::cpctl {

enum class Format : std::uint8_t { text, json };

enum class Style : std::uint8_t { plain, bold, dim, good, bad, warning, accent };

struct Streams {
  int in = 0;
  int out = 1;
  int err = 2;
};

class Console {
 public:
  Console(Streams streams, Format format) : streams_(streams), format_(format) {}

  bool json() const { return format_ == Format::json; }
  int in() const { return streams_.in; }
  int out_fd() const { return streams_.out; }

  // All of it, whatever a pipe takes at once. After a failed write everything is dropped.
  void out(std::string_view text);
  void err(std::string_view text);
  // Between the two, errors are kept and not written: while a screen is drawn over them.
  void hold_errors() { holding_ = true; }
  void release_errors();
  void forget_held_errors() { held_.clear(); }
  void line(std::string_view text) { out(std::string(text) + "\n"); }
  // Each line of a text that holds what others wrote, printable.
  void lines(std::string_view text);
  // Printable text of any length under an indent, folded at the width of the terminal.
  void paragraph(std::size_t indent, const std::string& printable_text);
  bool broken() const { return broken_ != 0; }
  int broken_by() const { return broken_; }  // errno of that write; 0: none

  bool out_is_terminal() const;
  bool in_is_terminal() const;
  bool colour() const;  // of the output: a terminal, NO_COLOR unset or empty, TERM not dumb
  // Of the terminal, asked for at each call since it changes; nothing when the output is no terminal: do not
  // cut.
  std::optional<std::size_t> width() const;
  std::optional<std::size_t> height() const;

  // `text` in a style, when there is colour.
  std::string paint(Style style, std::string_view text) const;

  // `what failed: why`, then detail and hint, on the error stream.
  void complain(std::string_view what, std::string_view hint = "");

 private:
  Streams streams_;
  Format format_;
  int broken_ = 0;
  bool holding_ = false;
  std::string held_;
};

}  // namespace clawpatrol::cpctl
