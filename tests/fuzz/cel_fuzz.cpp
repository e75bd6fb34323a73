// Any text as a condition: it compiles or says why, and what compiles is evaluated within its cost. What is
// decided while facets are unknown must not be decided otherwise once they are known.
#include <cstdlib>
#include <string_view>

#include "policy/cel/program.h"

namespace {

using namespace clawpatrol;
using cel::Truth;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Actions {
  PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "platform"}}};
  EndpointFacets endpoint{"pg-prod", "postgres"};
  DestFacets dest{"pg.internal", 5432};
  SqlFacets known, open, unknown;
  SqlParams params = SqlParams::Value{"7", std::nullopt};
  SqlParams pending;
  SqlSessionFacets session{"app", "agent", "agent"};

  Actions() {
    known.statement = std::string("DELETE FROM users; \xff");
    known.verb = std::string("delete");
    known.verbs = NameList{{"explain", "delete"}};
    known.tables = known.reads = known.writes = known.columns = known.functions = known.classes =
        known.literals = NameList{{"users", "public.users", "", "secrets"}};
    known.unbounded = true;
    known.copy = CopyFacet{"to", "program"};
    known.statements = std::int64_t{1};
    open = known;
    open.verbs = NameList{{"delete"}, true};
    open.tables = open.reads = open.writes = open.columns = open.functions = open.classes = open.literals =
        NameList{{"users", ""}, true};
    pending = Unknown::pending;
  }

  Action with(const SqlFacets* sql) const {
    return {ActionType::statement,
            ActionKind::write,
            &peer,
            &endpoint,
            &dest,
            "pg-reader",
            1'700'000'000,
            sql,
            sql == &unknown ? &pending : &params,
            &session,
            nullptr};
  }
};

bool contradict(Truth left, Truth right) {
  return (left == Truth::yes && right == Truth::no) || (left == Truth::no && right == Truth::yes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const Actions actions;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto condition = cel::Condition::compile(text, {});
  if (!condition) {
    require(!condition.error().empty());
    for (const cel::Problem& problem : condition.error())
      require(problem.span.begin <= problem.span.end && problem.span.end <= size && !problem.message.empty());
    return 0;
  }
  constexpr std::uint64_t limit = 50'000;
  cel::Outcome known = condition->evaluate(actions.with(&actions.known), limit);
  for (const SqlFacets* less : {&actions.open, &actions.unknown, static_cast<const SqlFacets*>(nullptr)}) {
    cel::Outcome partial = condition->evaluate(actions.with(less), limit);
    require((partial.truth == Truth::unevaluable) == !partial.cause.empty());
    require(!contradict(known.truth, partial.truth));
  }
  return 0;
}
