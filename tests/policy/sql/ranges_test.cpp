#include "policy/sql/ranges.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace clawpatrol::sql {
namespace {

using Names = std::vector<std::string>;

Names rows_of(Ranges& ranges, std::string_view alias) {
  Names names;
  ranges.rows_of(alias, [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

Names relations_of(const Ranges& ranges, std::string_view alias) {
  Names names;
  if (!ranges.relations_of(alias, [&](std::string_view name) { names.emplace_back(name); }))
    names.emplace_back("and more");
  return names;
}

Names all_rows(Ranges& ranges, std::size_t first) {
  Names names;
  ranges.all_rows(first, [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

}  // namespace

TEST_CASE("a column's alias means the members of that name, innermost first, until their queries end") {
  Ranges ranges;
  ranges.add("x", "outer");
  auto each_but = [&ranges](std::string_view name) {
    Names told;
    CHECK(ranges.each_but(name, [&](std::string_view relation) { told.emplace_back(relation); }));
    return told;
  };
  CHECK(each_but("y") == Names{"outer"});
  CHECK(each_but("x").empty());
  ranges.add("x", "inner");
  ranges.add("y", "");
  CHECK(relations_of(ranges, "x") == Names{"inner", "outer"});
  CHECK(relations_of(ranges, "y") == Names{"y"});
  CHECK(relations_of(ranges, "z") == Names{"z"});
  CHECK_FALSE(ranges.is_no_relation("x"));
  CHECK(ranges.is_no_relation("y"));
  CHECK_FALSE(ranges.is_no_relation("z"));
  CHECK(rows_of(ranges, "x") == Names{"inner", "outer"});
  CHECK(rows_of(ranges, "x").empty());
  ranges.cut(1);
  CHECK(relations_of(ranges, "x") == Names{"outer"});
  CHECK(relations_of(ranges, "y") == Names{"y"});
  ranges.add("x", "third");
  CHECK(rows_of(ranges, "x") == Names{"third"});
  ranges.cut(0);
  CHECK(relations_of(ranges, "x") == Names{"x"});
  for (int i = 0; i < 9; ++i) ranges.add("x", "t");
  ranges.add("x", "");
  CHECK(relations_of(ranges, "x").back() == "and more");
  CHECK(ranges.is_no_relation("x"));
}

TEST_CASE("a star means the members of its own query") {
  Ranges ranges;
  ranges.add("a", "a");
  ranges.add("b", "b");
  CHECK(all_rows(ranges, 0) == Names{"a", "b"});
  ranges.add("c", "c");
  ranges.add("d", "");
  CHECK(all_rows(ranges, 2) == Names{"c"});
  CHECK(all_rows(ranges, 2).empty());
  ranges.cut(2);
  ranges.add("e", "e");
  CHECK(all_rows(ranges, 0) == Names{"e"});
}

TEST_CASE("attack 28: columns and stars by the thousand over tables by the thousand take linear work") {
  constexpr std::size_t many = 10'000;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < many; ++i) names.push_back(std::to_string(i));
  Ranges ranges;
  for (const std::string& name : names) ranges.add(name, name), ranges.add("same", name);
  std::size_t told = 0;
  auto count = [&](std::string_view) { ++told; };
  for (const std::string& name : names) {
    ranges.rows_of(name, count);
    ranges.rows_of("same", count);
    ranges.rows_of("none", count);
    ranges.all_rows(0, count);
    relations_of(ranges, name);
    relations_of(ranges, "same");
  }
  CHECK(told == 4 * many);
  CHECK(ranges.looked_at() <= 10 * many);
}

}  // namespace clawpatrol::sql
