#include "daemon/gateway/agent_tls.h"

#include <algorithm>
#include <optional>

#include "daemon/gateway/leaves.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

namespace {

// RFC 8446, 6.
enum class Alert : std::uint8_t {
  internal_error = 80,
  unrecognized_name = 112,
  no_application_protocol = 120
};

// In the clear, as the first and last thing that a server says.
Task<void> send_alert(Stream& agent, Alert alert, Deadline deadline) {
  constexpr char fatal = 2;
  const char record[] = {21, 3, 3, 0, 2, fatal, static_cast<char>(alert)};
  (void)co_await agent.send_all({record, sizeof record}, deadline);
}

// "" where none is offered and none needs to be; nothing: there is no protocol to speak.
std::optional<std::string> agreed(const tls::ClientHello& hello, const Protocols& protocols) {
  if (hello.protocols.empty() && protocols.offer == Protocols::Offer::optional) return "";
  for (std::string_view protocol : protocols.ours)
    if (std::ranges::find(hello.protocols, protocol) != hello.protocols.end()) return std::string(protocol);
  return std::nullopt;
}

// A leaf that another thread is at work on.
struct LeafWait {
  explicit LeafWait(Ring& ring) : arrived(ring) {}
  Event arrived;
  bool done = false;
  Leaves::Leaf leaf;
};

// Null: none by the deadline, or the peer has asked for too many.
Task<Leaves::Leaf> leaf_for(Worker& worker, std::uint32_t peer_id, std::string name, tls::KeyKind kind,
                            Deadline deadline) {
  Leaves* leaves = worker.shared().leaves.get();
  if (!leaves) co_return nullptr;
  auto kept = leaves->find(name, kind, now_unix_ns() / 1'000'000'000);
  if (kept) co_return kept;
  auto wait = std::make_shared<LeafWait>(worker.ring());
  Ring* ring = &worker.ring();
  const bool coming =
      leaves->ask(peer_id, std::move(name), kind, ring->now(), [ring, wait](Leaves::Leaf leaf) {
        ring->post([wait, leaf = std::move(leaf)] {
          wait->leaf = leaf;
          wait->done = true;
          wait->arrived.notify();
        });
      });
  while (coming && !wait->done) {
    const bool in_time = co_await wait->arrived.wait(deadline);
    if (!in_time) break;
  }
  co_return wait->leaf;
}

const char* what_failed(std::string_view why) {
  for (std::string_view distrust : {"unknown ca", "bad certificate", "certificate unknown"})
    if (why.find(distrust) != std::string_view::npos)
      return "TLS: the agent does not trust the gateway's authority";
  return "TLS with an agent failed";
}

// Of the peer with its key, and the name: nobody else resumes what they began (attacks.md, 15).
std::string ticket_owner(const ClaimedFlow& claimed, std::string_view name) {
  return std::to_string(claimed.peer->id) + "/" + std::to_string(claimed.peer->key_fingerprint) + "/" +
         claimed.endpoint_facets.name + "/" + std::string(name);
}

// The answer to the ClientHello, with its signature, is made before the first wait: the dear part of a
// handshake, charged to the peer (attacks.md, 28).
Task<std::expected<void, Error>> begin(Worker& worker, Stream& agent, std::uint32_t peer_id,
                                       tls::Serving serving, std::string peeked, Deadline deadline) {
  PeerTurns::Work work(worker.turns(), peer_id);
  return agent.accept(worker.shared().server_context, std::move(serving), std::move(peeked), deadline);
}

}  // namespace

Task<void> refuse_name(Stream& agent, Deadline deadline) {
  return send_alert(agent, Alert::unrecognized_name, deadline);
}

Task<std::expected<AgentTls, TlsRefusal>> accept_tls(Worker& worker, Stream& agent,
                                                     const ClaimedFlow& claimed, Opening opening,
                                                     Protocols protocols, Deadline deadline) {
  if (!opening.hello) co_return std::unexpected(TlsRefusal{"no TLS where TLS is spoken", ""});
  const tls::ClientHello& hello = *opening.hello;
  if (!hello.server_name.empty() && hello.server_name != claimed.dest.host) {
    co_await refuse_name(agent, deadline);
    co_return std::unexpected(TlsRefusal{"TLS for another name than the one that was dialled", ""});
  }
  auto protocol = agreed(hello, protocols);
  if (!protocol) {
    co_await send_alert(agent, Alert::no_application_protocol, deadline);
    co_return std::unexpected(TlsRefusal{"TLS for a protocol that is not served", ""});
  }
  const tls::KeyKind kind = hello.takes_ecdsa ? tls::KeyKind::ecdsa : tls::KeyKind::rsa;
  auto leaf = co_await leaf_for(worker, claimed.peer->id, claimed.dest.host, kind, deadline);
  if (!leaf) {
    co_await send_alert(agent, Alert::internal_error, deadline);
    co_return std::unexpected(TlsRefusal{"no certificate for an agent: too many names asked for", ""});
  }
  AgentTls agreement{.name = hello.server_name, .protocol = *protocol};
  co_await worker.turns().turn(claimed.peer->id);
  auto accepting = begin(worker, agent, claimed.peer->id,
                         {.leaf = std::move(leaf),
                          .name = agreement.name,
                          .protocol = agreement.protocol,
                          .bound_to = ticket_owner(claimed, agreement.name)},
                         std::move(opening.bytes), deadline);
  auto accepted = co_await accepting;
  if (!accepted)
    co_return std::unexpected(TlsRefusal{what_failed(accepted.error().what), accepted.error().what});
  co_return agreement;
}

}  // namespace clawpatrol
