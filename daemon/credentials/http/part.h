// A part of a body that an agent asks for (Range, RFC 9110, 14). A secret could stand across an edge of it,
// where half of one is not recognised: so more is asked for on either side, all of it searched, and then cut
// to what the agent wanted. To say that there are no parts would not do: aws writes a whole body in the place
// of each part.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "parsers/http/message.h"

namespace clawpatrol::credentials {

class Part {
 public:
  // Takes what the head asks for, and asks for `margin` bytes more on either side; nothing of it is left
  // where that is not one part of what GET gives: the whole is then asked for.
  static std::optional<Part> widen(http::RequestHead& head, std::uint64_t margin);

  // Of a 206: its head becomes that of the part that the agent asked for, or 416 where there is none. The
  // error, a literal: this is another part than the one asked for.
  std::expected<void, std::string_view> narrow(http::ResponseHead& head);
  // Of the body's bytes, in their order, those that the agent gets.
  std::string_view cut(std::string_view bytes);
  bool is_whole() const { return left_ == 0; }

 private:
  std::optional<std::uint64_t> first_, last_;  // without a first the last `last_` bytes
  std::uint64_t margin_ = 0;
  std::uint64_t skip_ = 0, left_ = 0;
};

}  // namespace clawpatrol::credentials
