#include "parsers/http1/body.h"

#include <algorithm>
#include <optional>

#include "parsers/http1/text.h"

namespace clawpatrol::http1 {
namespace {

// A quoted string of RFC 9110, 5.6.4, at the beginning of `text`; it is taken off.
bool take_quoted(std::string_view& text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\') ++i;
  }
  return false;
}

void take_token(std::string_view& text) {
  while (!text.empty() && is_token_char(text.front())) text.remove_prefix(1);
}

// *( ";" name [ "=" value ] ) without white space.
bool are_extensions(std::string_view text) {
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    const std::size_t before = text.size();
    take_token(text);
    if (text.size() == before) return false;
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    if (text.starts_with('"')) {
      if (!take_quoted(text)) return false;
      continue;
    }
    const std::size_t value = text.size();
    take_token(text);
    if (text.size() == value) return false;
  }
  return true;
}

struct ChunkLine {
  std::uint64_t size = 0;
  std::size_t extensions = 0;  // bytes
  std::size_t bytes = 0;       // of the line with its CRLF
};

std::variant<NeedMore, ChunkLine, Malformed> read_chunk_line(std::string_view buffer) {
  ChunkLine line;
  std::size_t digits = 0;
  while (digits < buffer.size() && hex_digit(buffer[digits]) >= 0) {
    if (digits == max_size_digits) return Malformed{"chunk size is too long"};
    line.size = line.size << 4 | static_cast<std::uint64_t>(hex_digit(buffer[digits++]));
  }
  if (digits == buffer.size()) return NeedMore{buffer.size() + 1};
  if (digits == 0 || (buffer[digits] != ';' && buffer[digits] != '\r')) return Malformed{"bad chunk size"};
  for (std::size_t i = digits; i < buffer.size(); ++i) {
    if (i + 1 >= max_chunk_line) return Malformed{"chunk extensions are too long"};
    const char c = buffer[i];
    if (c == '\r') {
      if (i + 1 == buffer.size()) return NeedMore{buffer.size() + 1};
      if (buffer[i + 1] != '\n') return Malformed{"bare CR after a chunk size"};
      line.extensions = i - digits;
      line.bytes = i + 2;
      if (!are_extensions(buffer.substr(digits, line.extensions))) return Malformed{"bad chunk extension"};
      return line;
    }
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f)
      return Malformed{"control byte in a chunk extension"};
  }
  return NeedMore{buffer.size() + 1};
}

// Of lines that LineScanner has accepted; none of them where `text` is only the empty one.
std::variant<End, Malformed> read_trailers(std::string_view text) {
  End end;
  for (std::size_t line = text.find("\r\n"); line > 0; line = text.find("\r\n")) {
    auto header = read_header(text.substr(0, line));
    if (!header) return header.error();
    end.trailers.push_back(*header);
    text.remove_prefix(line + 2);
  }
  return end;
}

}  // namespace

void BodyReader::begin(Framing framing, std::uint64_t length) {
  extensions_ = 0;
  left_ = length;
  switch (framing) {
    case Framing::none: state_ = State::end; break;
    case Framing::length: state_ = length > 0 ? State::bytes : State::end; break;
    case Framing::chunked: state_ = State::chunk_size; break;
    case Framing::until_close: state_ = State::until_close; break;
  }
}

Step<BodyEvent> BodyReader::next(std::string_view buffer) {
  switch (state_) {
    case State::bytes:
    case State::chunk_data: return data(buffer);
    case State::until_close:
      if (buffer.empty()) return NeedMore{1};
      return Parsed<BodyEvent>{Data{buffer}, buffer.size()};
    case State::chunk_size:
    case State::chunk_end: return chunk(buffer);
    case State::end: return Parsed<BodyEvent>{End{}, 0};
  }
  __builtin_unreachable();
}

Step<BodyEvent> BodyReader::data(std::string_view buffer) {
  if (buffer.empty()) return NeedMore{1};
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.size()));
  left_ -= size;
  if (left_ == 0) state_ = state_ == State::chunk_data ? State::chunk_end : State::end;
  return Parsed<BodyEvent>{Data{buffer.substr(0, size)}, size};
}

// The lines around chunks are no events: they are covered by the event that follows, or need more.
Step<BodyEvent> BodyReader::chunk(std::string_view buffer) {
  std::size_t before = 0;
  if (state_ == State::chunk_end) {
    if (!std::string_view("\r\n").starts_with(buffer.substr(0, 2)))
      return Malformed{"chunk is longer than its size"};
    if (buffer.size() < 2) return NeedMore{2};
    before = 2;
  }
  auto read = read_chunk_line(buffer.substr(before));
  if (auto* more = std::get_if<NeedMore>(&read)) return NeedMore{more->at_least + before};
  if (auto* wrong = std::get_if<Malformed>(&read)) return *wrong;
  const ChunkLine& line = std::get<ChunkLine>(read);
  if (extensions_ + line.extensions > max_extensions) return Malformed{"chunk extensions are too long"};
  before += line.bytes;
  if (line.size == 0) return trailers(buffer, before);
  if (buffer.size() == before) return NeedMore{before + 1};
  extensions_ += line.extensions;
  left_ = line.size;
  state_ = State::chunk_data;
  Step<BodyEvent> step = data(buffer.substr(before));
  std::get<Parsed<BodyEvent>>(step).size += before;
  return step;
}

// They begin behind `before` bytes of the buffer: the last chunk's line. An own scanner each time: nothing of
// them has been consumed, and they are short.
Step<BodyEvent> BodyReader::trailers(std::string_view buffer, std::size_t before) {
  LineScanner scanner;
  auto found = scanner.find_end(buffer.substr(before), max_trailers);
  if (auto* more = std::get_if<NeedMore>(&found)) return NeedMore{more->at_least + before};
  if (auto* wrong = std::get_if<Malformed>(&found)) return *wrong;
  const std::size_t size = std::get<Parsed<std::size_t>>(found).event;
  auto end = read_trailers(buffer.substr(before, size));
  if (auto* wrong = std::get_if<Malformed>(&end)) return *wrong;
  state_ = State::end;
  return Parsed<BodyEvent>{std::move(std::get<End>(end)), before + size};
}

}  // namespace clawpatrol::http1
