// attacks 16 and 17: which credential a request gets, and where its placeholder may stand.
#include "daemon/credentials/http/choose.h"

#include "tests/daemon/credentials/http/requests.h"
#include "tests/daemon/credentials/http/written.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

namespace {

const std::string get = "GET /v1/x HTTP/1.1\r\nHost: api.example.com";

// "pat by slot", "none", or what is refused.
std::string chosen(const std::shared_ptr<const Policy>& policy, const std::string& lines,
                   std::optional<std::string_view> body = std::nullopt, const Asking& by = asking) {
  Placeholders placeholders(*policy);
  auto choice = choose(*policy, placeholders, by, head_of(lines), body);
  if (!choice) return choice.error().what;
  std::string text = choice->needs_body ? "needs the body; " : "";
  if (choice->client_certificate) text += choice->client_certificate->name + " with ";
  if (!choice->credential) return text + "none";
  return text + choice->credential->name + (choice->way == Way::slot ? " by slot" : " by placeholder");
}

}  // namespace

TEST_CASE("the only credential of a profile is chosen, and none where there is none") {
  auto policy = policy_with("'pat'", bearer("pat"));
  CHECK(chosen(policy, get) == "pat by slot");
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{pat}}") == "pat by placeholder");
  CHECK(chosen(policy, get, std::nullopt, {"other", "web", "api.example.com", 443}) == "none");
  auto later = policy_with("'pat'", bearer("pat", "type = 'bearer'\ninject = 'placeholder'"));
  CHECK(chosen(later, get) == "none");
  CHECK(chosen(later, get + "\r\nAuthorization: Bearer {{pat}}") == "pat by placeholder");
}

TEST_CASE("of several credentials the placeholder chooses, and nothing else does") {
  auto policy = policy_with("'pat', 'bot'", bearer("pat") + bearer("bot"));
  CHECK(chosen(policy, get) == "Several credentials fit: \"pat\", \"bot\". Send the placeholder of one.");
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{bot}}") == "bot by placeholder");
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{bot}}{{pat}}")
            .starts_with("Placeholders of several"));
}

TEST_CASE("attack 16: a placeholder anywhere but at its place is refused, however it is written") {
  auto policy =
      policy_with("'pat'", bearer("pat", "type = 'bearer'\nplaceholder = 'ghp_lookalike-0123456789'"));
  const std::string token = "ghp_lookalike-0123456789";
  const std::string own = "\r\nAuthorization: Bearer " + token;
  REQUIRE(chosen(policy, get + own) == "pat by placeholder");
  CHECK(chosen(policy, get + own + token).starts_with("The placeholder"));  // twice at its place
  CHECK(chosen(policy, get + own + own).starts_with("The placeholder"));    // two of its place
  CHECK(chosen(policy, get + own + "\r\nAuthorization: x").starts_with("The placeholder"));
  for (const auto& [name, way] : ways_to_write(token)) {
    if (way.find_first_of("\r\n\"") != std::string::npos) continue;  // no head can hold it
    INFO(name << " " << way);
    for (const std::string& with : {std::string(), own}) {
      CHECK(chosen(policy, get + with + "\r\nUser-Agent: a/" + way).starts_with("The placeholder"));
      CHECK(chosen(policy, get + with + "\r\nCookie: a=" + way).starts_with("The placeholder"));
      if (way.contains('#')) continue;  // no target can hold it
      CHECK(chosen(policy, "GET /x/" + way + " HTTP/1.1\r\nHost: api.example.com" + with)
                .starts_with("The place"));
      CHECK(chosen(policy, "GET /x?q=" + way + " HTTP/1.1\r\nHost: api.example.com" + with)
                .starts_with("The place"));
    }
  }
  CHECK(chosen(policy, get + "\r\nX-" + token + ": 1").starts_with("The placeholder"));
  CHECK(chosen(policy, get + "\r\nAuthorization: Basic " + base64("u:" + token))
            .starts_with("The placeholder"));
}

TEST_CASE(
    "attack 17: a credential goes to its exact hosts; a placeholder of another profile, endpoint or host is "
    "refused") {
  const std::string hosts = "'api.example.com', '*.example.com'";
  auto policy = policy_with("'pat', 'far'",
                            bearer("pat", "type = 'bearer'\nhosts = ['api.example.com']") +
                                bearer("theirs", "type = 'bearer'\nhosts = ['api.example.com']") +
                                "[credential.far]\ntype = 'bearer'\nendpoint = 'elsewhere'\n",
                            hosts);
  const std::string refused = "A placeholder in this request is of no credential that may be sent to ";
  CHECK(chosen(policy, get) == "pat by slot");
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{theirs}}") == refused + "api.example.com:443.");
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{far}}") == refused + "api.example.com:443.");
  const Asking evil{"data", "web", "evil.example.com", 443};
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{pat}}", std::nullopt, evil) ==
        refused + "evil.example.com:443.");
  CHECK(chosen(policy, get, std::nullopt, evil) ==
        "No credential of this profile may be sent to evil.example.com:443.");
  const Asking port{"data", "web", "api.example.com", 8443};
  CHECK(chosen(policy, get + "\r\nAuthorization: Bearer {{pat}}", std::nullopt, port).starts_with(refused));
}

