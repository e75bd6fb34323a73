// Names asked of the system's resolver (getaddrinfo: /etc/hosts, DNS, whatever nsswitch says), which blocks,
// on threads of their own: for agents that ask, for connections to upstreams, and for the gateway itself.
// Peers are served in turn and each has a share, so that one peer's slow names do not become another's; names
// in /etc/hosts wait for no other name at all (attacks.md, 28).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ring/ring.h"
#include "policy/address.h"

namespace clawpatrol {

struct Resolved {
  enum class Outcome : std::uint8_t {
    found,
    no_such_name,
    no_address,  // the name is there, without an address
    failed,      // nobody answered, or too late
    crowded,     // too many lookups of this peer are waiting already
  };
  Outcome outcome = Outcome::failed;
  std::vector<Address> addresses{};  // of both families, as the system orders them
  // Whether it says for certain which addresses the name has.
  bool certain() const { return outcome != Outcome::failed && outcome != Outcome::crowded; }
};

// One blocking lookup of an absolute name without a dot at its end.
Resolved ask_system(const std::string& name);

class Lookups {
 public:
  struct Options {
    std::size_t threads = 32;
    // The last of the threads are for peers for whom nothing runs: so many peers, and not only one, must
    // conspire before another waits.
    std::size_t threads_for_first = 8;
    std::size_t running_per_peer = 3;
    std::size_t waiting_per_peer = 64;  // names; who asks for one that is asked already waits with the rest
    std::size_t waiters_per_peer = 2048;
    std::function<Resolved(const std::string&)> ask = ask_system;  // for tests
    std::function<bool(const std::string&)> is_local;              // for tests; none: names in /etc/hosts
  };
  Lookups() : Lookups(Options{}) {}
  explicit Lookups(Options options);
  // After the tasks that wait in resolve() have ended. Does not wait for lookups that still run: their
  // threads end by themselves and touch nothing of ours.
  ~Lookups();
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  // Every resolve() that waits, now or later, ends within 300 ms as failed. Any thread.
  void stop();

  // `peer_id` 0 is the gateway itself. Past the deadline: failed; a name that nobody waits for any more is
  // not asked. Names are absolute: the host's search list is not used.
  Task<Resolved> resolve(Ring& ring, std::uint32_t peer_id, std::string name, Deadline deadline);

 private:
  struct Waiter;
  struct Job;
  struct Lane;
  struct State;
  static void serve(std::shared_ptr<State> state, Lane& lane);
  std::shared_ptr<State> state_;  // with the threads, which may outlive this
};

}  // namespace clawpatrol
