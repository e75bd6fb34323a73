// Between clawpatrol-netd and clawpatrold, over a seqpacket Unix socket: fixed-size messages, versioned, that
// name no interface and no path. netd admits the daemon's uid (SO_PEERCRED), one session at a time, and
// accepts no descriptor (attacks.md, 24 and 25).
//
//   daemon -> netd   hello, get_statistics, reload
//   netd -> daemon   welcome, descriptor (SCM_RIGHTS, one each), peer (one each), peers_end, statistics (one
//   each),
//                    statistics_end, reloaded, operated
//
// netd sends welcome, all descriptors and all peers after hello, and peer messages again whenever peers
// change. It tells what an operator asked it for (`cpctl peers`), so that the audit log has it.
#pragma once

#include <cstdint>
#include <type_traits>

namespace clawpatrol::netd {

inline constexpr std::uint16_t protocol_version = 1;
inline constexpr std::size_t max_workers = 16;

enum class MessageType : std::uint16_t {
  hello = 1,
  get_statistics,
  reload,
  welcome = 64,
  descriptor,
  peer,
  peers_end,
  statistics,
  statistics_end,
  reloaded,
  operated,
};

enum class DescriptorRole : std::uint32_t {
  tcp_listener,  // index: the worker
  dns_udp_v4,
  dns_udp_v6,
  keep,  // links, programs and maps that the daemon only holds, so that steering outlives netd
};

enum class PeerChange : std::uint32_t { present, gone };

// What an operator asked netd for; `expire` is netd's own, when a peer's time was over.
enum class PeerOperation : std::uint32_t { add, remove, rotate, pause, resume, lock, unlock, expire };

struct Message {
  std::uint16_t version = protocol_version;
  MessageType type{};
  std::uint32_t length = sizeof(Message);
  union {
    struct {
      std::uint32_t workers;
    } hello;  // how many listeners the daemon wants, 1 to max_workers
    struct {
      std::uint64_t incarnation;    // random, of this run of netd
      std::uint8_t address_v4[16];  // the gateway's tunnel addresses, v4-mapped; zero where there is none
      std::uint8_t address_v6[16];
    } welcome;
    struct {
      DescriptorRole role;
      std::uint32_t index;
    } descriptor;
    struct {
      PeerChange change;
      std::uint32_t id;               // never reused
      char name[64];                  // NUL-padded
      std::uint8_t addresses[4][16];  // inner addresses, v4-mapped; zero beyond the last
      std::uint64_t key_fingerprint;  // changes when the peer's key does
      char profile[64];               // for a peer that no [peer.NAME] is about, NUL-padded; or none
    } peer;
    struct {
      std::uint32_t peer_id;  // 0: packets of no known peer
      std::uint32_t reason;   // bpf/shared.h, enum drop_reason
      std::uint64_t packets;
      std::uint64_t bytes;
    } statistics;
    struct {
      std::uint32_t ok;
      char problem[192];
    } reloaded;
    struct {
      PeerOperation operation;
      std::uint32_t uid;
      char name[64];  // the peer's, NUL-padded; empty: all of them
    } operated;
    std::uint8_t raw[240];
  };

  Message() : raw{} {}
};
static_assert(std::is_trivially_copyable_v<Message> && sizeof(Message) == 248);

}  // namespace clawpatrol::netd
