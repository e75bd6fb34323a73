// Any bytes as the first message of a TLS client; what is one stays the same in other records.
#include <cstdlib>
#include <string_view>

#include "parsers/tls/client_hello.h"

using namespace clawpatrol;
using namespace clawpatrol::tls;

namespace {

// The message without its records, then in two of other lengths.
bool same(const ClientHello& hello, std::string_view bytes) {
  std::string message, again;
  for (Reader reader(bytes); reader.left() > 0;) {
    reader.bytes(3);
    message += reader.bytes(reader.u16());
  }
  const std::size_t first = 1 + message.size() % 7;
  for (std::string_view piece :
       {std::string_view(message).substr(0, first), std::string_view(message).substr(first)})
    Writer(again).u8(22).u16(0x0303).u16(static_cast<std::uint16_t>(piece.size())).bytes(piece);
  auto step = read_client_hello(again);
  auto* parsed = std::get_if<Parsed<ClientHello>>(&step);
  return parsed && parsed->event == hello;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  std::string_view bytes(data, size);
  auto step = read_client_hello(bytes);
  if (auto* more = std::get_if<NeedMore>(&step))
    if (more->at_least <= size) std::abort();
  if (auto* parsed = std::get_if<Parsed<ClientHello>>(&step))
    if (parsed->size > size || parsed->event.server_name.size() > 253 ||
        !same(parsed->event, bytes.substr(0, parsed->size)))
      std::abort();
  return 0;
}
