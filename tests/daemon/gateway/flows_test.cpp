#include "daemon/gateway/flows.h"

#include <catch2/catch.hpp>
#include <thread>

namespace clawpatrol {
namespace {

ActionRecord record(std::uint64_t id, std::string text = "select 1") {
  ActionRecord made;
  made.id = id;
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
  for (int i = 1; i <= 5; ++i) recent.add(record(static_cast<std::uint64_t>(i)));
  auto seen = recent.since(cursor);
  REQUIRE(seen.size() == 3);
  CHECK(seen[0]->id == 3);
  CHECK(recent.since(cursor).empty());
  recent.add(record(6));
  seen = recent.since(cursor);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0]->id == 6);
  CHECK(recent.find(2) == nullptr);
  REQUIRE(recent.find(5));
}

TEST_CASE("since() gives no more than was asked for and goes on where it stopped") {
  RecentActions recent(1000);
  std::uint64_t cursor = 0;
  for (int i = 0; i < 700; ++i) recent.add(record(static_cast<std::uint64_t>(i)));
  CHECK(recent.since(cursor, 300).size() == 300);
  auto next = recent.since(cursor, 300);
  CHECK(next.front()->id == 300);
  CHECK(recent.since(cursor, 300).size() == 100);
  for (int i : {0, 255, 256, 444, 699}) {
    INFO(i);
    CHECK(recent.find(static_cast<std::uint64_t>(i)) != nullptr);
  }
}

TEST_CASE("recent actions are bounded in bytes, whatever agents send") {
  RecentActions recent(4096, 1 << 20);
  for (int i = 0; i < 200; ++i) {
    ActionRecord big = record(static_cast<std::uint64_t>(i));
    big.sql = sql_of(32 << 10);
    recent.add(std::move(big));
  }
  std::uint64_t cursor = 0;
  std::size_t kept = recent.since(cursor, 4096).size();
  CHECK(kept > 20);
  CHECK(kept <= 32);
}

TEST_CASE("evidence too large to keep is dropped, and the record stays") {
  RecentActions recent;
  ActionRecord big = record(1, std::string(100'000, 'y'));
  big.sql = sql_of(RecentActions::max_evidence + 1);
  recent.add(std::move(big));
  REQUIRE(recent.find(1));
  CHECK(recent.find(1)->evidence == ActionRecord::Evidence::dropped);
  CHECK(recent.find(1)->sql == nullptr);
  CHECK(recent.find(1)->text.size() == 1024);
}

TEST_CASE("a text is cut between characters") {
  CHECK(cut_text(std::string(1022, 'x') + "€€") == std::string(1022, 'x'));
  CHECK(cut_text("€") == "€");
}

TEST_CASE("an action's id is read back as it is written") {
  for (std::uint64_t id : {0UL, 31UL, 32UL, 1'700'000'000'000'000'000UL, ~0UL}) {
    INFO(action_id_text(id));
    CHECK(parse_action_id(action_id_text(id)) == id);
  }
  for (const char* wrong :
       {"", "a", "a-", "b-1", "a-u", "a-1 ", "A-1", "a-zzzzzzzzzzzzzz", "a-00000000000000"})
    CHECK_FALSE(parse_action_id(wrong));
}

TEST_CASE("a record whose evidence is its text gives back the facets that were decided on") {
  const std::string text = "/* why */ DELETE FROM public.users WHERE name = 'x'";
  auto policy = std::make_shared<Policy>();
  policy->endpoints["pg-prod"].name = "pg-prod";
  ActionRecord made = record(1, text);
  made.type = ActionType::statement;
  made.kind = ActionKind::write;
  made.policy = policy;
  made.facets =
      std::make_shared<const FlowFacets>(FlowFacets{{"builder-1", "data", "10.86.0.2", {{"team", "a"}}},
                                                    {"pg-prod", "postgres"},
                                                    {"db", 5432},
                                                    "pg-reader",
                                                    SqlSessionFacets{"app", "reader", "boss"}});
  made.evidence = ActionRecord::Evidence::in_text;
  std::shared_ptr<const SqlFacets> analysed;
  const Action again = made.action(analysed);
  const sql::Analysis first = sql::analyse(text + " ;  ", {});
  REQUIRE(first.statements.size() == 1);
  CHECK(*again.sql == first.statements[0].facets);
  CHECK(again.kind == ActionKind::write);
  CHECK(again.peer->labels.at("team") == "a");
  CHECK(again.sql_session->declared_user == "boss");
  CHECK(again.credential == "pg-reader");
  CHECK(again.dns == nullptr);
}

TEST_CASE("a flow's last action is the one that was recorded, shared and not copied") {
  RecentActions recent;
  Flow flow(1);
  flow.set_last(recent.add(record(9)));
  CHECK(flow.snapshot().last == recent.find(9));
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
      flow->set_last(recent.add(record(static_cast<std::uint64_t>(i))));
      table.close(*flow);
    }
    stop = true;
  });
  std::uint64_t cursor = 0;
  std::size_t seen = 0;
  do {
    for (const auto& flow : table.all()) CHECK(flow->snapshot().peer == "p");
    seen += recent.since(cursor).size();
    recent.find(0);
  } while (!stop);
  worker.join();
  seen += recent.since(cursor).size();  // who was not let in between looks now
  CHECK(seen > 0);
}

}  // namespace
}  // namespace clawpatrol
