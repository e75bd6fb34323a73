#include "daemon/gateway/dns/tcp.h"

#include <array>

#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/sockets.h"

namespace clawpatrol {

namespace {

constexpr auto message_time = std::chrono::seconds(10);

// The next whole message; nothing: the end, an error, or too late. Takes it out of `buffer`.
Task<std::optional<std::string>> next_query(Ring& ring, int socket, std::string& buffer) {
  Deadline deadline = Deadline::after(message_time);
  while (true) {
    auto step = dns::next_message(buffer);
    if (std::holds_alternative<Malformed>(step)) co_return std::nullopt;
    if (auto* parsed = std::get_if<Parsed<std::string_view>>(&step)) {
      std::string message(parsed->event);
      buffer.erase(0, parsed->size);
      co_return message;
    }
    std::array<char, 1024> chunk;
    std::int32_t size = co_await ring.recv(socket, chunk, deadline);
    if (size <= 0) co_return std::nullopt;
    buffer.append(chunk.data(), static_cast<std::size_t>(size));
  }
}

Task<void> converse(Worker& worker, NameService& service, int socket, std::shared_ptr<const Peer> peer,
                    Address source) {
  std::string buffer;  // never more than a message and a chunk
  while (!service.stopping()) {
    auto message = co_await next_query(worker.ring(), socket, buffer);
    if (!message) co_return;
    auto begun = service.begin(peer, source, *message, Transport::tcp);
    std::string answer;
    if (auto* asked = std::get_if<NameService::Asked>(&begun))
      answer = co_await service.look_up(worker, std::move(*asked));
    else
      answer = std::move(std::get<std::string>(begun));
    if (answer.empty()) co_return;
    std::string framed = dns::framed(answer);
    if (!co_await worker.ring().send_all(socket, framed, Deadline::after(message_time))) co_return;
  }
}

}  // namespace

Task<void> serve_dns_tcp(Worker& worker, Fd socket, std::shared_ptr<const Peer> peer) {
  NameService& service = *worker.shared().name_service;
  auto source = peer_address(socket.get());
  if (!source) co_return;
  std::uint32_t peer_id = peer->id;
  if (!service.enter(socket.get(), peer_id)) {
    worker.shared().refusals.count("dns: too many TCP connections", peer_id);
    reset(std::move(socket));
    co_return;
  }
  co_await converse(worker, service, socket.get(), std::move(peer), source->address);
  service.leave(socket.get(), peer_id);
}

}  // namespace clawpatrol
