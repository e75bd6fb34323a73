// Conditions that look at the row and bound nothing.
#include "policy/sql/tautology.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

bool is_unbounded(const std::string& condition) {
  const bool of_delete = *one("DELETE FROM t WHERE " + condition).facets.unbounded;
  CHECK(*one("UPDATE t SET a = 1 WHERE " + condition).facets.unbounded == of_delete);
  return of_delete;
}

}  // namespace

TEST_CASE("what is compared with itself leaves out nothing but nulls") {
  for (const char* condition : {"id = id",
                                "t.id = id",
                                "public.t.id = t.id",
                                "id >= id",
                                "id <= id",
                                "id IN (id)",
                                "id IN (1, id)",
                                "id = ANY (ARRAY[1, id])",
                                "id = ALL (ARRAY[id, id])",
                                "id BETWEEN id AND id",
                                "id BETWEEN SYMMETRIC 5 AND id",
                                "id IS NOT DISTINCT FROM id",
                                "NOT (id <> id)",
                                "NOT (id IS DISTINCT FROM id)",
                                "NOT id NOT IN (id)",
                                "lower(name) = lower(name)",
                                "(a, b) = (a, b)",
                                "a + 1 = a + 1",
                                "name LIKE name",
                                "id OPERATOR(pg_catalog.=) id",
                                "id = id AND name = name",
                                "id = id OR id = 5",
                                "(id = id) IS TRUE",
                                "(id <> id) IS NOT TRUE",
                                "(id < id) IS FALSE",
                                "coalesce(id = id, false)",
                                "t = t",
                                "id::text = id::text",
                                "CASE WHEN id = 5 THEN true ELSE true END",
                                "CASE id WHEN 5 THEN true ELSE 1 = 1 END",
                                "CASE WHEN id = 5 THEN true ELSE $1 END",
                                "(SELECT max(a) FROM u) = (SELECT max(a) FROM u)"}) {
    INFO(condition);
    CHECK(is_unbounded(condition));
  }
  for (const char* condition : {"id = a",
                                "id <> id",
                                "id < id",
                                "id = id AND id = 5",
                                "NOT (id = id)",
                                "id NOT IN (id)",
                                "id OPERATOR(s.=) id",
                                "id = ALL (ARRAY[1, id])",
                                "id BETWEEN 1 AND id",
                                "id NOT BETWEEN id AND id",
                                "lower(name) = upper(name)",
                                "(a, b) = (b, a)",
                                "id IS DISTINCT FROM id",
                                "id IS NOT NULL",
                                "id IS NULL",
                                "(id = 1) IS NOT UNKNOWN",
                                "(id = id) IS UNKNOWN",
                                "id = NULL",
                                "coalesce(id = 1, false)",
                                "CASE WHEN id = 5 THEN false ELSE true END"}) {
    INFO(condition);
    CHECK_FALSE(is_unbounded(condition));
  }
  // Whose columns these are, only the qualifier tells.
  CHECK_FALSE(*one("DELETE FROM t USING u WHERE t.id = u.id").facets.unbounded);
  CHECK(*one("DELETE FROM t USING u WHERE t.id = t.id").facets.unbounded);
  CHECK_FALSE(*one("DELETE FROM t WHERE id = (SELECT u.id FROM u) AND id > 0").facets.unbounded);
  CHECK(*one("MERGE INTO t USING s ON t.a = t.a WHEN MATCHED THEN DELETE").facets.unbounded);
}

