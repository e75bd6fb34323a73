// Names without a schema.
#include "policy/sql/search_path.h"

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

SearchPathPointer path(SearchPath value) {
  return std::make_shared<const SearchPath>(std::move(value));
}

Statement in(const SearchPathPointer& search_path, std::string_view text) {
  Options options;
  options.search_path = search_path;
  return one(text, options);
}

std::vector<Statement> all_of(std::string_view text) {
  Analysis analysis = analyse(text, {});
  INFO(text << ": " << analysis.error);
  REQUIRE(analysis.readable == Readable::yes);
  return analysis.statements;
}

using Kind = PathEffect::Kind;
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("attack 7: within a message a name is in the schemas that a SET before it names") {
  const Statement read = all_of("SET search_path = sec, \"Other\"; SELECT * FROM tokens").back();
  CHECK(read.facets.reads->items == Names{"tokens", "sec.tokens", "Other.tokens"});
  CHECK_FALSE(read.facets.reads->open);
  CHECK(has(all_of("SET search_path TO 'sec'; DELETE FROM tokens").back().facets.writes, "sec.tokens"));
  CHECK(has(all_of("SET SCHEMA 'sec'; TABLE tokens").back().facets.tables, "sec.tokens"));
  CHECK(has(all_of("SET \"SEARCH_PATH\" = sec; TABLE tokens").back().facets.tables, "sec.tokens"));
  CHECK(has(all_of("SET ROLE sec; TABLE tokens").back().facets.tables, "sec.tokens"));
  CHECK(has(all_of("SET SESSION AUTHORIZATION sec; TABLE tokens").back().facets.tables, "sec.tokens"));
  CHECK(has(all_of("SELECT set_config('search_path', 'a, sec', true); TABLE tokens").back().facets.tables,
            "sec.tokens"));
  // A name that has a schema is where it says.
  CHECK(all_of("SET search_path = sec; TABLE app.tokens").back().facets.tables->items ==
        Names{"tokens", "app.tokens"});
}

TEST_CASE("attack 7: what may have been undone within a message is not forgotten, nor taken for certain") {
  const Statement read = all_of("BEGIN; SET search_path = sec; ROLLBACK; SELECT * FROM tokens").back();
  CHECK(has(read.facets.tables, "public.tokens"));
  CHECK(has(read.facets.tables, "sec.tokens"));
  const Statement local = all_of("BEGIN; SET LOCAL search_path = sec; TABLE tokens").back();
  CHECK(has(local.facets.tables, "sec.tokens"));
  CHECK(has(local.facets.tables, "public.tokens"));
  for (const char* text : {"SET search_path FROM CURRENT; TABLE tokens",
                           "SELECT set_config('search_path', $1, false); TABLE tokens",
                           "SELECT set_config('search_path', lower('SEC'), false); TABLE tokens",
                           "SELECT set_config('role', a, false) FROM t; TABLE tokens",
                           "SET search_path = \"$user\"; TABLE tokens"}) {
    INFO(text);
    Analysis analysis = analyse(text, {});
    if (analysis.readable != Readable::yes) continue;  // the grammar has FROM CURRENT in definitions only
    CHECK(analysis.statements.back().facets.tables->open);
    CHECK(analysis.statements.back().facets.reads->open);
    CHECK_FALSE(analysis.statements.back().runs_unread_code);
  }
}

TEST_CASE("attack 7: in a function's body that is kept as text names are looked up on the path of its call") {
  const SearchPathPointer known = path({.schemas = {"public"}});
  for (const char* text :
       {"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = sec AS 'DELETE FROM tokens'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'UPDATE tokens SET a = 1'"}) {
    INFO(text);
    const Statement made = in(known, text);
    CHECK(made.facets.tables->open);
    CHECK(made.facets.writes->open);
    CHECK(has(made.facets.writes, "tokens"));
  }
  for (const char* text : {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM sec.tokens'",
                           "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM tokens; END",
                           "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql AS 'SELECT lower(a)'"}) {
    INFO(text);
    CHECK_FALSE(in(known, text).facets.tables->open);
    CHECK_FALSE(in(known, text).facets.writes->open);
  }
}

TEST_CASE("attack 7: where the path is not certain a name without a schema leaves lists open") {
  const SearchPathPointer unknown = path({.schemas = {"public"}, .certain = false});
  const Statement read = in(unknown, "SELECT lower(a) FROM tokens");
  CHECK(read.facets.tables->open);
  CHECK(read.facets.reads->open);
  CHECK(read.facets.functions->open);
  CHECK(has(read.facets.tables, "public.tokens"));
  CHECK_FALSE(has_class(read, "unknown_code"));
  const Statement qualified = in(unknown, "SELECT a FROM app.users");
  CHECK_FALSE(qualified.facets.tables->open);
  CHECK_FALSE(in(unknown, "SELECT 1").facets.tables->open);
}

TEST_CASE("attack 7: with the catalogue behind another schema what seems built in is unknown code") {
  const SearchPathPointer hiding = path(path_from_names({"evil", "pg_catalog"}));
  for (const char* text :
       {"SELECT lower(a) FROM s.t", "SELECT 1 + 1", "SELECT 'x'::text", "SELECT count(*)"}) {
    INFO(text);
    CHECK(all_open(in(hiding, text).facets));
    CHECK(has_class(in(hiding, text), "unknown_code"));
    CHECK_FALSE(all_open(in(path(path_from_names({"pg_catalog", "evil"})), text).facets));
  }
  CHECK_FALSE(all_open(in(hiding, "SELECT pg_catalog.lower(a) FROM s.t").facets));
  CHECK(has(in(hiding, "SELECT lower(a) FROM s.t").facets.functions, "evil.lower"));
}

