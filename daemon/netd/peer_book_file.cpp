// peers.json: {"version": 1, "next_id": N, "peers": [...], "retired": [...], "all_held": false}.
#include <fmt/format.h>

#include <cerrno>

#include <nlohmann/json.hpp>

#include "daemon/netd/keys.h"
#include "daemon/netd/peer_book.h"

namespace clawpatrol::netd {
namespace {

using nlohmann::json;

constexpr std::size_t file_limit = 16 << 20;
const std::string file_name = "peers.json";

json addresses_json(const std::vector<Address>& addresses) {
  json list = json::array();
  for (const Address& address : addresses) list.push_back(address.text());
  return list;
}

// Throws on any doubt; from_json() below turns that into its error.
Address address_from(const json& value) {
  std::optional<Address> address = Address::parse(value.get<std::string>());
  if (!address) throw std::invalid_argument("not an address");
  return *address;
}

PeerEntry entry_from(const json& value) {
  PeerEntry entry;
  entry.id = value.at("id").get<std::uint32_t>();
  entry.name = value.at("name").get<std::string>();
  entry.interface = value.at("interface").get<std::string>();
  entry.public_key = value.at("public_key").get<std::string>();
  entry.added_by = value.at("added_by").get<std::uint32_t>();
  entry.added_at = value.at("added_at").get<std::int64_t>();
  entry.profile = value.value("profile", "");
  entry.expires_at = value.value("expires_at", std::int64_t{0});
  entry.paused = value.value("paused", false);
  if (!entry.profile.empty() && !valid_peer_name(entry.profile)) throw std::invalid_argument("not a profile");
  for (const json& address : value.at("addresses")) entry.addresses.push_back(address_from(address));
  if (!valid_peer_name(entry.name) || entry.id == 0 || entry.addresses.size() > max_addresses)
    throw std::invalid_argument("not a peer");
  if (!entry.public_key.empty() && !from_base64(entry.public_key)) throw std::invalid_argument("not a key");
  return entry;
}

}  // namespace

std::string PeerBook::to_json() const {
  json peers = json::array(), retired = json::array();
  for (const PeerEntry& peer : peers_)
    peers.push_back({{"id", peer.id},
                     {"name", peer.name},
                     {"interface", peer.interface},
                     {"addresses", addresses_json(peer.addresses)},
                     {"public_key", peer.public_key},
                     {"added_by", peer.added_by},
                     {"added_at", peer.added_at},
                     {"profile", peer.profile},
                     {"expires_at", peer.expires_at},
                     {"paused", peer.paused}});
  for (const RetiredAddress& old : retired_)
    retired.push_back({{"address", old.address.text()}, {"name", old.name}, {"since", old.since}});
  json whole = {
      {"version", 1}, {"next_id", next_id_}, {"peers", peers}, {"retired", retired}, {"all_held", all_held_}};
  return whole.dump(2) + "\n";
}

std::expected<PeerBook, std::string> PeerBook::from_json(std::string_view text) {
  try {
    json whole = json::parse(text);
    if (whole.at("version") != 1) return std::unexpected(std::string("its version is not 1"));
    PeerBook book;
    book.all_held_ = whole.value("all_held", false);
    book.next_id_ = whole.at("next_id").get<std::uint32_t>();
    for (const json& value : whole.at("peers")) {
      PeerEntry entry = entry_from(value);
      if (book.find(entry.name) || entry.id >= book.next_id_)
        return std::unexpected(fmt::format("peer '{}' contradicts the rest", entry.name));
      book.peers_.push_back(std::move(entry));
    }
    for (const json& value : whole.at("retired"))
      book.retired_.push_back({address_from(value.at("address")), value.at("name").get<std::string>(),
                               value.at("since").get<std::int64_t>()});
    return book;
  } catch (const std::exception& error) {
    return std::unexpected(std::string(error.what()));
  }
}

std::expected<PeerBook, Error> load_book(const PrivateDirectory& state) {
  std::string text(file_limit, '\0');
  auto size = state.read(file_name, text);
  if (!size && size.error().code == ENOENT) return PeerBook();
  if (!size) return std::unexpected(size.error());
  auto book = PeerBook::from_json(std::string_view(text).substr(0, *size));
  if (!book)
    return std::unexpected(Error{EINVAL, fmt::format("not a list of peers: '{}': {}",
                                                     (state.path() / file_name).string(), book.error())});
  return *book;
}

std::expected<void, Error> save_book(const PeerBook& book, const PrivateDirectory& state) {
  return state.replace(file_name, book.to_json());
}

}  // namespace clawpatrol::netd
