// Any bytes as a WebSocket's frames, of either side: read whole, and again cut where the first byte says, the
// events are the same.
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/json.h"
#include "parsers/websocket/extensions.h"
#include "parsers/websocket/frame.h"
#include "parsers/websocket/message.h"

using namespace clawpatrol;
using namespace clawpatrol::websocket;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

std::string read(std::string_view bytes, std::size_t step, Sender sender, Deflate deflate) {
  FrameReader reader(sender, deflate);
  FrameHead head;
  std::string told;
  std::uint64_t left = 0;
  std::size_t done = 0, end = 0;
  while (true) {
    const std::string buffer(bytes.substr(done, end - done));  // a copy, so that reading past it is seen
    auto next = reader.next(buffer);
    if (auto* wrong = std::get_if<Malformed>(&next)) return told + "malformed: " + std::string(wrong->why);
    if (auto* more = std::get_if<NeedMore>(&next)) {
      check(more->at_least > buffer.size());
      if (end == bytes.size()) return told + (reader.between_frames() ? "" : "more");
      end = std::min(bytes.size(), end + step);
      continue;
    }
    auto& parsed = std::get<Parsed<Event>>(next);
    check(parsed.size <= buffer.size() && parsed.size > 0);
    done += parsed.size;
    if (auto* came = std::get_if<FrameHead>(&parsed.event)) {
      check(left == 0 && (came->message != Opcode::continuation));
      head = *came;
      left = head.size;
      told += "\n" + std::string(name_of(head.opcode)) + " " + std::to_string(head.size) +
              (head.final ? "." : "");
    } else {
      const auto& payload = std::get<Payload>(parsed.event);
      check(!payload.bytes.empty() && payload.bytes.size() <= left && payload.offset == head.size - left);
      left -= payload.bytes.size();
      unmask(payload.bytes, head.mask, payload.offset, told);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t step = 1 + static_cast<unsigned char>(data[0]) % 61;
  const std::string_view bytes(data + 1, size - 1);
  for (Sender sender : {Sender::client, Sender::server})
    for (Deflate deflate : {Deflate::no, Deflate::negotiated})
      check(read(bytes, bytes.size() + 1, sender, deflate) == read(bytes, step, sender, deflate));
  (void)facets_of(Sender::client, Opcode::text, std::string(bytes));
  const std::string offered = known_offers(bytes);
  check(known_offers(offered) == offered);
  (void)settled(bytes, "permessage-deflate");
  // A close of ours is one, whatever its reason.
  FrameReader reader(Sender::server, Deflate::no);
  if (is_utf8(bytes))
    check(!std::holds_alternative<Malformed>(reader.next(close_frame(Sender::server, 1008, bytes))));
  return 0;
}
