// Texts that nest as deep as the limits allow: none crashes, and what they use of the deep stack is bounded.
#include <pthread.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "policy/sql/analysis.h"
#include "policy/sql/deep_stack.h"

namespace clawpatrol::sql {
namespace {

std::string repeated(std::string_view part, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.append(part);
  return text;
}

struct Shape {
  const char* name;
  std::string_view before, open, middle, close, after;
};

// Each nests once in `open`; the texts are cut to a size in bytes.
const Shape shapes[] = {
    {"sum", "SELECT 1", "+1", "", "", ""},
    {"minus", "SELECT ", "- ", "1", "", ""},
    {"parentheses", "SELECT ", "(", "1", ")", ""},
    {"subselects", "", "SELECT(", "SELECT 1", ")", ""},
    {"derived tables", "SELECT 1 FROM", "(SELECT 1 FROM", " t", ")a", ""},
    {"joins", "SELECT 1 FROM ", "(", "t", " CROSS JOIN t)", ""},
    {"left joins", "SELECT 1 FROM t", " NATURAL JOIN t", "", "", ""},
    {"not", "SELECT ", "NOT ", "true", "", ""},
    {"and", "SELECT 1 WHERE true", " AND a", "", "", ""},
    {"and or", "SELECT 1 WHERE ", "a AND(b OR(", "c", "))", ""},
    {"delete not", "DELETE FROM t WHERE ", "NOT ", "true", "", ""},
    {"delete or", "DELETE FROM t WHERE ", "x AND(y OR(", "true", "))", ""},
    {"casts", "SELECT 1", "::int", "", "", ""},
    {"case", "SELECT ", "CASE WHEN 1 THEN ", "1", " END", ""},
    {"arrays", "SELECT ARRAY", "[", "1", "]", ""},
    {"rows", "SELECT ", "ROW(", "1", ")", ""},
    {"calls", "SELECT ", "f(", "1", ")", ""},
    {"union", "SELECT 1", " UNION SELECT 1", "", "", ""},
    {"union right", "", "(SELECT 1 UNION ", "SELECT 1", ")", ""},
    {"with", "", "WITH a AS(", "SELECT 1", ")SELECT 1", ""},
    {"exists", "SELECT 1 WHERE ", "EXISTS(SELECT 1 WHERE ", "true", ")", ""},
    {"indirection", "SELECT ", "(", "a", ").b", ""},
    {"subscripts", "SELECT a", "[1]", "", "", ""},
    {"collate", "SELECT a", " COLLATE c", "", "", ""},
    {"is null", "SELECT a", " IS NULL", "", "", ""},
    {"explain", "", "EXPLAIN ", "SELECT 1", "", ""},
    {"values", "", "VALUES((", "VALUES(1)", "))", ""},
    {"comments", "SELECT 1", "/*", "x", "*/", ""},
    {"concatenation", "SELECT a", "||a", "", "", ""},
    {"between", "SELECT a", " BETWEEN 1 AND a", "", "", ""},
    {"in", "SELECT ", "1 IN(", "1", ")", ""},
    {"schema", "CREATE SCHEMA s", " CREATE VIEW v AS SELECT 1", "", "", ""},
};

std::string nested(const Shape& shape, std::size_t bytes) {
  std::size_t each = shape.open.size() + shape.close.size();
  std::size_t count = bytes / each;
  std::string text(shape.before);
  text += repeated(shape.open, count);
  text.append(shape.middle);
  text += repeated(shape.close, count);
  text.append(shape.after);
  return text;
}

}  // namespace

TEST_CASE("deeply nested texts of every shape and size are read or refused, never crash") {
  for (const Shape& shape : shapes) {
    for (std::size_t bytes : {100UL, 1000UL, 8000UL, 9000UL, 64UL * 1024, 250UL * 1024}) {
      std::string text = nested(shape, bytes);
      Analysis analysis = analyse(text, {});
      INFO(shape.name << ", " << text.size() << " bytes");
      CHECK(!analysis.statements.empty());
    }
  }
}

TEST_CASE("the worst nesting that the limits allow uses less than half of the deep stack") {
  Options options;
  options.limits.tokens = 32 * 1024;
  deep_stack_touched();  // from now on nothing is given back
  for (const Shape& shape : shapes) {
    // As many tokens as are allowed: the largest size that is not over the limit.
    std::size_t low = 1000, high = options.limits.bytes - 1000;
    for (int i = 0; i < 6; ++i) {
      std::size_t size = (low + high) / 2;
      (analyse(nested(shape, size), options).readable == Readable::over_limit ? high : low) = size;
    }
  }
  std::size_t touched = deep_stack_touched();
  std::printf("deep stack: %zu KiB of %zu touched at the limit\n", touched / 1024, deep_stack_bytes / 1024);
  CHECK(touched < deep_stack_bytes / 2);
}

TEST_CASE("a thread with a small stack of its own reads what it is given") {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 512UL * 1024) == 0);
  pthread_t thread;
  auto body = [](void* result) -> void* {
    auto* readable = static_cast<std::vector<Readable>*>(result);
    for (std::size_t bytes : {4000UL, 8100UL, 30000UL}) {
      readable->push_back(analyse(nested(shapes[0], bytes), {}).readable);
      readable->push_back(analyse(nested(shapes[7], bytes), {}).readable);
    }
    return nullptr;
  };
  std::vector<Readable> readable;
  REQUIRE(pthread_create(&thread, &attributes, body, &readable) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  CHECK(readable == std::vector<Readable>(6, Readable::yes));
}

TEST_CASE("a text of 64 kB and of 256 kB that adds ones is read or over a limit") {
  CHECK(analyse("SELECT 1" + repeated("+1", 16000), {}).readable == Readable::yes);
  CHECK(analyse("SELECT 1" + repeated("+1", 32000), {}).readable == Readable::over_limit);
  Options wide;
  wide.limits.tokens = 1024 * 1024;
  wide.limits.bytes = 1024 * 1024;
  CHECK(analyse("SELECT 1" + repeated("+1", 32000), wide).readable == Readable::yes);
  CHECK(analyse("SELECT 1" + repeated("+1", 128000), wide).readable == Readable::yes);
}

}  // namespace clawpatrol::sql
