#include "parsers/postgres/frame.h"

#include <algorithm>

namespace clawpatrol::postgres {
namespace {

// The largest message of a type that an agent may send; 0: no such type.
std::uint32_t frontend_limit(char type) {
  switch (type) {
    case 'Q':
    case 'P':
    case 'B':
    case 'F':
    case 'd': return largest_message;
    case 'p': return largest_password;
    case 'D':
    case 'E':
    case 'C':
    case 'H':
    case 'S':
    case 'c':
    case 'f':
    case 'X': return largest_small_message;
    default: return 0;
  }
}

std::uint32_t backend_limit(char type) {
  switch (type) {
    case 'R':
    case 'S':
    case 'K':
    case 'E':
    case 'N':
    case 'Z':
    case '1':
    case '2':
    case '3':
    case 'C':
    case 'I':
    case 's':
    case 't':
    case 'T':
    case 'n':
    case 'G':
    case 'H':
    case 'W':
    case 'A':
    case 'V':
    case 'v':
    case 'D':
    case 'd':
    case 'c': return largest_message;
    default: return 0;
  }
}

// What only passes by: its type and length are all that a session must know.
bool streams(Side side, char type) {
  if (side == Side::frontend) return type == 'd';
  return type == 'D' || type == 'd' || type == 'T' || type == 't' || type == 'V' || type == 'A' ||
         type == 'N';
}

}  // namespace

Step<Frame> FrameStream::part(std::string_view bytes) const {
  if (bytes.empty()) return NeedMore{1};
  std::string_view body = bytes.substr(0, std::min<std::size_t>(left_, bytes.size()));
  Frame frame{
      .type = type_, .begins = false, .ends = body.size() == left_, .size = size_, .body = body, .raw = body};
  return Parsed<Frame>{frame, body.size()};
}

Step<Frame> FrameStream::peek(std::string_view bytes) const {
  if (left_ > 0) return part(bytes);
  if (bytes.empty()) return NeedMore{header_size};
  const char type = bytes[0];
  const std::uint32_t limit = side_ == Side::frontend ? frontend_limit(type) : backend_limit(type);
  if (limit == 0) return Malformed{"message of an unknown type"};
  if (bytes.size() < header_size) return NeedMore{header_size};
  const std::uint32_t length = Reader(bytes.substr(1)).u32();
  if (length < 4) return Malformed{"message length below 4"};
  if (length > limit) return Malformed{"message longer than its type allows"};
  const std::uint32_t size = length + 1;
  const std::size_t wanted = streams(side_, type) ? header_size : std::min<std::size_t>(size, whole_limit_);
  if (bytes.size() < wanted) return NeedMore{wanted};
  std::string_view raw = bytes.substr(0, size);
  Frame frame{.type = type,
              .begins = true,
              .ends = raw.size() == size,
              .size = size,
              .body = raw.substr(header_size),
              .raw = raw};
  return Parsed<Frame>{frame, raw.size()};
}

void FrameStream::take(const Frame& frame) {
  if (frame.begins) {
    type_ = frame.type;
    size_ = frame.size;
    left_ = frame.size;
  }
  left_ -= static_cast<std::uint32_t>(frame.raw.size());
}

}  // namespace clawpatrol::postgres
