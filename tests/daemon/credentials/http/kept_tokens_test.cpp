#include "daemon/credentials/http/kept_tokens.h"

#include <catch2/catch.hpp>
#include <string>

#include "daemon/credentials/http/patterns.h"
#include "daemon/credentials/http/token_life.h"

using namespace clawpatrol::credentials;
using namespace std::chrono_literals;

namespace {

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int at = bytes - 1; at >= 0; --at) text.push_back(static_cast<char>(value >> (8 * at)));
  return text;
}

std::string written(std::uint64_t asked, std::uint64_t lifetime, const std::string& token,
                    const std::string& refresh) {
  return number(asked, 8) + number(lifetime, 4) + number(token.size(), 4) + token +
         number(refresh.size(), 4) + refresh;
}

}  // namespace

TEST_CASE("kept tokens are written as their header says, and read again") {
  const std::string longest(longest_needle, 't');
  const KeptToken tokens[] = {
      {1'800'000'000, 3600s, "first", ""},
      {0, 1s, longest, longest},
      {9'000'000'000, longest_token_lifetime, std::string_view("a\0\xff", 3), "again"}};
  const Secret bytes = compose_kept_tokens(tokens);
  CHECK(bytes.reveal() == written(1'800'000'000, 3600, "first", "") + written(0, 1, longest, longest) +
                              written(9'000'000'000, 31'536'000, std::string("a\0\xff", 3), "again"));
  const auto read = read_kept_tokens(bytes.reveal());
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  for (std::size_t at = 0; at < 3; ++at) {
    CHECK((*read)[at].asked_unix == tokens[at].asked_unix);
    CHECK((*read)[at].lifetime == tokens[at].lifetime);
    CHECK((*read)[at].token == tokens[at].token);
    CHECK((*read)[at].refresh_token == tokens[at].refresh_token);
  }
  CHECK(compose_kept_tokens({}).empty());
  CHECK(read_kept_tokens("")->empty());
}

TEST_CASE("kept tokens that lie are not read, wherever they are cut") {
  const std::string good = written(1'800'000'000, 3600, "token", "refresh");
  REQUIRE(read_kept_tokens(good));
  for (std::size_t size = 1; size < good.size(); ++size) {
    INFO(size);
    CHECK_FALSE(read_kept_tokens(good.substr(0, size)));
    CHECK_FALSE(read_kept_tokens(good + good.substr(0, size)));
  }
  const std::string too_long(longest_needle + 1, 't');
  for (const std::string& lie :
       {written(1'800'000'000, 3600, "", "refresh"), written(1'800'000'000, 31'536'001, "token", ""),
        written(9'000'000'001, 3600, "token", ""), written(~std::uint64_t{0}, 3600, "token", ""),
        written(1'800'000'000, 3600, too_long, ""), written(1'800'000'000, 3600, "token", too_long),
        number(1'800'000'000, 8) + number(3600, 4) + number(0xffffffff, 4) + "token"}) {
    CHECK_FALSE(read_kept_tokens(lie));
    CHECK_FALSE(read_kept_tokens(good + lie + good));
  }
}