TEST_CASE("a condition or its opposite holds for every row") {
  for (const char* condition :
       {"id IS NULL OR id IS NOT NULL",
        "NOT (id IS NULL AND id IS NOT NULL)",
        "id = 5 OR id <> 5",
        "id = 5 OR 5 <> id",
        "id < 5 OR id >= 5",
        "id < 5 OR NOT id < 5",
        "5 > id OR (id >= 5)",
        "a = 1 OR (b = 2 OR NOT (a = 1))",
        "live OR NOT live",
        "live IS TRUE OR live IS NOT TRUE",
        "live IS TRUE OR live IS FALSE",
        "name LIKE 'a%' OR name NOT LIKE 'a%'",
        "id IN (1, 2) OR id NOT IN (1, 2)",
        "id BETWEEN 1 AND 2 OR id NOT BETWEEN 1 AND 2",
        "EXISTS (SELECT 1 FROM u WHERE u.id = t.id) OR NOT EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
        "NOT (id < 5 AND id >= 5)",
        "(id = 5) IS NOT TRUE OR (id = 5) IS TRUE",
        "(id IS NULL) IS NOT NULL",
        "NOT (now() < '2000-01-01' AND id = 5)",
        "(id = NULL) IS UNKNOWN",
        "(id = NULL) IS NULL",
        "ARRAY[id] IS NOT NULL",
        "ctid IS NOT NULL",
        "t.tableoid IS NOT NULL",
        "xmin IS NULL OR cmax IS NOT NULL",
        "coalesce(id, 0) IS NOT NULL"}) {
    INFO(condition);
    CHECK(is_unbounded(condition));
  }
  for (const char* condition :
       {"id IS NULL OR name IS NOT NULL", "id = 5 OR a <> 5", "id = 5 OR name = 'x'",
        "id < 5 OR id > 5 AND a = 1", "name LIKE 'a%' OR name NOT LIKE 'b%'", "id IS NULL AND id IS NOT NULL",
        "id = 5 AND id <> 5", "NOT (id = 5 OR id <> 5)", "coalesce(id, a) IS NOT NULL",
        "live IS FALSE OR live IS NOT TRUE"}) {
    INFO(condition);
    CHECK_FALSE(is_unbounded(condition));
  }
}

TEST_CASE("ranges that leave no number out bound nothing") {
  for (const char* condition : {"id < 5 OR id > 3", "id <= 5 OR id > 5", "id < 0 OR id = 0 OR id > 0",
                                "id <> 5 OR id <> 6", "id < 1 OR a = 7 OR 0 < id", "id < -5 OR id > -6"}) {
    INFO(condition);
    CHECK(is_unbounded(condition));
  }
  for (const char* condition :
       {"id < 5 OR id > 5", "id < 3 OR id > 5", "id < 5 OR a > 3", "id < 5 AND id > 3",
        "id < 0 OR id = 1 OR id > 1", "id < 5.5 OR id > 6", "id > 5 OR id > 3"}) {
    INFO(condition);
    CHECK_FALSE(is_unbounded(condition));
  }
}

TEST_CASE("a pattern that everything fits bounds nothing") {
  for (const char* condition : {"name LIKE '%'", "name ILIKE '%%'", "name ~ ''", "name ~* '^.*$'",
                                "name SIMILAR TO '%'", "NOT name NOT LIKE '%'", "name ~~ '%'::text"}) {
    INFO(condition);
    CHECK(is_unbounded(condition));
  }
  for (const char* condition : {"name LIKE 'a%'", "name LIKE ''", "name LIKE '_%'", "name NOT LIKE '%'",
                                "name ~ 'a'", "name ~ '^$'", "name SIMILAR TO 'a%'", "name !~ ''"}) {
    INFO(condition);
    CHECK_FALSE(is_unbounded(condition));
  }
}