TEST_CASE("each place has its placeholder where its tools put it") {
  struct Row {
    const char *lines, *request;
  };
  const std::string basic =
      "GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Basic " + base64("x-access-token:{{c}}");
  const Row rows[] = {
      {"type = 'bearer'\nat = 'basic'\nuser = 'u'", basic.c_str()},
      {"type = 'basic'", basic.c_str()},
      {"type = 'query'\nname = 'key'", "GET /a?b=1&key=%7B%7Bc%7D%7D HTTP/1.1\r\nHost: api.example.com"},
      {"type = 'query'\nname = 'key'", "GET /a?key={{c}}&z HTTP/1.1\r\nHost: api.example.com"},
      {"type = 'cookie'\nname = 'sid'",
       "GET / HTTP/1.1\r\nHost: api.example.com\r\nCookie: a=b; sid={{c}}; d=e"},
      {"type = 'header'\nname = 'X-Key'", "GET / HTTP/1.1\r\nHost: api.example.com\r\nx-key: {{c}}"},
      {"type = 'gemini'", "GET / HTTP/1.1\r\nHost: api.example.com\r\nX-Goog-Api-Key: {{c}}"},
      {"type = 'aws'",
       "GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: AWS4-HMAC-SHA256 "
       "Credential={{c}}/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"},
      {"type = 'aws'",
       "GET "
       "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%7B%7Bc%7D%7D%2F20250101%2Fus-east-1%2Fs3%2Faws4_"
       "request HTTP/1.1\r\nHost: api.example.com"},
  };
  for (const Row& row : rows) {
    INFO(row.lines << " " << row.request);
    CHECK(chosen(policy_with("'c'", bearer("c", row.lines)), row.request) == "c by placeholder");
  }
}

TEST_CASE("a place in the body needs the body, and has its placeholder there alone") {
  auto policy = policy_with("'pat'", bearer("pat", "type = 'bearer'\nat = 'json:/auth/0/to~1ken'"));
  const std::string post = "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 9";
  CHECK(chosen(policy, get) == "none");
  CHECK(chosen(policy, post) == "needs the body; none");
  CHECK(chosen(policy, post, R"({"auth": [{"a": [1, {"to/ken": 2}], "to/ken": "{{pat}}"}]})") ==
        "pat by placeholder");
  CHECK(chosen(policy, post, R"({"auth": [{"to\/ken": "k {{pat}} k"}]})") == "pat by placeholder");
  CHECK(chosen(policy, post, R"({"auth": [{"to/ken": "{{pat}}", "x": "{{pat}}"}]})")
            .starts_with("The placeholder"));
  CHECK(chosen(policy, post, R"({"auth": [{"to/ken": "\u007b{pat}}"}]})").starts_with("The placeholder"));
  CHECK(
      chosen(policy, post, R"({"auth": [{"to/ken": "{{pat}}"}], "auth": 1})").starts_with("the body is not"));
  CHECK(chosen(policy, post, R"({"auth": {"to/ken": "{{pat}}"}})").starts_with("the body has nothing"));
  CHECK(chosen(policy, post, R"({"auth": []})") == "none");
  CHECK(chosen(policy, post + "\r\nX-A: {{pat}}", R"({"auth": []})").starts_with("the body has nothing"));
}

TEST_CASE("a placeholder that stands within an escape is not its place's") {
  auto policy =
      policy_with("'pat'", bearer("pat", "type = 'bearer'\nat = 'json:/k'\nplaceholder = 'npm_placeholder'"));
  const std::string post = "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 9";
  CHECK(chosen(policy, post, R"({"k": "\\npm_placeholder"})") == "pat by placeholder");
  CHECK(chosen(policy, post, R"({"k": "\npm_placeholder"})").starts_with("The placeholder"));
}

TEST_CASE("a client certificate is the connection's, beside what the request gets") {
  auto policy = policy_with("'cert', 'pat'", bearer("pat") + bearer("cert", "type = 'mtls'"));
  CHECK(chosen(policy, get) == "cert with pat by slot");
  auto two = policy_with("'cert', 'other-cert'",
                         bearer("cert", "type = 'mtls'") + bearer("other-cert", "type = 'mtls'"));
  CHECK(chosen(two, get) == "Several client certificates fit: \"cert\", \"other-cert\".");
}

TEST_CASE("a request that is not signed has no signature to be made anew") {
  auto policy = policy_with("'a'", bearer("a", "type = 'aws'"));
  CHECK(chosen(policy, get).starts_with("Credential \"a\" signs requests anew"));
}
