// attack 18: what a request becomes with its credential.
#include "daemon/credentials/http/inject.h"

#include "daemon/credentials/http/scrub.h"
#include "parsers/http1/write.h"
#include "tests/daemon/credentials/http/requests.h"
#include "tests/daemon/credentials/http/written.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

namespace {

// The head as it is sent, or what is refused.
std::string sent(const std::string& lines, const std::string& stored, const std::string& request,
                 std::string* body = nullptr) {
  auto policy = policy_with("'c'", bearer("c", lines));
  const CredentialConfig& config = policy->credentials.at("c");
  auto value = read_value(config, stored);
  if (!value) return "value: " + value.error();
  http::RequestHead head = head_of(request);
  Placeholders placeholders(*policy);
  auto choice = choose(*policy, placeholders, asking, head, body ? std::optional(*body) : std::nullopt);
  if (!choice) return "choice: " + choice.error().what;
  auto done = inject({*choice, *value, asking}, head, body);
  if (!done) return done.error().what;
  std::string text;
  auto written = http1::append_request(text, head, 443);
  REQUIRE(written);
  return text;
}

std::string request(const std::string& target = "/", const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: api.example.com" + fields;
}
std::string wanted(const std::string& target, const std::string& fields) {
  return "GET " + target + " HTTP/1.1\r\nHost: api.example.com\r\n" + fields + "\r\n\r\n";
}

}  // namespace

TEST_CASE("attack 18: a slot holds the secret alone, whatever the agent put there") {
  const std::string two = "\r\nauthorization: Bearer mine\r\nAUTHORIZATION: Basic eDp5\r\nX: 1";
  CHECK(sent("type = 'bearer'", "s3cret", request()) == wanted("/", "authorization: Bearer s3cret"));
  CHECK(sent("type = 'bearer'", "s3cret", request("/", two)) ==
        wanted("/", "authorization: Bearer s3cret\r\nX: 1"));
  CHECK(sent("type = 'basic'", "me:s3cret", request("/", two)) ==
        wanted("/", "authorization: Basic " + base64("me:s3cret") + "\r\nX: 1"));
  CHECK(sent("type = 'basic'\nuser = 'bot'", "s3:cret", request()) ==
        wanted("/", "authorization: Basic " + base64("bot:s3:cret")));
  CHECK(sent("type = 'cookie'\nname = 'sid'", "s3cret",
             request("/", "\r\nCookie: sid=mine; a=b\r\nCookie: c=d;SID=x")) ==
        wanted("/", "Cookie: sid=s3cret; a=b\r\nCookie: c=d"));
  CHECK(sent("type = 'cookie'\nname = 'sid'", "s3cret", request()) == wanted("/", "cookie: sid=s3cret"));
  CHECK(sent("type = 'query'\nname = 'key'", "s3 c&r=t", request("/p?a=1&key=mine&%6bey=mine&b")) ==
        "GET /p?a=1&key=s3%20c%26r%3Dt&b HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
  // As PHP, Rails and qs read names.
  CHECK(
      sent("type = 'query'\nname = 'my_key'", "s3cret",
           request("/p?+my_key=1&my.key=2&my+key[]=3&My_Key%5Ba%5D[b]=4&my_key%00x=5&my_keys=6&a[my_key]=7"))
          .starts_with("GET /p?my_key=s3cret&my_keys=6&a[my_key]=7 HTTP/1.1\r\n"));
  CHECK(sent("type = 'query'\nname = 'a[key]'", "s3cret", request("/p?a[b]=1&a%5Bkey%5D=2&a=3"))
            .starts_with("GET /p?a[b]=1&a%5Bkey%5D=s3cret&a=3 HTTP/1.1\r\n"));
  CHECK(sent("type = 'query'\nname = 'key'", "s3cret", request("/p?a=1;key[]=mine"))
            .starts_with("Credential \"c\" cannot"));
  CHECK(sent("type = 'cookie'\nname = 'sid'", "s3cret",
             request("/", "\r\nCookie: a=b; s%69d=mine; sid[]=x; sid[a]=y; sids=c")) ==
        wanted("/", "Cookie: a=b; sid=s3cret; sids=c"));
  CHECK(sent("type = 'query'\nname = 'key'", "s3cret", request("/p"))
            .starts_with("GET /p?key=s3cret HTTP/1.1\r\n"));
  CHECK(sent("type = 'query'\nname = 'key'", "s3cret", request("/p?a=1;key=mine"))
            .starts_with("Credential \"c\" cannot"));
  CHECK(sent("type = 'header'\nname = 'X-Key'\nprefix = 'Token '", "s3cret",
             request("/", "\r\nx-key: a\r\nX-KEY: b")) == wanted("/", "x-key: Token s3cret"));
}

TEST_CASE("a placeholder becomes the secret, and nothing else changes") {
  CHECK(sent("type = 'bearer'", "s3cret", request("/", "\r\nA: b\r\nAuthorization: token {{c}}\r\nC: d")) ==
        wanted("/", "A: b\r\nAuthorization: token s3cret\r\nC: d"));
  CHECK(sent("type = 'bearer'\nat = 'basic'\nuser = 'x'", "s3cret",
             request("/", "\r\nAuthorization: Basic " + base64("git:{{c}}"))) ==
        wanted("/", "Authorization: Basic " + base64("git:s3cret")));
  CHECK(sent("type = 'query'\nname = 'key'", "s3c/ret", request("/?z=%41&key=%7b%7bc%7D%7D&a=b"))
            .starts_with("GET /?z=%41&key=s3c%2Fret&a=b HTTP/1.1\r\n"));
  CHECK(sent("type = 'cookie'\nname = 'sid'", "s3cret", request("/", "\r\nCookie: a=b; sid={{c}}; d=e")) ==
        wanted("/", "Cookie: a=b; sid=s3cret; d=e"));
  CHECK(sent("type = 'basic'", "me:s3cret", request("/", "\r\nAuthorization: Basic " + base64("x:{{c}}"))) ==
        wanted("/", "Authorization: Basic " + base64("me:s3cret")));
}

TEST_CASE("a placeholder in a JSON body becomes the secret, and Content-Length is put right") {
  std::string body = R"({"a": "x", "auth": {"token": "Bearer {{c}}"}, "z": [1]})";
  const std::string post =
      "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size());
  const std::string text = sent("type = 'bearer'\nat = 'json:/auth/token'", "s\"3c\\ret", post, &body);
  CHECK(body == R"({"a": "x", "auth": {"token": "Bearer s\"3c\\ret"}, "z": [1]})");
  CHECK(text.find("Content-Length: " + std::to_string(body.size()) + "\r\n") != std::string::npos);
}

