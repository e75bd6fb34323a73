// How every parser here speaks: bytes in; need more, one event, or malformed out.
//
// Bytes are std::string_view and std::string throughout: char is the byte type. Integers on the wire are
// big-endian (network byte order).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

namespace clawpatrol {

// Call again once at least this many bytes, counted from the start of the same buffer, are there.
struct NeedMore {
  std::size_t at_least;
  bool operator==(const NeedMore&) const = default;
};

// The event covers the first `size` bytes of the buffer; its views die with the caller's next read.
template <class Event>
struct Parsed {
  Event event;
  std::size_t size;
};

// `why` is a literal, safe to log: never the peer's bytes.
struct Malformed {
  std::string_view why;
  bool operator==(const Malformed&) const = default;
};

template <class Event>
using Step = std::variant<NeedMore, Parsed<Event>, Malformed>;

// Reads a structure field by field. A short read makes it fail and stay failed (and return zeros and empty
// views), so a structure is read first and checked once with complete() or ok().
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint8_t u8() { return integer<std::uint8_t>(); }
  std::uint16_t u16() { return integer<std::uint16_t>(); }
  std::uint32_t u32() { return integer<std::uint32_t>(); }
  std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }

  std::string_view bytes(std::size_t count) {
    if (failed_ || count > bytes_.size()) return fail();
    std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  // Up to, and without, the NUL that must be there; the NUL is consumed.
  std::string_view cstring() {
    if (failed_) return fail();
    std::size_t end = bytes_.find('\0');
    if (end == std::string_view::npos) return fail();
    std::string_view taken = bytes_.substr(0, end);
    bytes_.remove_prefix(end + 1);
    return taken;
  }

  std::string_view rest() {
    std::string_view taken = bytes_;
    bytes_ = {};
    return taken;
  }

  std::size_t left() const { return bytes_.size(); }
  bool ok() const { return !failed_; }
  bool complete() const { return !failed_ && bytes_.empty(); }  // everything read, nothing trailing

 private:
  std::string_view fail() {
    failed_ = true;
    bytes_ = {};
    return {};
  }

  template <class Unsigned>
  Unsigned integer() {
    Unsigned value = 0;
    std::string_view raw = bytes(sizeof value);
    if (raw.size() != sizeof value) return 0;
    std::memcpy(&value, raw.data(), sizeof value);
    if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
    return value;
  }

  std::string_view bytes_;
  bool failed_ = false;
};

// Appends fields to a message under construction.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& u8(std::uint8_t value) { return integer(value); }
  Writer& u16(std::uint16_t value) { return integer(value); }
  Writer& u32(std::uint32_t value) { return integer(value); }
  Writer& bytes(std::string_view raw) {
    out_.append(raw);
    return *this;
  }
  // The caller has made sure that `text` holds no NUL.
  Writer& cstring(std::string_view text) {
    out_.append(text);
    out_.push_back('\0');
    return *this;
  }

 private:
  template <class Unsigned>
  Writer& integer(Unsigned value) {
    if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out_.append(raw, sizeof value);
    return *this;
  }

  std::string& out_;
};

}  // namespace clawpatrol
