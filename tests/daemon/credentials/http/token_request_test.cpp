#include "daemon/credentials/http/token_request.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <catch2/catch.hpp>

#include "daemon/credentials/http/base64.h"
#include "daemon/credentials/http/jwt.h"
#include "daemon/credentials/http/token_life.h"
#include "parsers/base64.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace std::chrono_literals;

namespace {

CredentialConfig oauth2(OAuthGrant grant = OAuthGrant::client_credentials) {
  CredentialConfig config;
  config.name = "c";
  config.type = CredentialType::oauth2;
  config.placeholder = "{{c}}";
  config.tokens = TokenSource{.url = "https://login.example.com/token",
                              .host = "login.example.com",
                              .path = "/token",
                              .grant = grant,
                              .client_id = "me & you"};
  return config;
}

CredentialConfig app() {
  CredentialConfig config;
  config.name = "c";
  config.type = CredentialType::github_app;
  config.tokens = TokenSource{.url = "https://ghe.example.com:8443/api/v3/",
                              .host = "ghe.example.com",
                              .port = 8443,
                              .path = "/api/v3/",
                              .client_id = "Iv1.\"0",
                              .installation_id = "77"};
  return config;
}

std::string composed(const CredentialConfig& config, const std::string& stored,
                     std::string_view refresh = "") {
  auto value = read_value(config, stored);
  if (!value) return value.error();
  auto request = compose_token_request(config, *value, refresh, 1'000'000);
  return request ? std::string(request->bytes.reveal()) : request.error();
}

std::string line(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

std::string body(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

// Token, lifetime and refresh token; or why not.
std::string answered(const CredentialConfig& config, int status, const std::string& text,
                     std::string_view date = "") {
  auto token =
      read_token_answer(config, {.status = status, .content_encoding = "", .date = date, .body = text}, 1000);
  if (!token) return token.error();
  return std::string(token->token.reveal()) + " " + std::to_string(token->lifetime.count()) + " " +
         std::string(token->refresh_token.reveal());
}

struct Keys {
  std::string pem, type;
  EVP_PKEY* key = nullptr;
  explicit Keys(EVP_PKEY* made) : key(made) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    pem.assign(text, static_cast<std::size_t>(size));
    BIO_free(bio);
  }
  ~Keys() { EVP_PKEY_free(key); }
  std::string stored() const {
    std::string escaped = pem;
    for (std::size_t at; (at = escaped.find('\n')) != std::string::npos;) escaped.replace(at, 1, "\\n");
    return R"({"private_key": ")" + escaped + "\"}";
  }
};

bool verifies(const Keys& keys, const std::string& said, std::string_view signature_digits) {
  std::string plain(signature_digits);
  for (char& c : plain) c = c == '-' ? '+' : c == '_' ? '/' : c;
  auto signature = base64_decoded(plain, Base64Padding::optional);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool good =
      signature && EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, keys.key) == 1 &&
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature->data()), signature->size(),
                       reinterpret_cast<const unsigned char*>(said.data()), said.size()) == 1;
  EVP_MD_CTX_free(context);
  return good;
}

}  // namespace

TEST_CASE("a client asks for a token with its secret in the Authorization field, both halves encoded") {
  const std::string request = composed(oauth2(), "s3cr:et/+ value");
  CHECK(request.starts_with("POST /token HTTP/1.1\r\nHost: login.example.com\r\n"));
  CHECK(line(request, "Authorization") == "Basic " + base64_encoded("me+%26+you:s3cr%3Aet%2F%2B+value"));
  CHECK(line(request, "Content-Type") == "application/x-www-form-urlencoded");
  CHECK(line(request, "Accept") == "application/json");
  CHECK(line(request, "Content-Length") == std::to_string(body(request).size()));
  CHECK(body(request) == "grant_type=client_credentials");
}

TEST_CASE("scopes, audience and a secret in the body stand there as a form has them") {
  CredentialConfig config = oauth2();
  config.tokens->scopes = {"read:all", "write"};
  config.tokens->audience = "https://api.example.com/";
  config.tokens->client_auth = ClientAuth::body;
  const std::string request = composed(config, "s3cr&et");
  CHECK(line(request, "Authorization").empty());
  CHECK(body(request) ==
        "grant_type=client_credentials&scope=read%3Aall+write&audience=https%3A%2F%2Fapi.example.com%2F"
        "&client_id=me+%26+you&client_secret=s3cr%26et");
}