TEST_CASE("what no value of its form can miss bounds nothing") {
  for (const char* condition : {"tableoid > 0",
                                "t.tableoid = 't'::regclass",
                                "tableoid::regclass::text = 't'",
                                "xmin::text <> ''",
                                "'' <> xmin::text",
                                "xmin::text::int8 >= 0",
                                "cmin::text::int > -1",
                                "ctid > '(0,0)'",
                                "ctid <> '(0,0)'::tid",
                                "NOT ctid < '(0,0)'",
                                "concat(id) IS NOT NULL",
                                "pg_catalog.concat(id, a) IS NOT NULL",
                                "concat_ws(',', id) IS NOT NULL",
                                "format('%s', id) IS NOT NULL",
                                "jsonb_build_object('id', id) IS NOT NULL",
                                "pg_typeof(id) IS NOT NULL",
                                "'x' || coalesce(id::text, '') IS NOT NULL",
                                "greatest(id, 0) IS NOT NULL",
                                "greatest(id, 0) >= 0",
                                "least(id, 5) <= 5",
                                "CASE WHEN id = 5 THEN 1 ELSE 2 END IS NOT NULL",
                                "coalesce(id, 0) IS DISTINCT FROM NULL",
                                "(id, a) IS DISTINCT FROM NULL",
                                "num_nulls(id, a) >= 0",
                                "num_nonnulls(id) > -1",
                                "length(name) >= 0",
                                "coalesce(length(name), 0) >= 0",
                                "length(concat(name)) + 1 > 0",
                                "abs(id) >= 0",
                                "0 <= abs(id)",
                                "id * 0 = 0",
                                "id % 10 < 11",
                                "id + 1 > id",
                                "id - 1 <> id",
                                "id < id + 1",
                                "1 + id = id + 1",
                                "name >= ''",
                                "name || 'x' <> ''",
                                "concat(name, 'x') > ''",
                                "md5(name) <> ''",
                                "id IN (SELECT id)",
                                "id IN (VALUES (id))",
                                "id = (SELECT id)",
                                "(SELECT id = id)",
                                "EXISTS (SELECT id)",
                                "id IN (SELECT id FROM t)",
                                "id IN (SELECT DISTINCT x.id FROM public.t AS x ORDER BY id)",
                                "t.id = ANY (SELECT id FROM t)",
                                "int4eq(id, id)",
                                "pg_catalog.text_le(name, name)",
                                "textlike(name, '%')",
                                "regexp_like(name, '')",
                                "starts_with(name, '')"}) {
    INFO(condition);
    CHECK(is_unbounded(condition));
  }
  for (const char* condition : {"xmin::text <> '5'",
                                "xmin::text = '5'",
                                "ctid = '(0,1)'",
                                "ctid > '(0,1)'",
                                "concat(id) = '5'",
                                "concat_ws(sep, id) IS NOT NULL",
                                "s.concat(id) IS NOT NULL",
                                "array_agg_of(id) IS NOT NULL",
                                "greatest(id, a) IS NOT NULL",
                                "greatest(id, 0) > 0",
                                "least(id, 5) >= 5",
                                "CASE WHEN id = 5 THEN 1 END IS NOT NULL",
                                "id IS DISTINCT FROM NULL",
                                "(id, a) IS NOT NULL",
                                "num_nulls(id, a) > 0",
                                "length(name) > 0",
                                "length(name) <= 100",
                                "abs(id) > 5",
                                "id % 10 = 0",
                                "id % 10 < 5",
                                "id + 1 > a",
                                "id + 1 = id",
                                "id + 1 < id",
                                "name <> ''",
                                "name > ''",
                                "name || a <> ''",
                                "id IN (SELECT a)",
                                "id IN (SELECT id FROM u)",
                                "id IN (SELECT a FROM t)",
                                "id IN (SELECT id FROM t WHERE a = 1)",
                                "id IN (SELECT id FROM t LIMIT 5)",
                                "id IN (SELECT max(id) FROM t)",
                                "id IN (SELECT id FROM other.t JOIN u ON true)",
                                "id NOT IN (SELECT id FROM t)",
                                "id > ANY (SELECT id FROM t)",
                                "int4eq(id, a)",
                                "textlike(name, 'a%')",
                                "starts_with(name, 'a')"}) {
    INFO(condition);
    CHECK_FALSE(is_unbounded(condition));
  }
  CHECK_FALSE(*one("DELETE FROM a.t WHERE id IN (SELECT id FROM b.t)").facets.unbounded);
  CHECK(*one("DELETE FROM a.t WHERE id IN (SELECT id FROM t)").facets.unbounded);
  CHECK(*one("MERGE INTO t USING s ON length(t.a) >= 0 WHEN MATCHED THEN DELETE").facets.unbounded);
}

TEST_CASE(
    "a condition with more to compare than is compared counts as unbounded, and a plain long one does not") {
  std::string mixed = "id <> 0";
  for (int i = 1; i < 1500; ++i) mixed += fmt::format(" OR a{} <> {} OR b{} = {}", i, i, i, i);
  CHECK(is_unbounded(mixed));
  std::string plain = "id = 0";
  for (int i = 1; i < 4000; ++i) plain += fmt::format(" OR id = {}", i);
  CHECK_FALSE(is_unbounded(plain));
  std::string pairs = "(a = 0 AND b = 0)";
  for (int i = 1; i < 2000; ++i) pairs += fmt::format(" OR (a = {} AND b = {})", i, i);
  CHECK_FALSE(is_unbounded(pairs));
}

}  // namespace clawpatrol::sql