TEST_CASE("attack 18: a value that could be read as more than one is refused") {
  auto value = [](const std::string& lines, const std::string& stored) {
    return sent(lines, stored, request());
  };
  CHECK(value("type = 'bearer'", "a1234\r\nX: y") == "value: it has a control byte in it");
  CHECK(value("type = 'bearer'", "a1234 ") == "value: it begins or ends with a space");
  CHECK(value("type = 'cookie'\nname = 'a'", "s3cret; b=c").starts_with("value: a cookie has no space"));
  CHECK(value("type = 'basic'", "nocolon").starts_with("value: it is not user:password"));
  CHECK(value("type = 'bearer'", "abc").starts_with("value: a secret of less than 4 bytes"));
  CHECK(value("type = 'aws'", "text") == "value: it is not a JSON object of strings");
  CHECK(value("type = 'aws'", R"({"access_key_id": "AKIA"})") == "value: it has no 'secret_access_key'");
  CHECK(value("type = 'aws'", R"({"access_key_id": "AKIA", "secret_access_key": "a\nb123"})") ==
        "value: it has a control byte in it");
  CHECK(
      value("type = 'aws'", R"({"access_key_id": "A", "access_key_id": "B", "secret_access_key": "abcd"})") ==
      "value: its 'access_key_id' stands twice");
}

