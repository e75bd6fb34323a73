#include "daemon/netd/request.h"

#include <algorithm>
#include <cstring>

namespace clawpatrol::netd {
namespace {

// What a message does not use is zero: nothing hides there, and a later version may give it a meaning.
bool zero_beyond(const Message& message, std::size_t used) {
  return std::all_of(message.raw + used, message.raw + sizeof message.raw,
                     [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

std::expected<Message, std::string_view> parse_request(std::string_view datagram) {
  if (datagram.size() != sizeof(Message)) return std::unexpected("its size is not a message's");
  Message message;
  std::memcpy(&message, datagram.data(), sizeof message);
  if (message.version != protocol_version) return std::unexpected("it speaks another version");
  if (message.length != sizeof(Message)) return std::unexpected("its length field is wrong");
  switch (message.type) {
    case MessageType::hello:
      if (message.hello.workers < 1 || message.hello.workers > max_workers)
        return std::unexpected("too few or too many workers");
      if (!zero_beyond(message, sizeof message.hello))
        return std::unexpected("bytes beyond the message are not zero");
      return message;
    case MessageType::get_statistics:
    case MessageType::reload:
      if (!zero_beyond(message, 0)) return std::unexpected("bytes beyond the message are not zero");
      return message;
    default: return std::unexpected("not a message that netd takes");
  }
}

}  // namespace clawpatrol::netd
