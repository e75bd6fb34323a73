// Three-valued logic has one law: what is decided with less known is decided alike with more known. Random
// conditions, random ignorance.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "policy/policy.h"

namespace {

using namespace clawpatrol;
using cel::Truth;

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  int upto(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  std::string pick(std::initializer_list<std::string> from) {
    return *(from.begin() + upto(static_cast<int>(from.size())));
  }

  std::string boolean(int depth) {
    if (depth == 0)
      return pick({"sql.unbounded", "true", "false", "has(peer.labels.team)", "has(peer.labels.none)"});
    switch (upto(14)) {
      case 0: return fmt::format("({} && {})", boolean(depth - 1), boolean(depth - 1));
      case 1: return fmt::format("({} || {})", boolean(depth - 1), boolean(depth - 1));
      case 2: return fmt::format("!{}", boolean(depth - 1));
      case 3:
        return fmt::format("({} ? {} : {})", boolean(depth - 1), boolean(depth - 1), boolean(depth - 1));
      case 4: return fmt::format("({} {} {})", text(depth - 1), pick({"==", "!=", "<"}), text(depth - 1));
      case 5: return fmt::format("({} in {})", text(depth - 1), list(depth - 1));
      case 6: return fmt::format("({} {} {})", list(depth - 1), pick({"==", "!="}), list(depth - 1));
      case 7:
      case 8:
        return fmt::format("{}.{}(v, {})", list(depth - 1), pick({"exists", "all", "exists_one"}),
                           about_v(depth - 1));
      case 9:
        return fmt::format("sets.{}({}, {})", pick({"contains", "equivalent", "intersects"}), list(depth - 1),
                           list(depth - 1));
      case 10:
        return fmt::format("({} {} {})", number(depth - 1), pick({"==", ">", "<="}), number(depth - 1));
      case 11:
        return fmt::format("{}.{}({})", text(depth - 1), pick({"startsWith", "contains", "matches"}),
                           text(depth - 1));
      case 12: return fmt::format("({} in [{}, {}])", list(depth - 1), list(depth - 1), list(depth - 1));
      default: return fmt::format("{}.exists(i, v, i > 0 && {})", list(depth - 1), about_v(depth - 1));
    }
  }

  // What the index looks for, however it is joined and turned round.
  std::string head(int depth) {
    if (depth > 0) {
      switch (upto(5)) {
        case 0: return fmt::format("({} && {})", head(depth - 1), head(depth - 1));
        case 1: return fmt::format("({} || {})", head(depth - 1), head(depth - 1));
        case 2: return fmt::format("!({})", head(depth - 1));
        case 3: return fmt::format("cel.bind(b, {}, b)", head(depth - 1));
        default: break;
      }
    }
    switch (upto(6)) {
      case 0: return pick({"sql.unbounded", "sql.statement.endsWith('b')", "true"});
      case 1: return fmt::format("({} in {})", constant(), pick({"sql.tables", "sql.verbs"}));
      case 2:
      case 3:
        return fmt::format("{}.{}(v, {})", pick({"sql.tables", "sql.verbs"}),
                           pick({"exists", "all", "exists_one"}), test_of("v", 2));
      default:
        return test_of(pick({"sql.verb", "sql.statement", "sql.copy.target", "sql.copy.direction"}), 0);
    }
  }

 private:
  std::string constant() { return pick({"'a'", "'b'", "'zz'", "'z'", "''"}); }
  std::string test_of(const std::string& subject, int depth) {
    if (depth > 0 && upto(2) == 0) {
      switch (upto(3)) {
        case 0: return fmt::format("({} && {})", test_of(subject, depth - 1), test_of(subject, depth - 1));
        case 1: return fmt::format("({} || {})", test_of(subject, depth - 1), test_of(subject, depth - 1));
        default: return fmt::format("!({})", test_of(subject, depth - 1));
      }
    }
    switch (upto(4)) {
      case 0: return fmt::format("{} {} {}", subject, pick({"==", "!="}), constant());
      case 1: return fmt::format("{} {} {}", constant(), pick({"==", "!="}), subject);
      case 2: return fmt::format("{} in [{}, {}]", subject, constant(), constant());
      default: return fmt::format("{}.startsWith({})", subject, constant());
    }
  }
  std::string about_v(int depth) {
    return pick({"v == 'a'", "v != 'b'", "v.startsWith('a')",
                 fmt::format("v in {}", list(depth > 0 ? depth - 1 : 0)),
                 fmt::format("(v == 'a' || {})", boolean(depth > 0 ? depth - 1 : 0)), "int(v) == 1"});
  }

  std::string text(int depth) {
    std::string leaf =
        pick({"'a'", "'b'", "'zz'", "sql.verb", "sql.statement", "peer.labels.team", "peer.labels['none']"});
    if (depth == 0) return leaf;
    switch (upto(5)) {
      case 0: return fmt::format("({} + {})", text(depth - 1), text(depth - 1));
      case 1: return fmt::format("{}[{}]", list(depth - 1), upto(3));
      case 2: return fmt::format("{}.join(',')", list(depth - 1));
      case 3: return fmt::format("({} ? {} : {})", boolean(depth - 1), text(depth - 1), text(depth - 1));
      default: return leaf;
    }
  }

  std::string list(int depth) {
    std::string leaf =
        pick({"sql.tables", "sql.verbs", "sql.reads", "['a']", "['a', 'b']", "['b', 'a', 'a']"});
    if (depth == 0) return leaf;
    switch (upto(6)) {
      case 0: return fmt::format("({} + {})", list(depth - 1), list(depth - 1));
      case 1: return fmt::format("{}.filter(v, {})", list(depth - 1), about_v(depth - 1));
      case 2: return fmt::format("{}.map(v, v + {})", list(depth - 1), text(depth - 1));
      case 3: return fmt::format("[{}, {}]", text(depth - 1), text(depth - 1));
      default: return leaf;
    }
  }

  std::string number(int depth) {
    if (depth == 0) return pick({"sql.statements", "0", "1", "2", "dest.port"});
    return pick({fmt::format("{}.size()", list(depth - 1)), fmt::format("size({})", text(depth - 1)),
                 fmt::format("({} / {})", number(depth - 1), number(depth - 1)), number(0)});
  }

  std::mt19937 random_;
};

SqlFacets some_facts(Generator& random) {
  auto names = [&random] {
    NameList list;
    for (int i = random.upto(4); i > 0; --i) list.items.push_back(random.pick({"a", "b", "zz", "1"}));
    return list;
  };
  SqlFacets facts;
  facts.verb = random.pick({"a", "b", "zz"});
  facts.statement = random.pick({"a", "b"});
  facts.unbounded = random.upto(2) == 0;
  facts.statements = std::int64_t{random.upto(3)};
  facts.copy = CopyFacet{random.pick({"", "a"}), random.pick({"", "a", "zz"})};
  facts.tables = names();
  facts.verbs = names();
  facts.reads = names();
  return facts;
}

struct Ignorance {
  SqlFacets facts;
  bool opened = false;
};

// The same facts, some of them unknown, some lists open with members left out.
Ignorance forget(const SqlFacets& facts, Generator& random) {
  Ignorance less{facts};
  if (random.upto(3) == 0) less.facts.verb = Unknown::unparseable;
  if (random.upto(3) == 0) less.facts.statement = Unknown::pending;
  if (random.upto(3) == 0) less.facts.unbounded = Unknown::over_limit;
  if (random.upto(3) == 0) less.facts.statements = Unknown::undecodable;
  if (random.upto(3) == 0) less.facts.copy = Unknown::unparseable;
  for (Facet<NameList>* list : {&less.facts.tables, &less.facts.verbs, &less.facts.reads}) {
    int fate = random.upto(4);
    if (fate == 0) *list = Unknown::unparseable;
    if (fate > 1) continue;
    less.opened |= fate == 1;
    if (fate == 1) {
      (**list).open = true;
      std::erase_if((**list).items, [&random](const std::string&) { return random.upto(2) == 0; });
    }
  }
  return less;
}

}  // namespace