TEST_CASE("a function that is vouched for by its mere name is vouched for on the path of before") {
  Options options;
  options.safe_functions = std::make_shared<const std::unordered_set<std::string>>(
      std::unordered_set<std::string>{"tax", "app.rate"});
  CHECK_FALSE(all_open(one("SELECT tax(1), app.rate(2)", options).facets));
  options.search_path = path({.schemas = {"evil"}});
  CHECK(all_open(one("SELECT tax(1)", options).facets));
  CHECK_FALSE(all_open(one("SELECT app.rate(2)", options).facets));
}

TEST_CASE("what a statement does to the path is told by it") {
  struct Case {
    const char* text;
    Kind kind;
    Names schemas;
  };
  for (const Case& expected : {
           Case{"SET search_path = a, B, \"C\", pg_catalog", Kind::set, {"a", "b", "C"}},
           {"SET search_path TO 'a, b'", Kind::set, {"a, b"}},
           {"SET search_path TO ''", Kind::set, {}},
           {"SET LOCAL search_path = a", Kind::add, {"a"}},
           {"SET search_path TO DEFAULT", Kind::reset, {}},
           {"SET LOCAL search_path TO DEFAULT", Kind::uncertain, {}},
           {"RESET search_path", Kind::reset, {}},
           {"RESET ALL", Kind::reset, {}},
           {"DISCARD ALL", Kind::reset, {}},
           {"RESET ROLE", Kind::none, {}},
           {"SET ROLE bob", Kind::add, {"bob"}},
           {"SET ROLE 'bob'", Kind::add, {"bob"}},
           {"SET SESSION AUTHORIZATION DEFAULT", Kind::none, {}},
           {"SET work_mem = '1MB'", Kind::none, {}},
           {"SELECT set_config('search_path', '\"A\" ,b', false)", Kind::add, {"A", "b"}},
           {"SELECT set_config('search_path', $1, false)", Kind::uncertain, {}},
           {"PREPARE p AS SELECT set_config('search_path', 'a', false)", Kind::add, {"a"}},
           {"ALTER ROLE bob SET search_path = a", Kind::none, {}},
           {"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a AS 'SELECT 1'", Kind::none, {}},
       }) {
    const Statement statement = one(expected.text);
    INFO(expected.text);
    CHECK(statement.path.kind == expected.kind);
    CHECK(statement.path.path.schemas == expected.schemas);
  }
}

TEST_CASE("what sets a role is told from what sets a path") {
  for (const char* text :
       {"SET ROLE bob", "SET SESSION AUTHORIZATION bob", "SET LOCAL ROLE bob",
        "SELECT set_config('role', 'bob', false)", "SELECT set_config('role', $1, true)"}) {
    INFO(text);
    CHECK(one(text).path.of_role);
  }
  for (const char* text : {"SET search_path = bob", "SELECT set_config('search_path', 'bob', false)",
                           "RESET search_path", "RESET ALL", "SELECT 1"}) {
    INFO(text);
    CHECK_FALSE(one(text).path.of_role);
  }
}

TEST_CASE("a path of more schemas than are listed is uncertain") {
  std::string text = "SET search_path = a0";
  for (int i = 1; i < 40; ++i) text += ", a" + std::to_string(i);
  const PathEffect effect = one(text).path;
  CHECK(effect.path.schemas.size() == most_schemas);
  CHECK_FALSE(effect.path.certain);
}

TEST_CASE("attack 9: the cache keeps analyses of different paths apart") {
  Cache cache(1 << 20);
  Options plain, other;
  other.search_path = path({.schemas = {"sec"}});
  for (int i = 0; i < 3; ++i) {
    CHECK(has(cache.analyse("TABLE tokens", plain)->statements.front().facets.tables, "public.tokens"));
    CHECK(has(cache.analyse("TABLE tokens", other)->statements.front().facets.tables, "sec.tokens"));
  }
  Options same;
  same.search_path = path({.schemas = {"sec"}});
  CHECK(cache.find("TABLE tokens", same) == cache.find("TABLE tokens", other));
  CHECK(cache.find("TABLE tokens", same) != cache.find("TABLE tokens", plain));
}

TEST_CASE("attack 7: on a path with nothing on it a name without a schema has a qualified one all the same") {
  Options bare;
  for (const char* text :
       {"SET search_path = ''", "SET search_path = pg_temp", "SET search_path = pg_catalog"}) {
    INFO(text);
    bare.search_path = path(one(text).path.path);
    const Statement statement = one("SELECT * FROM tokens", bare);
    const auto qualified = [](const std::string& name) { return name.find('.') != name.npos; };
    CHECK(std::ranges::any_of(statement.facets.tables->items, qualified));
    CHECK_FALSE(has(statement.facets.tables, "ops.tokens"));
  }
  bare.search_path = path({.schemas = {"ops"}});
  CHECK_FALSE(has(one("SELECT * FROM tokens", bare).facets.tables, "pg_temp.tokens"));
}

}  // namespace clawpatrol::sql
