// Values in use: what is looked for in responses, of the stored and of tokens.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "daemon/credentials/http/scrub.h"
#include "daemon/credentials/http/value.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;

namespace {

struct Fixture {
  Fixture() {
    ::unsetenv("CREDENTIALS_DIRECTORY");
    char pattern[] = "/tmp/clawpatrol-values-XXXXXX";
    root = ::mkdtemp(pattern);
    store = Store::open(root / "credentials").value();
    config.name = "c";
    config.type = CredentialType::bearer;
    config.placeholder = "{{c}}";
  }
  ~Fixture() { std::filesystem::remove_all(root); }
  // As Tokens makes those of before a restart, with nothing made ready.
  static std::shared_ptr<const Value> token(const std::string& text) {
    Value value;
    value.secret = Secret(std::string_view(text));
    return std::make_shared<const Value>(std::move(value));
  }
  std::shared_ptr<const Patterns> patterns(const std::vector<std::shared_ptr<const Value>>& tokens) {
    std::vector<Sent> sent;
    for (const auto& each : tokens) sent.push_back({&config, each});
    return values.patterns(*store, {&config}, sent);
  }
  std::filesystem::path root;
  std::unique_ptr<Store> store;
  CredentialConfig config;
  Values values;
};

std::string scrubbed(const std::shared_ptr<const Patterns>& patterns, std::string text) {
  REQUIRE(patterns);
  Scrubber scrubber(patterns);
  std::string out;
  scrubber.feed(text, out);
  scrubber.finish(out);
  return out;
}

}  // namespace

TEST_CASE("attack 16: what is stored and all tokens are looked for, those of before a restart too") {
  Fixture fixture;
  REQUIRE(fixture.store->set("c", "what-is-stored"));
  const std::vector tokens{Fixture::token("token-of-now"), Fixture::token("token-of-before")};
  const auto patterns = fixture.patterns(tokens);
  const std::string clean = scrubbed(patterns, "a what-is-stored b token-of-now c token-of-before d");
  CHECK(clean == "a {{c}}********* b {{c}}******* c {{c}}********** d");
  CHECK(fixture.patterns(tokens) == patterns);  // not made anew for each request
  REQUIRE(fixture.store->remove("c"));
  CHECK(scrubbed(fixture.patterns(tokens), "token-of-now token-of-before") == "{{c}}******* {{c}}**********");
  CHECK(scrubbed(fixture.patterns({tokens[1]}), "token-of-before") == "{{c}}**********");
}

TEST_CASE("a token that is looked for no more is held by nobody") {
  Fixture fixture;
  for (const bool stored : {true, false}) {
    INFO(stored);
    if (stored) REQUIRE(fixture.store->set("c", "what-is-stored"));
    if (!stored) REQUIRE(fixture.store->remove("c"));
    std::vector tokens{Fixture::token("token-of-now"), Fixture::token("token-of-before"),
                       Fixture::token("token-of-long-ago")};
    std::vector<std::weak_ptr<const Value>> seen(tokens.begin(), tokens.end());
    REQUIRE(fixture.patterns(tokens));
    while (!tokens.empty()) {
      tokens.pop_back();
      CHECK((fixture.patterns(tokens) != nullptr) == (stored || !tokens.empty()));
      CHECK(seen[tokens.size()].expired());
    }
  }
}
