#include "daemon/gateway/opening.h"

#include <array>

namespace clawpatrol {

namespace {

constexpr auto hello_time = std::chrono::seconds(10);

// What has come so far; nothing yet: more is needed, up to `wanted` bytes in all.
std::optional<Opening> judged(const std::string& bytes, std::size_t& wanted) {
  if (tls::may_be_sslv2(bytes)) {
    wanted = 4;
    if (bytes.size() < wanted) return std::nullopt;
    return Opening{.bytes = bytes, .problem = "guard: TLS without a server name"};
  }
  if (!tls::may_be_tls(bytes)) return Opening{.bytes = bytes};
  auto step = tls::read_client_hello(bytes);
  if (auto* more = std::get_if<NeedMore>(&step)) {
    wanted = more->at_least;
    return std::nullopt;
  }
  if (std::holds_alternative<Malformed>(step))
    return Opening{.bytes = bytes, .problem = "guard: TLS whose first message cannot be read"};
  return Opening{.bytes = bytes, .hello = std::move(std::get<Parsed<tls::ClientHello>>(step).event)};
}

}  // namespace

Task<Opening> read_opening(Ring& ring, int socket, Deadline first, std::string already) {
  std::string bytes = std::move(already);
  std::size_t wanted = 1;
  Deadline deadline = first;
  while (true) {
    if (bytes.size() >= wanted)
      if (auto opening = judged(bytes, wanted)) co_return std::move(*opening);
    std::array<char, 4096> chunk;
    std::int32_t size = co_await ring.recv(socket, chunk, deadline);
    // An end or an error comes again to whoever reads next.
    if (size <= 0 && bytes.empty()) co_return Opening{};
    if (size <= 0) co_return Opening{.bytes = bytes, .problem = "guard: TLS that ends in its first message"};
    if (bytes.empty()) deadline = Deadline::after(hello_time);
    bytes.append(chunk.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace clawpatrol
