// Names asked of the system's resolver (getaddrinfo: /etc/hosts, DNS, whatever nsswitch says), which blocks,
// on threads of their own. Peers are served in turn and each has a share, so that one peer's slow names do
// not become another's (attacks.md, 28).
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
    crowded,     // too many lookups are waiting already
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
    std::size_t threads = 8;
    std::size_t running_per_peer = 3;
    std::size_t waiting_per_peer = 64;
    std::function<Resolved(const std::string&)> ask = ask_system;  // for tests
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

  // `peer_id` 0 is the gateway itself. Past the deadline: failed.
  Task<Resolved> resolve(Ring& ring, std::uint32_t peer_id, std::string name, Deadline deadline);

 private:
  struct Waiter;
  struct State;
  static void serve(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // with the threads, which may outlive this
};

}  // namespace clawpatrol