TEST_CASE(
    "a refresh token is shown, and the one that followed it in its place; a client without a secret names "
    "itself") {
  const CredentialConfig config = oauth2(OAuthGrant::refresh_token);
  const std::string with_secret = R"({"client_secret": "s3cret", "refresh_token": "first/token"})";
  CHECK(body(composed(config, with_secret)) == "grant_type=refresh_token&refresh_token=first%2Ftoken");
  CHECK(body(composed(config, with_secret, "second")) == "grant_type=refresh_token&refresh_token=second");
  const std::string request = composed(config, R"({"refresh_token": "first"})");
  CHECK(line(request, "Authorization").empty());
  CHECK(body(request) == "grant_type=refresh_token&refresh_token=first&client_id=me+%26+you");
}

TEST_CASE("an app signs who it is, and for how long") {
  const Keys keys(EVP_RSA_gen(2048));
  const std::string request = composed(app(), keys.stored());
  CHECK(request.starts_with(
      "POST /api/v3/app/installations/77/access_tokens HTTP/1.1\r\nHost: ghe.example.com:8443\r\n"));
  CHECK(line(request, "Content-Length") == "0");
  CHECK(line(request, "Accept") == "application/vnd.github+json");
  CHECK_FALSE(line(request, "User-Agent").empty());
  const std::string token = line(request, "Authorization");
  REQUIRE(token.starts_with("Bearer "));
  const std::size_t first = token.find('.'), second = token.rfind('.');
  CHECK(base64_decoded(token.substr(7, first - 7), Base64Padding::optional) ==
        R"({"alg":"RS256","typ":"JWT"})");
  CHECK(base64_decoded(token.substr(first + 1, second - first - 1), Base64Padding::optional) ==
        R"({"iat":999940,"exp":1000540,"iss":"Iv1.\"0"})");
  CHECK(verifies(keys, token.substr(7, second - 7), token.substr(second + 1)));
  CHECK_FALSE(verifies(Keys(EVP_RSA_gen(2048)), token.substr(7, second - 7), token.substr(second + 1)));
}

TEST_CASE("a key that RS256 cannot use is refused when it is set") {
  CHECK(composed(app(), Keys(EVP_EC_gen("P-256")).stored()) ==
        "its private key is no RSA key, which RS256 needs");
  CHECK(composed(app(), Keys(EVP_RSA_gen(1024)).stored()) == "its RSA key has less than 2048 bits");
  CHECK(composed(app(), R"({"private_key": "nonsense"})") ==
        "its private key is not one in PEM without a passphrase");
  CHECK(composed(app(), "nonsense") == "it is not a JSON object of strings");
}

TEST_CASE("what a token server may answer, and what it may not") {
  struct Row {
    const char* text;
    const char* wanted;
  };
  const Row rows[] = {
      {R"({"access_token":"abcd-token","token_type":"Bearer","expires_in":3600})", "abcd-token 3600 "},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":"60","scope":"x","more":{"a":[1]}})",
       "abcd-token 60 "},
      {R"({"access_token":"abcd-token","token_type":"bearer"})", "abcd-token 3600 "},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":null,"refresh_token":null})",
       "abcd-token 3600 "},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":9223372036854775807})",
       "abcd-token 31536000 "},
      {R"({"access_token":"abcd-token","token_type":"bearer","refresh_token":"next-one","expires_in":1})",
       "abcd-token 1 next-one"},
      {R"({"access_token":"abcd-token","token_type":"mac"})",
       "the answer's 'token_type' is not bearer, and no other is known here"},
      {R"({"access_token":"abcd-token"})",
       "the answer's 'token_type' is not bearer, and no other is known here"},
      {R"({"token_type":"bearer"})", "the answer has no 'access_token'"},
      {R"({"access_token":"","token_type":"bearer"})",
       "the answer's 'access_token' is no token: 4 to 8192 printable bytes"},
      {R"({"access_token":"a b c d","token_type":"bearer"})",
       "the answer's 'access_token' is no token: 4 to 8192 printable bytes"},
      {R"({"access_token":"abcd\r\nX-Evil: 1","token_type":"bearer"})",
       "the answer's 'access_token' is no token: 4 to 8192 printable bytes"},
      {R"({"access_token":["abcd"],"token_type":"bearer"})", "the answer's 'access_token' is no string"},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":0})",
       "the token that the answer gives has ended already"},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":-5})",
       "the token that the answer gives has ended already"},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":1.5})",
       "the answer's 'expires_in' is no number of seconds"},
      {R"({"access_token":"abcd-token","token_type":"bearer","expires_in":"soon"})",
       "the answer's 'expires_in' is no number of seconds"},
      {R"({"access_token":"abcd-token","token_type":"bearer","refresh_token":7})",
       "the answer's 'refresh_token' is no string"},
      {R"({"access_token":"one-token","access_token":"two-token","token_type":"bearer"})",
       "the answer is not one JSON document"},
      {R"({"access_token":"abcd-token","token_type":"bearer"} trailing)",
       "the answer is not one JSON document"},
      {R"(["abcd-token"])", "the answer is no JSON object"},
      {"access_token=abcd-token&token_type=bearer", "the answer is not one JSON document"},
      {"", "the answer is not one JSON document"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(answered(oauth2(), 200, row.text) == row.wanted);
  }
  const std::string longest(longest_needle, 'x'), longer = longest + "x";
  auto holding = [](const std::string& token) {
    return R"({"token_type":"bearer","access_token":")" + token + "\"}";
  };
  CHECK(answered(oauth2(), 200, holding(longest)) == longest + " 3600 ");
  CHECK(answered(oauth2(), 200, holding(longer)) ==
        "the answer's 'access_token' is no token: 4 to 8192 printable bytes");
}

