// Who is a peer: names, keys, inner addresses and ids. A value with rules, no files and no kernel.
//
// Ids are never reused. An address that a peer gave up rests for a day before another may have it, so that
// nothing that still believes in the old owner is wrong about the new one (attacks.md, 20).
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/files/private_directory.h"
#include "daemon/netd/configuration.h"
#include "daemon/ring/error.h"

namespace clawpatrol::netd {

inline constexpr std::int64_t address_rest_seconds = 24 * 3600;
inline constexpr std::size_t max_peers = 4096;
inline constexpr std::size_t max_addresses = 4;  // of one peer: what a protocol message holds
inline constexpr std::size_t max_name = 63;

struct PeerEntry {
  std::uint32_t id = 0;
  std::string name;
  std::string interface;  // "": the gateway's own
  std::vector<Address> addresses;
  std::string public_key;       // base64; "": known by its interface and addresses alone
  std::uint32_t added_by = 0;   // uid
  std::int64_t added_at = 0;    // seconds since 1970
  std::string profile = {};     // for a peer that no [peer.NAME] is about; else its table says
  std::int64_t expires_at = 0;  // it is removed then; 0: it stays
  bool paused = false;          // by an operator
  std::string blocked = {};     // why it is not admitted; not kept, judged again at every load

  bool operator==(const PeerEntry&) const = default;
  std::uint64_t key_fingerprint() const;
};

struct RetiredAddress {
  Address address;
  std::string name;  // who had it
  std::int64_t since = 0;
  bool operator==(const RetiredAddress&) const = default;
};

struct NewPeer {
  std::string name;
  std::string public_key;  // base64
  std::uint32_t uid = 0;
  std::string profile = {};
  std::int64_t expires_at = 0;
};

enum class Hold { on, off };

class PeerBook {
 public:
  const std::vector<PeerEntry>& peers() const { return peers_; }
  const PeerEntry* find(std::string_view name) const;

  // A peer with a key. On the gateway's own interface it gets free addresses of every subnet; on an ingress
  // interface it has those of its table. The error is for the operator.
  std::expected<PeerEntry, std::string> add(const NewPeer& peer, const NetworkConfig& config,
                                            std::int64_t now);
  // As it was. One that its table says where it is stays, without a key and held if it was: it is the table
  // that admits it.
  std::expected<PeerEntry, std::string> remove(std::string_view name, const NetworkConfig& config,
                                               std::int64_t now);
  // Another key in place of the one that it has; addresses and id stay.
  std::expected<PeerEntry, std::string> rotate(std::string_view name, const std::string& public_key);
  // Nothing of a peer that is held gets in, and it stays known; of all of them where the name is "". Counts
  // from the next adopt() on.
  std::expected<void, std::string> hold(std::string_view name, Hold hold);
  bool all_held() const { return all_held_; }
  // Whether it is that alone which keeps the peer out.
  static bool is_held(const PeerEntry& peer);
  // The peers whose time is over, and when that of the next of the others will be.
  std::vector<std::string> expired(std::int64_t now) const;
  std::optional<std::int64_t> next_expiry(std::int64_t now) const;

  // Makes the book agree with a configuration: peers of ingress interfaces come and go with their tables; who
  // would have an address of somebody else is blocked. Returns what the operator should know.
  std::vector<std::string> adopt(const NetworkConfig& config, std::int64_t now);

  // What is kept in peers.json.
  std::string to_json() const;
  static std::expected<PeerBook, std::string> from_json(std::string_view text);
  bool operator==(const PeerBook&) const = default;

 private:
  // Why `name` may not have `address`; empty: it may.
  std::string conflict(const Address& address, std::string_view name, const NetworkConfig& config,
                       std::int64_t now) const;
  std::optional<Address> free_address(const Prefix& subnet, std::string_view name,
                                      const NetworkConfig& config, std::int64_t now) const;
  std::expected<std::vector<Address>, std::string> allocate(std::string_view name,
                                                            const NetworkConfig& config,
                                                            std::int64_t now) const;
  std::optional<std::string> problem_with_profile(const NewPeer& peer, const NetworkConfig& config) const;
  void adopt_table(const ConfiguredPeer& table, const NetworkConfig& config, std::int64_t now);
  void retire(const PeerEntry& peer, const std::vector<Address>& kept, std::int64_t now);
  void forget_rested(std::int64_t now);

  std::vector<PeerEntry> peers_;
  std::vector<RetiredAddress> retired_;
  std::uint32_t next_id_ = 1;
  bool all_held_ = false;
};

bool valid_peer_name(std::string_view name);  // letters, digits, '.', '_', '-'; begins with a letter or digit

// peers.json in the state directory. A file that is there and cannot be read whole is an error: starting with
// an empty book would give ids and addresses again.
std::expected<PeerBook, Error> load_book(const PrivateDirectory& state);
std::expected<void, Error> save_book(const PeerBook& book, const PrivateDirectory& state);

}  // namespace clawpatrol::netd
