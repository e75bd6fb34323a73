#include "daemon/journal/messages.h"

#include <syslog.h>

#include <algorithm>

namespace clawpatrol::journal {

namespace {

constexpr int critical = LOG_CRIT, error = LOG_ERR, warning = LOG_WARNING, notice = LOG_NOTICE;

constexpr Described table[] = {
    {Message::cannot_start, critical, "663299ce39344ab19b588e0d0a70f491"},
    {Message::reload_refused, error, "ff069aee255444ec99c696a765738987"},
    {Message::audit_failed, critical, "a65af251a6b547c39e9af715c9924e9c"},
    {Message::audit_damaged, critical, "ed06d84a94ea40e69faafba134488fdb"},
    {Message::audit_full, critical, "c79ae67c07de4b9a8bbed602fe9129dd"},
    {Message::audit_crowded, warning, "3c588e76aa314f52a762e0915dcfe1ab"},
    {Message::disk_low, warning, "e0ce8ac48f6144749772e86fad7c8e6b"},
    {Message::netd_lost, error, "f572ffc92e834f64a4fdf77f84f2cfb4"},
    {Message::netd_reload_failed, error, "09a1b8db8d9344d58561ff7c721605bc"},
    {Message::credential_key_unsealed, warning, "014e27660c7a40da8d4cbe8f1be36e47"},
    {Message::keys_not_locked, warning, "2ffd75726e914c128fe0292b2061f7e1"},
    {Message::authority_ends, warning, "664f0cbcfc2e4c2593703c1ffa5b61d8"},
    {Message::connections_limited, warning, "4d507886b391427cb2573a75fc33852f"},
    {Message::peers_held, notice, "cae3bea4eeac4f08958d3ea024643ef6"},
    {Message::peers_not_removed, error, "0c1d4e6c3f834467842183453d688eea"},
    {Message::network_incomplete, error, "bb5eeca587ac49e997f3e339fb84b414"},
    {Message::interface_unsteered, warning, "e9bfbc063d9c45589e730755058f0dd5"},
};

}  // namespace

std::span<const Described> described() {
  return table;
}

const Described* description_of(Message message) {
  const auto* found = std::ranges::find(table, message, &Described::message);
  return found == std::end(table) ? nullptr : found;
}

}  // namespace clawpatrol::journal
