// Any bytes as the first message of a TLS client.
#include <cstdlib>
#include <string_view>

#include "parsers/tls/client_hello.h"

using namespace clawpatrol;
using namespace clawpatrol::tls;

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  std::string_view bytes(data, size);
  auto step = read_client_hello(bytes);
  if (auto* more = std::get_if<NeedMore>(&step))
    if (more->at_least <= size) std::abort();
  if (auto* parsed = std::get_if<Parsed<ClientHello>>(&step))
    if (parsed->size > size || parsed->event.server_name.size() > 253) std::abort();
  return 0;
}
