// The kernel's half, loaded: bpf/steer.bpf.c, its maps and where it is attached.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/netd/rates.h"
#include "daemon/ring/error.h"
#include "policy/address.h"

struct steer;
struct bpf_link;

namespace clawpatrol::netd {

struct Drop {
  std::uint32_t peer = 0;
  std::uint32_t reason = 0;
  std::uint64_t packets = 0, bytes = 0;
};

struct Identity {
  int interface = 0;
  Address address;
  auto operator<=>(const Identity&) const = default;
};

// Everything that the filter must know. What differs from the last one that was told is written.
struct SteeringTable {
  std::map<int, std::uint32_t> interfaces;       // index -> bytes before the IP header
  std::map<Identity, std::uint32_t> identities;  // -> peer id
  std::map<Prefix, std::uint32_t> own;           // -> STEER_OWN_ flags
};

class Steering {
 public:
  static std::expected<Steering, Error> load(std::uint16_t listen_port, const Rates& rates = {});
  Steering(Steering&&) noexcept;
  ~Steering();

  // Brings the maps to `table`. Where that fails the filter is told to drop everything, until it succeeds.
  std::expected<void, Error> tell(const SteeringTable& table);

  std::expected<void, Error> set_socket(std::uint32_t slot, int socket);
  std::expected<void, Error> set_workers(std::uint32_t workers);

  // Puts the filter on an interface, in place of an older one of ours in one step. Nothing happens when it is
  // there.
  std::expected<void, Error> attach_filter(int interface);
  // Gives new connections to our sockets, from now on.
  std::expected<void, Error> attach_lookup();
  int lookup_link() const;  // the descriptor that keeps it attached

  std::expected<std::vector<Drop>, Error> drops() const;

  // For BPF_PROG_TEST_RUN.
  int filter_program() const;

 private:
  Steering();
  std::expected<void, Error> set_settings();
  std::expected<void, Error> tell_all(const SteeringTable& table);
  std::expected<void, Error> tell_rates(const SteeringTable& table);
  void forget_drops(std::uint32_t peer);

  struct Skeleton {
    void operator()(steer* skeleton) const;
  };
  struct LinkCloser {
    void operator()(bpf_link* link) const;
  };
  std::unique_ptr<steer, Skeleton> bpf_;
  std::unique_ptr<bpf_link, LinkCloser> lookup_;
  SteeringTable told_;
  std::set<std::uint32_t> rated_;  // peers with a token bucket
  std::uint32_t workers_ = 0;
  bool closed_ = false;
};

// Removes our filter from an interface, whoever put it there. Its clsact hook stays: it may be the
// operator's.
std::expected<void, Error> detach_filter(int interface);
bool has_filter(int interface);

}  // namespace clawpatrol::netd
