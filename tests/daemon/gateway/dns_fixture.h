// A gateway with one worker for tests of the resolver: real ring, real audit log, an invented system
// resolver.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "daemon/gateway/upstream.h"
#include "tests/temporary_directory.h"

namespace dns_test {

using namespace clawpatrol;

using Directory = clawpatrol::tests::TemporaryDirectory;

// What the system's resolver would say; counts what it was asked.
struct System {
  std::mutex mutex;
  std::map<std::string, std::vector<std::string>> names;
  std::vector<std::string> asked;

  Resolved ask(const std::string& name) {
    std::lock_guard lock(mutex);
    asked.push_back(name);
    auto found = names.find(name);
    if (found == names.end()) return {Resolved::Outcome::no_such_name};
    Resolved resolved{Resolved::Outcome::found};
    for (const std::string& text : found->second) resolved.addresses.push_back(*Address::parse(text));
    return resolved;
  }
  std::size_t count(const std::string& name) {
    std::lock_guard lock(mutex);
    return static_cast<std::size_t>(std::ranges::count(asked, name));
  }
};

inline std::shared_ptr<Policy> load(const std::string& text) {
  LoadResult loaded = load_policy_text(text);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  loaded.policy->generation = 1;
  return loaded.policy;
}

inline const std::string two_profiles = R"(schema = 1
[gateway]
endpoint = "192.0.2.1:51820"
subnet   = ["10.86.0.0/24", "fd86::/64"]
virtual  = ["198.18.0.0/16", "fd86:0:0:1::/64"]
[peer.one]
profile = "data"
[peer.two]
profile = "other"
[peer.lost]
profile = "other"
[profile.data]
endpoints = ["pg"]
[profile.other]
endpoints = ["secret"]
[endpoint.pg]
type  = "postgres"
hosts = ["pg.internal:5432", "*.db.example.com:5432"]
tls   = "disable"
[endpoint.secret]
type  = "postgres"
hosts = ["secret.internal:5432", "secret.db.example.com:5432"]
tls   = "disable"
)";

inline std::string passthrough(std::string more = "") {
  return two_profiles + "[defaults]\nunknown_host = \"passthrough\"\n" + more;
}

struct Gateway {
  Directory directory;
  System system;
  Shared shared;
  std::unique_ptr<Worker> worker;
  std::shared_ptr<const Peer> one, two;

  explicit Gateway(std::shared_ptr<Policy> policy) {
    audit::Options options;
    options.directory = directory.path / "audit";
    options.key_file = directory.path / "audit.key";
    options.reserve_bytes = 0;
    auto log = audit::Log::open(std::move(options));
    if (!log) FAIL(log.error().what);
    shared.audit = std::move(*log);
    shared.audit_budget = std::make_unique<audit::PeerBudget>(audit::PeerBudget::Options{});
    auto names = VirtualNames::open(directory.path / "state", policy->gateway.virtual_);
    if (!names) FAIL(names.error().what);
    shared.names = std::move(*names);
    REQUIRE(shared.names->adopt(*policy));
    shared.policy.replace(policy);
    std::vector<Peer> peers;
    peers.push_back({.id = 1, .name = "one", .addresses = {*Address::parse("127.0.0.1")}});
    peers.push_back({.id = 2, .name = "two", .addresses = {*Address::parse("127.0.0.2")}});
    shared.peers.replace(peers);
    one = shared.peers.by_id(1);
    two = shared.peers.by_id(2);
    auto ring = Ring::create({});
    if (!ring) FAIL(ring.error().what);
    worker = std::make_unique<Worker>(shared, std::move(*ring), 0);
    Lookups::Options lookups;
    lookups.ask = [this](const std::string& name) { return system.ask(name); };
    shared.name_service = std::make_unique<NameService>(shared, std::move(lookups));
    // As if endpoints had been followed.
    for (const std::string& host : hosts_to_follow(*policy))
      shared.name_service->seen().resolved(host, {}, Clock::now());
  }
  ~Gateway() {
    shared.name_service.reset();
    worker.reset();
  }

  // Runs tasks that `start` spawns into worker->flows() until they have ended.
  void run(std::function<void()> start) {
    TaskGroup group(worker->ring());
    worker->ring().post([&] {
      start();
      group.spawn(stop_when_done(*worker));
    });
    worker->ring().run();
  }

  std::string audit_text() const {
    std::string text;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path / "audit")) {
      std::ifstream in(entry.path());
      text.append(std::istreambuf_iterator<char>(in), {});
    }
    return text;
  }
  std::uint64_t refusals(std::string_view reason) const {
    std::uint64_t count = 0;
    for (const auto& row : shared.refusals.rows())
      if (row.reason == reason) count += row.count;
    return count;
  }

  static Task<void> stop_when_done(Worker& worker) {
    co_await worker.flows().join();
    worker.ring().stop();
  }
};

// A query as a client makes it, and what an answer says.
inline std::string query_for(const std::string& name, std::uint16_t type, bool edns = true) {
  std::string out;
  Writer writer(out);
  writer.u16(0x4242).u16(0x0100).u16(1).u16(0).u16(0).u16(edns ? 1 : 0);
  for (std::size_t begin = 0; begin < name.size();) {
    std::size_t end = std::min(name.find('.', begin), name.size());
    writer.u8(static_cast<std::uint8_t>(end - begin)).bytes(name.substr(begin, end - begin));
    begin = end + 1;
  }
  writer.u8(0).u16(type).u16(1);
  if (edns) writer.u8(0).u16(41).u16(1232).u32(0).u16(0);
  return out;
}

struct Reply {
  unsigned rcode = 99;
  bool truncated = false;
  std::vector<std::string> addresses;
  std::uint32_t ttl = 0;
  unsigned authorities = 0;
  bool prohibited = false;  // EDE 18
};

inline Reply read_reply(const std::string& asked, std::string_view bytes) {
  Reply reply;
  Reader reader(bytes);
  REQUIRE(reader.u16() == 0x4242);
  std::uint16_t flags = reader.u16();
  reply.rcode = flags & 15u;
  reply.truncated = flags & 0x200;
  REQUIRE(reader.u16() == 1);
  unsigned answers = reader.u16();
  reply.authorities = reader.u16();
  REQUIRE(reader.u16() <= 1);
  std::size_t question = asked.find('\0', 12) + 5 - 12;
  REQUIRE(reader.bytes(question) == asked.substr(12, question));
  for (unsigned i = 0; i < answers; ++i) {
    REQUIRE(reader.u16() == 0xc00c);
    reader.u32();
    reply.ttl = reader.u32();
    std::string_view data = reader.bytes(reader.u16());
    Address address;
    if (data.size() == 4)
      address = Address::from_v4(Reader(data).u32());
    else
      data.copy(reinterpret_cast<char*>(address.bytes.data()), 16);
    reply.addresses.push_back(address.text());
  }
  REQUIRE(reader.ok());
  reply.prohibited = reader.rest().find(std::string_view("\0\x0f", 2)) != std::string_view::npos;
  return reply;
}

}  // namespace dns_test
