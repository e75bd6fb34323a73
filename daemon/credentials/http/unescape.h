// One reading of escaped text: %41, \u0041, \x41, \/, &#65;, &#x41;, &amp;. A stream of bytes, each with
// where it stood, becomes a stream of bytes, each with where what it was written as began. What is no escape,
// or is not finished like one, stands for itself. Line ends within are left out, since base64 is folded with
// them.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>

namespace clawpatrol::credentials {

struct Token {
  unsigned char byte = 0;
  std::uint64_t begin = 0, end = 0;  // of what it was written as, in the stream
};

class Unescape {
 public:
  static constexpr std::size_t longest_escape = 12;  // \ud83d\ude00

  // Calls emit(Token, is_left_out) for each byte that is certain now: a line end that is left out is none of
  // the text, and still ends an escape that is not whole. And behind what an escape stands for
  // otherwise(std::span<const Token>): what it is but for its first byte, where that stands for itself.
  template <class Emit, class Otherwise>
  void feed(Token token, Emit emit, Otherwise otherwise) {
    if (size_ == 0 && !is_special(token.byte)) {
      line_ends_ = 0;
      emit(token, false);
      return;
    }
    pending_[size_++] = token;
    while (size_ > 0) {
      const Reading reading = read();
      if (reading.used == 0) return;  // more must come
      const std::uint64_t begin = pending_[0].begin, end = pending_[reading.used - 1].end;
      for (std::size_t i = 0; i < reading.size; ++i) pass({reading.bytes[i], begin, end}, emit);
      if (reading.used > 1) otherwise(std::span<const Token>(pending_).subspan(1, reading.used - 1));
      for (std::size_t i = reading.used; i < size_; ++i) pending_[i - reading.used] = pending_[i];
      size_ -= reading.used;
    }
  }

  bool idle() const { return size_ == 0; }
  // Where what is not certain yet begins; only where not idle.
  std::uint64_t pending_since() const { return pending_[0].begin; }
  void reset() { size_ = line_ends_ = 0; }

  static constexpr bool is_escape(unsigned char c) { return c == '%' || c == '\\' || c == '&'; }
  static constexpr bool is_special(unsigned char c) { return is_escape(c) || c == '\r' || c == '\n'; }

 private:
  static constexpr std::size_t longest_entity = 10;  // &#x000041;
  static constexpr std::size_t most_line_ends = 4;   // in a row that are left out

  struct Reading {
    std::size_t used = 0;  // of pending_; 0: more must come
    std::size_t size = 0;
    std::array<unsigned char, 4> bytes{};
  };

  template <class Emit>
  void pass(Token token, Emit emit) {
    const bool line_end = token.byte == '\r' || token.byte == '\n';
    line_ends_ = line_end ? line_ends_ + 1 : 0;
    emit(token, line_end && line_ends_ <= most_line_ends);
  }

  Reading read() const;
  Reading percent() const;
  Reading backslash() const;
  Reading entity() const;
  Reading utf16() const;
  // Or what to do where there is none.
  std::expected<std::uint32_t, Reading> hex(std::size_t from, std::size_t digits) const;
  Reading hex_byte(std::size_t from) const;
  Reading literal() const { return {1, 1, {pending_[0].byte}}; }
  static Reading character(std::size_t used, std::uint32_t code);

  std::array<Token, longest_escape + 1> pending_{};
  std::size_t size_ = 0;
  std::size_t line_ends_ = 0;
};

}  // namespace clawpatrol::credentials
