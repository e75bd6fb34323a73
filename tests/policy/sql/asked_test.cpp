// What nobody asks for is not made.
#include <utility>

#include "tests/allocations.h"
#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

constexpr Asked nothing{.columns = false, .literals = false};

Options asking(const Asked& asked) {
  Options options;
  options.asked = asked;
  return options;
}

// Names and constants that are too long to be kept without memory of their own.
std::string many(std::size_t count) {
  std::string columns, values;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "a_column_with_a_long_name_" + std::to_string(i);
    columns += (i == 0 ? "" : ", ") + name;
    values += (i == 0 ? "" : " OR ") + name + " = 'a constant with many letters " + std::to_string(i) + "'";
  }
  return "SELECT " + columns + " FROM t WHERE " + values;
}

std::size_t allocated(std::string_view text, const Options& options) {
  const std::size_t before = allocations;
  const Analysis analysis = analyse(text, options);
  const std::size_t made = allocations - before;
  REQUIRE(analysis.readable == Readable::yes);
  return made;
}

void check_rest(std::string_view text) {
  INFO(text);
  Statement all = one(text);
  const Statement few = one(text, asking(nothing));
  CHECK(few.facets.columns == Facet<NameList>(Unknown::not_asked));
  CHECK(few.facets.literals == Facet<NameList>(Unknown::not_asked));
  all.facets.columns = all.facets.literals = Unknown::not_asked;
  CHECK(few.facets == all.facets);
  CHECK(few.kind == all.kind);
  CHECK(few.may_change_settings == all.may_change_settings);
  CHECK(few.names_by_path == all.names_by_path);
  CHECK(few.runs_unread_code == all.runs_unread_code);
}

}  // namespace

TEST_CASE("columns and constants that nobody asks for take no memory") {
  const std::string text = many(40);
  const std::size_t all = allocated(text, {});
  const std::size_t no_columns = allocated(text, asking({.columns = false, .literals = true}));
  const std::size_t no_literals = allocated(text, asking({.columns = true, .literals = false}));
  CHECK(all >= no_columns + 80);  // each by itself and with its table
  CHECK(all >= no_literals + 40);
  CHECK(allocated(text, asking(nothing)) == allocated(many(20), asking(nothing)));
}

TEST_CASE("everything else is the same where columns and constants are not asked for") {
  for (const char* text :
       {"SELECT * FROM a JOIN b USING (id) WHERE a.x = 1", "SELECT a.nextval FROM s.a, LATERAL f(a) g",
        "INSERT INTO a VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET x = excluded.x RETURNING *",
        "UPDATE a SET (x, y) = (SELECT 1, 2) WHERE old.x = 'y'", "COPY a (x, y) FROM '/tmp/x'",
        "DELETE FROM a USING b WHERE a.id = b.id", "CREATE TABLE a (x int PRIMARY KEY, y text DEFAULT 'z')",
        "SELECT to_json.x, x.to_json FROM to_json('1'::text) x", "ALTER ROLE a PASSWORD 'x'",
        "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = 1",
        "SELECT (ROW(1, 'x')).lower", "DO $$ BEGIN PERFORM x FROM a WHERE y = 'z'; END $$"})
    check_rest(text);
}

TEST_CASE("a list that was not made is missed by whoever asks for it, and by nobody else") {
  const SqlFacets few = one("SELECT x FROM a WHERE y = 1", asking(nothing)).facets;
  CHECK_FALSE(lacks(few, nothing));
  CHECK(lacks(few, {.columns = true, .literals = false}));
  CHECK(lacks(few, {.columns = false, .literals = true}));
  CHECK_FALSE(lacks(one("SELECT x FROM a").facets, {}));
  // What could not be read is not there to be made.
  CHECK_FALSE(lacks(analyse("SELEC", {}).statements[0].facets, {}));
}

TEST_CASE("attack 9: an analysis that was made for other rules is not taken for one with all they ask for") {
  Cache cache(64 * 1024);
  const Options all, few = asking(nothing);
  for (int time = 0; time < 2; ++time) cache.analyse("SELECT x FROM a", few);
  REQUIRE(cache.find("SELECT x FROM a", few));
  CHECK(cache.find("SELECT x FROM a", all) == nullptr);
  CHECK(has(cache.analyse("SELECT x FROM a", all)->statements[0].facets.columns, "a.x"));
}

}  // namespace clawpatrol::sql
