#include "daemon/gateway/flows.h"

#include <catch2/catch.hpp>
#include <thread>

namespace clawpatrol {
namespace {

ActionRecord record(std::string id, std::string text = "select 1") {
  ActionRecord made;
  made.id = std::move(id);
  made.text = std::move(text);
  return made;
}

std::shared_ptr<const SqlFacets> sql_of(std::size_t bytes) {
  SqlFacets facets;
  facets.statement = std::string(bytes, 'x');
  return std::make_shared<const SqlFacets>(std::move(facets));
}

TEST_CASE("a flow counts at once and is listed from its first state on") {
  FlowTable table;
  std::shared_ptr<Flow> flow = table.open(7, {});
  REQUIRE(flow);
  CHECK(table.size() == 1);
  CHECK(table.all().empty());
  CHECK(table.find(flow->id) == nullptr);
  flow->peer = "builder-1";
  flow->set_state("login");
  REQUIRE(table.all().size() == 1);
  CHECK(table.find(flow->id)->snapshot().peer == "builder-1");
  CHECK(table.find(flow->id)->snapshot().state == "login");
  table.close(*flow);
  CHECK(table.size() == 0);
  CHECK(table.all().empty());
}

TEST_CASE("one peer's limit leaves room for another, and the limit of all holds") {
  FlowTable table;
  LimitsConfig limits;
  limits.connections = 3;
  limits.connections_per_peer = 2;
  auto first = table.open(1, limits);
  auto second = table.open(1, limits);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(table.open(1, limits) == nullptr);
  auto other = table.open(2, limits);
  REQUIRE(other);
  CHECK(table.open(3, limits) == nullptr);
  CHECK(table.refused() == 2);
  table.close(*first);
  CHECK(table.open(1, limits) != nullptr);
}

TEST_CASE("a flow that is closed twice gives back one place") {
  FlowTable table;
  LimitsConfig limits;
  limits.connections_per_peer = 1;
  auto flow = table.open(1, limits);
  table.close(*flow);
  table.close(*flow);
  CHECK(table.open(1, limits) != nullptr);
  CHECK(table.open(1, limits) == nullptr);
}

TEST_CASE("a request to close reaches the handler once, also when the handler comes later") {
  Flow early(1), late(2);
  std::vector<std::string> said;
  early.on_close_request([&](std::string why) { said.push_back("early: " + why); });
  early.ask_to_close("killed");
  early.ask_to_close("killed again");
  late.ask_to_close("reload");
  late.on_close_request([&](std::string why) { said.push_back("late: " + why); });
  CHECK(said == std::vector<std::string>{"early: killed", "late: reload"});
  early.on_close_request(nullptr);
  early.ask_to_close("nobody listens");
  CHECK(said.size() == 2);
}

TEST_CASE("recent actions are bounded in number, and a cursor goes past what has fallen out") {
  RecentActions recent(3);
  std::uint64_t cursor = recent.end();
  for (int i = 1; i <= 5; ++i) recent.add(record("a-" + std::to_string(i)));
  auto seen = recent.since(cursor);
  REQUIRE(seen.size() == 3);
  CHECK(seen[0]->id == "a-3");
  CHECK(recent.since(cursor).empty());
  recent.add(record("a-6"));
  seen = recent.since(cursor);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0]->id == "a-6");
  CHECK(recent.find("a-2") == nullptr);
  REQUIRE(recent.find("a-5"));
}

TEST_CASE("since() gives no more than was asked for and goes on where it stopped") {
  RecentActions recent(1000);
  std::uint64_t cursor = 0;
  for (int i = 0; i < 700; ++i) recent.add(record("a-" + std::to_string(i)));
  CHECK(recent.since(cursor, 300).size() == 300);
  auto next = recent.since(cursor, 300);
  CHECK(next.front()->id == "a-300");
  CHECK(recent.since(cursor, 300).size() == 100);
  for (int i : {0, 255, 256, 444, 699}) {
    INFO(i);
    CHECK(recent.find("a-" + std::to_string(i)) != nullptr);
  }
}

TEST_CASE("recent actions are bounded in bytes, whatever agents send") {
  RecentActions recent(4096, 1 << 20);
  for (int i = 0; i < 200; ++i) {
    ActionRecord big = record("a-" + std::to_string(i));
    big.evidence.policy = std::make_shared<const Policy>();
    big.evidence.sql = sql_of(32 << 10);
    recent.add(std::move(big));
  }
  std::uint64_t cursor = 0;
  std::size_t kept = recent.since(cursor, 4096).size();
  CHECK(kept > 20);
  CHECK(kept <= 32);
}

TEST_CASE("evidence too large to keep is dropped, and the record stays") {
  RecentActions recent;
  ActionRecord big = record("a-1", std::string(100'000, 'y'));
  big.evidence.policy = std::make_shared<const Policy>();
  big.evidence.sql = sql_of(RecentActions::max_evidence + 1);
  recent.add(std::move(big));
  REQUIRE(recent.find("a-1"));
  CHECK_FALSE(recent.find("a-1")->evidence);
  CHECK(recent.find("a-1")->text.size() == 1024);
}

TEST_CASE("a text is cut between characters") {
  RecentActions recent;
  recent.add(record("a-1", std::string(1022, 'x') + "€€"));
  CHECK(recent.find("a-1")->text == std::string(1022, 'x'));
}

TEST_CASE("evidence outlives what it was taken from, and gives back the same action") {
  Evidence evidence;
  {
    PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "platform"}}};
    EndpointFacets endpoint{"pg-prod", "postgres"};
    SqlFacets sql;
    sql.verb = std::string("drop");
    Action action{.type = ActionType::statement,
                  .kind = ActionKind::admin,
                  .peer = &peer,
                  .endpoint = &endpoint,
                  .credential = "pg-reader",
                  .sql = &sql};
    evidence = evidence_of(std::make_shared<const Policy>(), action);
  }
  Action again = evidence.action(42);
  CHECK(again.kind == ActionKind::admin);
  CHECK(again.peer->labels.at("team") == "platform");
  CHECK(again.endpoint->name == "pg-prod");
  CHECK(*again.sql->verb == "drop");
  CHECK(again.credential == "pg-reader");
  CHECK(again.now_unix_ns == 42);
  CHECK(again.dns == nullptr);
}

TEST_CASE("a flow's last action is the one that was recorded, shared and not copied") {
  RecentActions recent;
  Flow flow(1);
  recent.add(record("a-9"), flow);
  CHECK(flow.snapshot().last == recent.find("a-9"));
}

TEST_CASE("workers record while others look") {
  FlowTable table;
  RecentActions recent(64);
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    for (int i = 0; i < 20'000; ++i) {
      auto flow = table.open(1, {});
      flow->peer = "p";
      flow->set_state("query");
      recent.add(record("a-" + std::to_string(i)), *flow);
      table.close(*flow);
    }
    stop = true;
  });
  std::uint64_t cursor = 0;
  std::size_t seen = 0;
  do {
    for (const auto& flow : table.all()) CHECK(flow->snapshot().peer == "p");
    seen += recent.since(cursor).size();
    recent.find("a-0");
  } while (!stop);
  worker.join();
  CHECK(seen > 0);
}

}  // namespace
}  // namespace clawpatrol
