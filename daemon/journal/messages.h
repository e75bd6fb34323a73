// The messages of both programs that an operator has to act on. Each has an id, by which the journal finds it
// (journalctl MESSAGE_ID=...) and explains it (journalctl -x, from packaging/catalog/clawpatrol.catalog).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace clawpatrol::journal {

enum class Message : std::uint8_t {
  ordinary,  // none of them: it has no id
  // of either program
  cannot_start,
  reload_refused,
  // of clawpatrold
  audit_failed,
  audit_damaged,
  audit_full,
  audit_crowded,
  disk_low,
  netd_lost,
  netd_reload_failed,
  credential_key_unsealed,
  keys_not_locked,
  authority_ends,
  connections_limited,
  // of clawpatrol-netd
  peers_held,
  peers_not_removed,
  network_incomplete,
  interface_unsteered,
};

struct Described {
  Message message;
  int priority;         // as syslog(3) has them: 2 is critical, 5 a notice
  std::string_view id;  // 32 hexadecimal digits; never changed, never used again for something else
};

// All but `ordinary`, in the order above.
std::span<const Described> described();

// None for `ordinary`.
const Described* description_of(Message message);

}  // namespace clawpatrol::journal
