// The operator's commands as lines of JSON.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/netd/client_text.h"
#include "daemon/netd/peer_book.h"

namespace clawpatrol::netd {

// Of `add` and `rotate`.
struct PeerRequest {
  std::string name;
  std::string public_key;  // "": netd makes the pair
  std::string profile;     // of `add`; "": its table's
  std::string endpoint;    // what the configuration dials; "": what [gateway] says
  std::int64_t ttl_s = 0;  // of `add`: removed after so long; 0: it stays
  ResolverLine resolver = ResolverLine::written;
  std::uint32_t uid = 0;
};

struct HoldRequest {
  std::string name;  // "": all peers
  Hold hold{};
  std::uint32_t uid = 0;
};

struct AddedPeer {
  PeerEntry peer;
  std::string configuration;          // for wg-quick
  std::string wg_line;                // "" where netd has let the peer in itself
  std::string note;                   // what still keeps it out, or ""
  std::vector<Address> gateway = {};  // where the tunnel's DNS, ca.crt and env.sh are
};

struct RemovedPeer {
  PeerEntry peer;    // as it was
  std::string note;  // what still lets it in, or ""
};

struct ListedPeer {
  PeerEntry peer;
  std::int64_t last_handshake = 0;  // seconds since 1970; 0: never, or not known
  std::uint64_t rx_bytes = 0, tx_bytes = 0;
  bool in_kernel = false;  // the three above are the kernel's
};

struct OperatorRequests {
  std::function<std::expected<AddedPeer, std::string>(const PeerRequest&)> add, rotate;
  std::function<std::expected<void, std::string>(const HoldRequest&)> hold;
  std::function<std::expected<RemovedPeer, std::string>(const std::string& name, std::uint32_t uid)> remove;
  std::function<std::vector<ListedPeer>()> list;
  std::function<bool()> all_held;
  std::function<std::map<std::string, std::string>()> unsteered;  // interface -> why
};

std::string answer_operator(std::string_view line, std::uint32_t uid, const OperatorRequests& requests);

}  // namespace clawpatrol::netd
