#include "daemon/gateway/names_file.h"

#include <nlohmann/json.hpp>

namespace clawpatrol {

namespace {

using Json = nlohmann::json;

constexpr int version = 1;

Address address_from(const Json& value) {
  auto address = Address::parse(value.get<std::string>());
  if (!address) throw std::invalid_argument("not an address");
  return *address;
}

Prefix prefix_from(const Json& value) {
  auto prefix = Prefix::parse(value.get<std::string>());
  if (!prefix) throw std::invalid_argument("not a prefix");
  return *prefix;
}

NamesFile file_from(const Json& root) {
  if (root.at("version") != version) throw std::invalid_argument("an unknown version");
  NamesFile file;
  for (const Json& range : root.at("ranges")) file.ranges.push_back(prefix_from(range));
  for (const Json& entry : root.at("exact")) {
    NamesFile::Exact exact{entry.at("name"), entry.at("index"), {}};
    for (const Json& address : entry.at("addresses")) exact.addresses.push_back(address_from(address));
    file.exact.push_back(std::move(exact));
  }
  for (const Json& address : root.at("retired")) file.retired.push_back(address_from(address));
  for (const Json& lease : root.at("leases"))
    file.leases.push_back({lease.at("name"), lease.at("peer"), lease.at("index")});
  for (const Json& index : root.at("reserved")) file.reserved.push_back(index);
  return file;
}

}  // namespace

std::expected<NamesFile, Error> NamesFile::parse(std::string_view text) {
  // The library speaks in exceptions; they end here.
  try {
    return file_from(Json::parse(text));
  } catch (const std::exception& problem) {
    return std::unexpected(Error{0, std::string("reading names.json failed: ") + problem.what()});
  }
}

std::string NamesFile::text() const {
  Json root{{"version", version},       {"ranges", Json::array()}, {"exact", Json::array()},
            {"retired", Json::array()}, {"leases", Json::array()}, {"reserved", reserved}};
  for (const Prefix& range : ranges) root["ranges"].push_back(range.text());
  for (const Exact& entry : exact) {
    Json addresses = Json::array();
    for (const Address& address : entry.addresses) addresses.push_back(address.text());
    root["exact"].push_back({{"name", entry.name}, {"index", entry.index}, {"addresses", addresses}});
  }
  for (const Address& address : retired) root["retired"].push_back(address.text());
  for (const Lease& lease : leases)
    root["leases"].push_back({{"name", lease.name}, {"peer", lease.peer_id}, {"index", lease.index}});
  return root.dump(1) + "\n";
}

}  // namespace clawpatrol
