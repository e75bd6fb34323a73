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
          {"profile", peer.profile},
          {"expires_at", peer.expires_at},
          {"paused", peer.paused},
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

PeerRequest peer_request(const json& request, std::uint32_t uid) {
  return {.name = text_of(request, "name"),
          .public_key = text_of(request, "public_key"),
          .profile = text_of(request, "profile"),
          .endpoint = text_of(request, "endpoint"),
          .ttl_s = request.value("ttl_s", std::int64_t{0}),
          .resolver = request.value("resolver", true) ? ResolverLine::written : ResolverLine::left_out,
          .uid = uid};
}

std::string answer_added(const std::expected<AddedPeer, std::string>& added) {
  if (!added) return refusal(added.error());
  json gateway = json::array();
  for (const Address& address : added->gateway) gateway.push_back(address.text());
  json answer = {{"peer", peer_json(added->peer)}, {"config", added->configuration}, {"gateway", gateway}};
  if (!added->wg_line.empty()) answer["wg_set"] = added->wg_line;
  if (!added->note.empty()) answer["note"] = added->note;
  return accepted(std::move(answer));
}

std::string answer_hold(const json& request, std::uint32_t uid, Hold hold, const OperatorRequests& requests) {
  const bool all = request.value("all", false);
  const std::string name = text_of(request, "name");
  if (all != name.empty()) return refusal("either a name, or all");
  auto done = requests.hold({.name = name, .hold = hold, .uid = uid});
  return done ? accepted({{"locked_down", requests.all_held()}}) : refusal(done.error());
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
  json unsteered = json::array();
  for (const auto& [interface, why] : requests.unsteered())
    unsteered.push_back({{"interface", interface}, {"why", why}});
  return accepted({{"peers", peers}, {"locked_down", requests.all_held()}, {"unsteered", unsteered}});
}

std::string answer_remove(const json& request, std::uint32_t uid, const OperatorRequests& requests) {
  auto removed = requests.remove(text_of(request, "name"), uid);
  if (!removed) return refusal(removed.error());
  json answer = {{"peer", peer_json(removed->peer)}};
  if (!removed->note.empty()) answer["note"] = removed->note;
  return accepted(std::move(answer));
}

}  // namespace

std::string answer_operator(std::string_view line, std::uint32_t uid, const OperatorRequests& requests) {
  try {
    json request = json::parse(line);
    if (!request.is_object() || request.value("v", 0) != 1) return refusal("not a request of version 1");
    std::string command = text_of(request, "command");
    if (command == "add") return answer_added(requests.add(peer_request(request, uid)));
    if (command == "rotate") return answer_added(requests.rotate(peer_request(request, uid)));
    if (command == "hold") return answer_hold(request, uid, Hold::on, requests);
    if (command == "release") return answer_hold(request, uid, Hold::off, requests);
    if (command == "list") return answer_list(requests);
    if (command == "rm") return answer_remove(request, uid, requests);
    return refusal("no such command: add, rotate, hold, release, list and rm are");
  } catch (const json::exception&) {
    return refusal("not a request: one line of JSON with text in its fields");
  }
}

}  // namespace clawpatrol::netd
