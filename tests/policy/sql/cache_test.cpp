#include <memory>
#include <unordered_set>

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {

TEST_CASE("attack 9: an analysis is kept by its whole text and by every option that decides it") {
  Cache cache(64 * 1024);
  Options plain;
  Options vouching;
  vouching.safe_functions =
      std::make_shared<const std::unordered_set<std::string>>(std::unordered_set<std::string>{"f"});
  CHECK(cache.find("SELECT f()", plain) == nullptr);
  cache.analyse("SELECT f()", plain);
  CHECK(cache.find("SELECT f()", plain) == nullptr);  // kept from the second time on
  auto first = cache.analyse("SELECT f()", plain);
  CHECK(cache.find("SELECT f()", plain) == first);
  CHECK(cache.find("SELECT f() ", plain) == nullptr);
  CHECK(cache.find("SELECT f()", vouching) == nullptr);
  CHECK_FALSE(cache.analyse("SELECT f()", vouching)->statements[0].facets.tables->open);
  CHECK(cache.find("SELECT f()", plain)->statements[0].facets.tables->open);
  Options narrow;
  narrow.limits.tokens = 2;
  CHECK(cache.analyse("SELECT f()", narrow)->readable == Readable::over_limit);
}

TEST_CASE("a cache holds no more than its bytes and forgets what was used longest ago") {
  Cache cache(32 * 1024);
  cache.analyse("SELECT 'kept'", {});
  auto kept = cache.analyse("SELECT 'kept'", {});
  for (int i = 0; i < 200; ++i) {
    for (int time = 0; time < 2; ++time) cache.analyse("SELECT " + std::to_string(i), {});
    CHECK(cache.find("SELECT 'kept'", {}) == kept);
  }
  CHECK(cache.find("SELECT 0", {}) == nullptr);
  CHECK(cache.find("SELECT 199", {}) != nullptr);
  std::string large = "SELECT '" + std::string(30000, 'x') + "'";
  for (int time = 0; time < 2; ++time) CHECK(cache.analyse(large, {})->readable == Readable::yes);
  CHECK(cache.find(large, {}) == nullptr);
}

TEST_CASE("attack 28: one peer's ever different texts push out its own, and no other peer's") {
  Cache cache(64 * 1024);
  const auto twice = [&cache](const std::string& text, std::uint32_t peer, const Options& options = {}) {
    cache.analyse(text, options, peer);
    return cache.analyse(text, options, peer);
  };
  const auto kept = twice("SELECT 'kept'", 1);
  cache.analyse("SELECT 'once'", {}, 1);
  for (int i = 0; i < 2'000; ++i) twice("SELECT " + std::to_string(i), 2);
  CHECK(cache.find("SELECT 'kept'", {}) == kept);
  CHECK(cache.find("SELECT 0", {}) == nullptr);
  CHECK(cache.find("SELECT 1999", {}) != nullptr);
  // Nor does it make forget what another has sent once.
  const auto second = cache.analyse("SELECT 'once'", {}, 1);
  CHECK(cache.find("SELECT 'once'", {}) == second);
  // One text on ever different paths is one peer's many.
  for (int i = 0; i < 2'000; ++i) {
    Options moved;
    moved.search_path = std::make_shared<const SearchPath>(SearchPath{{"s" + std::to_string(i)}});
    twice("SELECT 'kept'", 2, moved);
  }
  CHECK(cache.find("SELECT 'kept'", {}) == kept);
}

}  // namespace clawpatrol::sql