TEST_CASE("what is decided with less known is decided alike with more known") {
  Generator random(20251122);
  PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "a"}}};
  DestFacets dest{"pg.internal", 5432};
  int decided = 0, undecided = 0;
  for (int round = 0; round < 12'000; ++round) {
    std::string text = random.boolean(1 + random.upto(3));
    auto condition = cel::Condition::compile(text, {});
    INFO(text << (condition ? "" : ": " + condition.error()[0].message));
    REQUIRE(condition);
    SqlFacets facts = some_facts(random);
    Ignorance less = forget(facts, random);
    Action action{ActionType::statement, ActionKind::read, &peer, nullptr, &dest, "", 0, &less.facts};
    cel::Outcome partial = condition->evaluate(action);
    action.sql = &facts;
    cel::Outcome full = condition->evaluate(action);
    (partial.truth == Truth::unevaluable ? undecided : decided) += 1;
    if (partial.truth == Truth::unevaluable || partial.truth == full.truth) continue;
    // A member that nobody knew of may make a filter fail: then more is refused, never the opposite.
    bool refused = less.opened && full.truth == Truth::unevaluable;
    if (!refused) FAIL("decided otherwise once all was known");
  }
  CHECK(decided > 2'000);
  CHECK(undecided > 2'000);
}

TEST_CASE("a rule that is not tried has a condition that is not true") {
  Generator random(20251123);
  PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "a"}}};
  DestFacets dest{"pg.internal", 5432};
  int left_out = 0, tried = 0;
  for (int round = 0; round < 4'000; ++round) {
    // Several, since one index holds them all: half of them anything, half what it looks for.
    std::vector<Rule> rules(1 + static_cast<std::size_t>(random.upto(8)));
    std::vector<const Rule*> pointers;
    for (Rule& rule : rules) {
      auto condition = cel::Condition::compile(
          random.upto(2) ? random.head(random.upto(4)) : random.boolean(1 + random.upto(3)), {});
      REQUIRE(condition);
      rule.condition = std::move(*condition);
      pointers.push_back(&rule);
    }
    const RuleDispatch dispatch(pointers);
    SqlFacets facts = some_facts(random);
    Ignorance less = forget(facts, random);
    for (const SqlFacets* known : {&facts, &less.facts}) {
      Action action{ActionType::statement, ActionKind::read, &peer, nullptr, &dest, "", 0, known};
      const RuleSet candidates = dispatch.candidates(action);
      for (std::size_t at = 0; at < rules.size(); ++at) {
        (candidates.has(at) ? tried : left_out) += 1;
        if (candidates.has(at)) continue;
        INFO(rules[at].condition->text());
        REQUIRE(rules[at].condition->evaluate(action).truth == Truth::no);
      }
    }
  }
  CHECK(left_out > 5'000);
  CHECK(tried > 5'000);
}
