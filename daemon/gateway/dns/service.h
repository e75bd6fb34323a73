// The resolver that agents talk to: names of endpoints have virtual addresses; other names are refused, or
// under `unknown_host = "passthrough"` resolved as an audited action (docs/config.md; attacks.md, 13, 21 and
// 22).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "daemon/gateway/dns/answer_cache.h"
#include "daemon/gateway/dns/limits.h"
#include "daemon/gateway/dns/lookups.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/guard.h"
#include "daemon/gateway/names.h"
#include "daemon/ring/fd.h"
#include "parsers/dns/answer.h"
#include "parsers/dns/query.h"

namespace clawpatrol {

enum class Transport : std::uint8_t { udp, tcp };

// One for the gateway. Built before the workers run; stop() and the end of their tasks come before it is
// destroyed.
class NameService {
 public:
  static constexpr std::chrono::seconds lookup_time{5};
  static constexpr std::size_t tcp_connections_per_peer = 16;

  explicit NameService(Shared& shared, Lookups::Options lookups = {});

  // Answers what comes in on a UDP socket of netd's (any family; bound to the port that is asked), in place
  // of the one before of the same family. On the worker's own thread.
  void listen(Worker& worker, Fd socket, Family family);
  // Keeps the addresses of exact endpoints known to the guard, while the policy needs them. On the worker's
  // thread.
  void follow_endpoints(Worker& worker);
  // Ends listening, following and TCP connections; their tasks end within 300 ms. Any thread.
  void stop();
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // A query that has been read, and who asks.
  struct Asked {
    std::shared_ptr<const Peer> peer;
    std::shared_ptr<const Policy> policy;
    PeerFacets facets;
    dns::Query query;
    Transport transport = Transport::udp;
  };
  // The answer, "" where none is due; or what to give to look_up().
  using Begun = std::variant<std::string, Asked>;
  Begun begin(std::shared_ptr<const Peer> peer, const Address& source, std::string_view message,
              Transport transport);
  Task<std::string> look_up(Worker& worker, Asked asked);

  // Resolves a name that is no endpoint's for a peer: from what is warm for it, else as a recorded action, if
  // its rate and the rules allow. `type` is the facet's.
  struct Looked {
    Resolved resolved{};
    std::chrono::seconds left{0};  // of its lifetime
    std::string refusal{};         // a rule's reason, where one refused it
  };
  Task<Looked> look_up_for(Worker& worker, std::shared_ptr<const Policy> policy, std::uint32_t peer_id,
                           PeerFacets peer, DnsFacets question);

  // A TCP connection's place among its peer's, and in what stop() ends. False: it has none, and is to be
  // reset.
  bool enter(int socket, std::uint32_t peer_id);
  void leave(int socket, std::uint32_t peer_id);

  // Resolves a name for a connection of this peer's, or (0) for the gateway's own purposes; feeds nothing and
  // is not audited.
  Task<Resolved> resolve(Ring& ring, std::uint32_t peer_id, std::string name, Deadline deadline);

  // Whether this peer may cause another lookup this second; counted where not.
  bool take_lookup(const Policy& policy, std::uint32_t peer_id);

  SeenAddresses& seen() { return seen_; }

 private:
  static Task<void> follow(NameService& service, Worker& worker);
  static Task<void> follow_one(NameService& service, Worker& worker, std::string host);
  std::optional<std::string> answer_claimed(const Asked& asked, bool exact);
  std::string answer_resolved(const Asked& asked, const Resolved& resolved, std::chrono::seconds ttl);
  static std::string built(const Asked& asked, const dns::Answer& answer);

  Shared& shared_;
  Lookups lookups_;
  AnswerCache cache_;
  PeerRates rates_;
  SeenAddresses seen_;
  PeerCounts connections_;
  std::atomic<bool> stopping_{false};
  std::shared_ptr<std::atomic<bool>> listeners_[2];  // set to true: that one ends. Of the worker's thread
  std::mutex sockets_mutex_;
  std::set<int> sockets_;  // of TCP connections that live
};

}  // namespace clawpatrol
