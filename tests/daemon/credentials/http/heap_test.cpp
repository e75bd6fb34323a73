// What is left of a secret in this process's heap, once a request that it was put into is gone: nothing.
#include <openssl/rand.h>

#include <cstring>

#include "daemon/credentials/http/inject.h"
#include "daemon/credentials/http/token_request.h"
#include "daemon/credentials/wiped_frees.h"
#include "tests/daemon/credentials/http/requests.h"
#include "tests/heap.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

#if !__has_feature(address_sanitizer)

namespace {

// Letters that nothing else holds, in locked pages alone.
Secret drawn() {
  Secret secret(40);
  RAND_bytes(reinterpret_cast<unsigned char*>(secret.writable().data()), 40);
  for (char& c : secret.writable()) c = static_cast<char>('a' + static_cast<unsigned char>(c) % 26);
  return secret;
}

// Digits of base64 that are the secret's whatever stands before it.
Secret digits_of(const Secret& secret, std::size_t before) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Secret out(24);
  std::size_t skipped = 16;
  while ((before + skipped) % 3 != 0) ++skipped;  // up to a group of three
  for (std::size_t group = 0; group < 6; ++group) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8 | static_cast<unsigned char>(secret.reveal()[skipped + group * 3 + i]);
    for (std::size_t i = 0; i < 4; ++i) out.writable()[group * 4 + i] = digits[bits >> (18 - 6 * i) & 63];
  }
  return out;
}

void put_in(const std::string& lines, std::string_view stored, const std::string& request,
            std::string* body = nullptr) {
  auto policy = policy_with("'c'", bearer("c", lines));
  auto value = read_value(policy->credentials.at("c"), stored);
  REQUIRE(value);
  http::RequestHead head = head_of(request);
  Placeholders placeholders(*policy);
  auto choice = choose(*policy, placeholders, asking, head, body ? std::optional(*body) : std::nullopt);
  REQUIRE(choice);
  {
    const WipedFrees wiped;
    REQUIRE(inject({*choice, *value, asking}, head, body));
  }
  wipe(head);
  if (body) std::memset(body->data(), 0, body->size());
}

}  // namespace

TEST_CASE("nothing of a secret stays in the heap of who put it into a request") {
  const Secret secret = drawn();
  const std::string_view end = secret.reveal().substr(16);
  {
    // What is looked for is found where it is, and where it was, but for this.
    const Secret other = drawn();
    auto control = std::make_unique<std::string>(5000, 'x');
    control->append(other.reveal());
    CHECK(occurrences_in_heap(other.reveal().substr(16)) >= 1);
    control = nullptr;
    CHECK(occurrences_in_heap(other.reveal().substr(16)) >= 1);
    const WipedFrees wiped;
    auto again = std::make_unique<std::string>(secret.reveal());
    CHECK(occurrences_in_heap(end) == 1);
  }
  CHECK(occurrences_in_heap(end) == 0);
  const std::string get = "GET /v1/x?a=b HTTP/1.1\r\nHost: api.example.com";
  put_in("type = 'bearer'", secret.reveal(), get);
  CHECK(occurrences_in_heap(end) == 0);
  put_in("type = 'bearer'", secret.reveal(), get + "\r\nAuthorization: Bearer {{c}}");
  CHECK(occurrences_in_heap(end) == 0);
  put_in("type = 'query'\nname = 'key'", secret.reveal(), get);
  CHECK(occurrences_in_heap(end) == 0);
  put_in("type = 'cookie'\nname = 'sid'", secret.reveal(), get + "\r\nCookie: a=b; sid=x");
  CHECK(occurrences_in_heap(end) == 0);
  put_in("type = 'basic'\nuser = 'me'", secret.reveal(), get);
  CHECK(occurrences_in_heap(end) == 0);
  CHECK(occurrences_in_heap(digits_of(secret, 3).reveal()) == 0);
  std::string body = R"({"auth": {"token": "{{c}}"}})";
  put_in("type = 'bearer'\nat = 'json:/auth/token'", secret.reveal(),
         "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 28", &body);
  CHECK(occurrences_in_heap(end) == 0);
}

TEST_CASE("nothing of a client's secret, or of a token, stays in the heap of who asked for it") {
  const Secret secret = drawn(), token = drawn();
  CredentialConfig config;
  config.name = "c";
  config.type = CredentialType::oauth2;
  config.tokens =
      TokenSource{.url = "https://l.example.com/", .host = "l.example.com", .path = "/", .client_id = "me"};
  auto stored = read_value(config, secret.reveal());
  REQUIRE(stored);
  for (ClientAuth how : {ClientAuth::basic, ClientAuth::body}) {
    config.tokens->client_auth = how;
    REQUIRE(compose_token_request(config, *stored, "", 0));
    CHECK(occurrences_in_heap(secret.reveal().substr(16)) == 0);
    CHECK(occurrences_in_heap(digits_of(secret, 3).reveal()) == 0);
  }
  Secret answer(std::string_view(
      R"({"access_token":"????????????????????????????????????????","token_type":"bearer"})"));
  std::memcpy(answer.writable().data() + 17, token.reveal().data(), 40);
  {
    auto obtained = read_token_answer(
        config, {.status = 200, .content_encoding = "", .date = "", .body = answer.reveal()}, 0);
    REQUIRE(obtained);
    const bool same = obtained->token.reveal() == token.reveal();
    CHECK(same);
  }
  CHECK(occurrences_in_heap(token.reveal().substr(16)) == 0);
}

#endif
