// The operator's commands as lines of JSON.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/netd/peer_book.h"

namespace clawpatrol::netd {

struct AddedPeer {
  PeerEntry peer;
  std::string configuration;  // for wg-quick
  std::string wg_line;        // "" where netd has let the peer in itself
  std::string note;           // what still keeps it out, or ""
};

struct ListedPeer {
  PeerEntry peer;
  std::int64_t last_handshake = 0;  // seconds since 1970; 0: never, or not known
  std::uint64_t rx_bytes = 0, tx_bytes = 0;
  bool in_kernel = false;  // the three above are the kernel's
};

struct OperatorRequests {
  // `public_key` is "" where netd makes the pair.
  std::function<std::expected<AddedPeer, std::string>(const std::string& name, const std::string& public_key,
                                                      std::uint32_t uid)>
      add;
  std::function<std::expected<PeerEntry, std::string>(const std::string& name, std::uint32_t uid)> remove;
  std::function<std::vector<ListedPeer>()> list;
};

std::string answer_operator(std::string_view line, std::uint32_t uid, const OperatorRequests& requests);

}  // namespace clawpatrol::netd