TEST_CASE("a refusal is told by its code alone, and never by words that a server chose") {
  CHECK(answered(oauth2(), 400, R"({"error":"invalid_grant","error_description":"s3cret"})") ==
        "the server refuses: invalid_grant (400)");
  CHECK(answered(oauth2(), 401, R"({"error":"S3CRET of yours"})") == "the server answers with status 401");
  CHECK(answered(oauth2(), 400, R"({"error":")" + std::string(65, 'a') + "\"}") ==
        "the server answers with status 400");
  CHECK(answered(oauth2(), 500, "<html>") == "the server answers with status 500");
  CHECK(answered(oauth2(), 201, R"({"access_token":"abcd-token","token_type":"bearer"})") ==
        "the server answers with status 201");
  CHECK(answered(oauth2(), 307, "").starts_with("the server sends it elsewhere (307)"));
  CHECK(answered(app(), 401, R"({"error":"invalid_grant"})")
            .starts_with("the server does not accept what the app's"));
  auto packed =
      read_token_answer(oauth2(), {.status = 200, .content_encoding = "gzip", .date = "", .body = "x"}, 0);
  CHECK(packed.error() == "the answer is compressed, which was not asked for");
}

TEST_CASE("an app's token ends by the clock of the server that says so") {
  const std::string text =
      R"({"token":"ghs_0123456789","expires_at":"2026-11-22T13:00:00Z","permissions":{"contents":"read"}})";
  CHECK(answered(app(), 201, text, "Sun, 22 Nov 2026 12:00:00 GMT") == "ghs_0123456789 3600 ");
  CHECK(answered(app(), 201, text, "Sun, 22 Nov 2026 13:00:00 GMT") ==
        "the token that the answer gives has ended already");
  CHECK(answered(app(), 201, R"({"token":"ghs_0123456789","expires_at":"1970-01-01T00:33:20Z"})",
                 "yesterday") == "ghs_0123456789 1000 ");
  CHECK(answered(app(), 201, R"({"token":"ghs_0123456789","expires_at":"soon"})") ==
        "the answer's 'expires_at' is no time");
  CHECK(answered(app(), 201, R"({"token":"ghs_0123456789"})") == "the answer's 'expires_at' is no time");
  CHECK(answered(app(), 201, R"({"expires_at":"2026-11-22T13:00:00Z"})") == "the answer has no 'token'");
}

TEST_CASE("a token's time passes by whichever clock says that more of it has") {
  const Moment begin{std::chrono::steady_clock::time_point(1000s), 5'000'000'000};
  const TokenLife hour{begin, 3600s};
  auto at = [&](std::chrono::seconds steady, std::chrono::seconds wall) {
    return Moment{begin.steady + steady, begin.unix_ns + std::chrono::nanoseconds(wall).count()};
  };
  CHECK(hour.usable(at(3589s, 3589s)));
  CHECK_FALSE(hour.usable(at(3590s, 3590s)));
  CHECK_FALSE(hour.usable(at(10s, 3600s)));   // the machine was suspended
  CHECK_FALSE(hour.usable(at(3600s, -10s)));  // somebody set the clock back
  CHECK_FALSE(hour.due(at(3299s, 0s)));
  CHECK(hour.due(at(3300s, 0s)));
  CHECK(hour.ends_unix() == 3605);
  const TokenLife moment{begin, 2s};
  CHECK(moment.usable(at(1s, 1s)));
  CHECK_FALSE(moment.due(at(1s, 1s)));
  CHECK(moment.due(Moment{begin.steady + 1700ms, begin.unix_ns}));
  CHECK_FALSE(moment.usable(Moment{begin.steady + 1900ms, begin.unix_ns}));
}

TEST_CASE("tries that fail come further and further apart, and never together") {
  CHECK(pause_after(1, 0) == 1s);
  CHECK(pause_after(2, 0) == 2s);
  CHECK(pause_after(5, 0) == 16s);
  CHECK(pause_after(9, 0) == 256s);
  CHECK(pause_after(10, 0) == 300s);
  CHECK(pause_after(4'000'000'000u, 0) == 300s);
  CHECK(pause_after(2, 1) == 1s);
}