TEST_CASE("attack 16: what was sent is looked for as it was sent, and as servers read it") {
  struct Case {
    const char* lines;
    std::string stored, said;
    bool as_sent = false;  // and so in base64 too
  };
  const std::string password = "S3cr3tTok/en+Value98765\\43210", latin = "p\u00e4ssw\u00f6rd-\u00fcn\u00ef";
  for (const Case& each :
       {Case{"type = 'basic'", "user:" + password, base64("user:" + password), true},
        Case{"type = 'basic'", "use:" + password, base64("use:" + password), true},
        Case{"type = 'query'\nname = 'key'", password, "S3cr3tTok%2Fen%2BValue98765%5C43210", true},
        Case{"type = 'bearer'\nat = 'json:/key'", password, "S3cr3tTok/en+Value98765\\\\43210", true},
        Case{"type = 'bearer'", latin, "p\u00c3\u00a4ssw\u00c3\u00b6rd-\u00c3\u00bcn\u00c3\u00af", true},
        Case{"type = 'bearer'", latin, R"(p\u00c3\u00a4ssw\u00c3\u00b6rd-\u00c3\u00bcn\u00c3\u00af)"},
        Case{"type = 'bearer'", "p@ss\U0001F600word-secret", R"(p@ss\ud83d\ude00word-secret)"},
        Case{"type = 'bearer'", R"(+1P3l2-j@Vt%90\G)", R"(+1P3l2-j@Vt%90\\G)"},
        Case{"type = 'bearer'", "g|T7%fCew9^>(Zb[", R"(g|T7%fCew9^\u003e(Zb[)"},
        Case{"type = 'bearer'", R"(a%41b&lt;c\\d-e)", R"(a%41b&amp;lt;c\\d-e)"}}) {
    auto policy = policy_with("'c'", bearer("c", each.lines));
    auto value = read_value(policy->credentials.at("c"), each.stored);
    INFO(each.lines << " " << each.stored);
    REQUIRE(value);
    std::vector<std::string> ways = {each.said};
    if (each.as_sent)
      ways.insert(ways.end(), {base64("x: " + each.said + "\r\n"), base64("12: " + each.said)});
    for (const std::string& said : ways) {
      INFO(said);
      std::string text = "before " + said + " behind";
      CHECK(scrub(value->patterns, text) > 0);
      std::size_t same = 0;
      for (std::size_t i = 0; i < said.size(); ++i) same += text[7 + i] == said[i] ? 1 : 0;
      CHECK(same * 2 < said.size());
    }
  }
}

TEST_CASE("attack 17: at injection the host is asked for once more") {
  auto policy = policy_with("'c'", bearer("c", "type = 'bearer'\nhosts = ['api.example.com']"));
  const CredentialConfig& config = policy->credentials.at("c");
  auto value = read_value(config, "s3cret");
  REQUIRE(value);
  http::RequestHead head = head_of(request());
  const Choice choice{.credential = &config, .way = Way::slot};
  const Asking other{"data", "web", "evil.example.com", 443};
  CHECK(inject({choice, *value, other}, head, nullptr).error().what ==
        "Credential \"c\" cannot be put into this request: it is not for this host.");
}

TEST_CASE(
    "attack 16: a credentialed request asks for more than a part of a response, and for no coding we cannot "
    "read") {
  http::RequestHead head =
      head_of(request("/", "\r\nAccept-Encoding: gzip;q=0.5, dcb, br\r\nAccept-Encoding: *"));
  CHECK_FALSE(limit_responses(head, 100));
  CHECK(head.fields == http::Fields{{"accept-encoding", "gzip;q=0.5, br"}});
  CHECK_FALSE(limit_responses(head = head_of(request("/",
                                                     "\r\nGrpc-Accept-Encoding: gzip, identity"
                                                     "\r\nConnect-Accept-Encoding: gzip")),
                              100));
  CHECK(head.fields == http::Fields{{"accept-encoding", "identity"}});
  CHECK_FALSE(limit_responses(head = head_of(request()), 100));
  CHECK(head.fields == http::Fields{{"accept-encoding", "identity"}});
  head = head_of(request("/", "\r\nRange: bytes=200-300\r\nIf-Range: x\r\nAccept-Encoding: gzip"));
  CHECK(limit_responses(head, 100));
  CHECK(head.fields ==
        http::Fields{{"Range", "bytes=100-400"}, {"If-Range", "x"}, {"accept-encoding", "identity"}});
}

TEST_CASE("an mtls value is a chain and a key") {
  auto policy = policy_with("'c'", bearer("c", "type = 'mtls'"));
  auto value =
      read_value(policy->credentials.at("c"),
                 R"({"certificate": "-----BEGIN CERTIFICATE-----\nMII\u002b\n", "private_key": "k\n"})");
  REQUIRE(value);
  CHECK(value->certificate.reveal() == "-----BEGIN CERTIFICATE-----\nMII+\n");
  CHECK(value->private_key.reveal() == "k\n");
  CHECK_FALSE(value->patterns);
}
