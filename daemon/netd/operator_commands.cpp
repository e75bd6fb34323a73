#include "daemon/netd/operator_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include <nlohmann/json.hpp>

namespace clawpatrol::netd {
namespace {

using nlohmann::json;

json peer_json(const PeerEntry& peer) {
  json addresses = json::array();
  for (const Address& address : peer.addresses) addresses.push_back(address.text());
  return {{"id", peer.id},
          {"name", peer.name},
          {"interface", peer.interface},
          {"addresses", addresses},
          {"public_key", peer.public_key},
          {"added_by", peer.added_by},
          {"added_at", peer.added_at},
          {"blocked", peer.blocked}};
}

// What comes behind `hint: ` on a line of its own is said apart, as everywhere.
std::string refusal(const std::string& why) {
  constexpr std::string_view hint = "\nhint: ";
  const std::size_t at = why.find(hint);
  json answer = {{"v", 1}, {"ok", false}, {"error", why.substr(0, at)}};
  if (at != why.npos) answer["hint"] = why.substr(at + hint.size());
  return answer.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string accepted(json answer) {
  answer["v"] = 1;
  answer["ok"] = true;
  return answer.dump(-1, ' ', true, json::error_handler_t::replace);
}

// A string member; "" where it is absent.
std::string text_of(const json& request, const char* key) {
  auto at = request.find(key);
  return at == request.end() || at->is_null() ? std::string() : at->get<std::string>();
}

std::string answer_add(const json& request, std::uint32_t uid, const OperatorRequests& requests) {
  auto added = requests.add(text_of(request, "name"), text_of(request, "public_key"), uid);
  if (!added) return refusal(added.error());
  json answer = {{"peer", peer_json(added->peer)}, {"config", added->configuration}};
  if (!added->wg_line.empty()) answer["wg_set"] = added->wg_line;
  if (!added->note.empty()) answer["note"] = added->note;
  return accepted(std::move(answer));
}

std::string answer_list(const OperatorRequests& requests) {
  json peers = json::array();
  for (const ListedPeer& listed : requests.list()) {
    json peer = peer_json(listed.peer);
    if (listed.in_kernel) {
      peer["last_handshake"] = listed.last_handshake;
      peer["rx_bytes"] = listed.rx_bytes;
      peer["tx_bytes"] = listed.tx_bytes;
    }
    peers.push_back(std::move(peer));
  }
  return accepted({{"peers", peers}});
}

std::string answer_remove(const json& request, std::uint32_t uid, const OperatorRequests& requests) {
  auto removed = requests.remove(text_of(request, "name"), uid);
  return removed ? accepted({{"peer", peer_json(*removed)}}) : refusal(removed.error());
}

}  // namespace

std::string answer_operator(std::string_view line, std::uint32_t uid, const OperatorRequests& requests) {
  try {
    json request = json::parse(line);
    if (!request.is_object() || request.value("v", 0) != 1) return refusal("not a request of version 1");
    std::string command = text_of(request, "command");
    if (command == "add") return answer_add(request, uid, requests);
    if (command == "list") return answer_list(requests);
    if (command == "rm") return answer_remove(request, uid, requests);
    return refusal("no such command: add, list and rm are");
  } catch (const json::exception&) {
    return refusal("not a request: one line of JSON with text in its fields");
  }
}

}  // namespace clawpatrol::netd
