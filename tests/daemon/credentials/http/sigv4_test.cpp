// Signatures of AWS: its published examples, and what botocore makes of the same requests.
#include "daemon/credentials/http/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "daemon/credentials/http/inject.h"
#include "tests/daemon/credentials/http/requests.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

namespace {

Value aws(const std::string& id, const std::string& secret, const std::string& token = "") {
  Value value;
  value.key_id = Secret(std::string_view(id));
  value.secret = Secret(std::string_view(secret));
  if (!token.empty()) value.session_token = Secret(std::string_view(token));
  return value;
}

const std::string example_secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const std::string s3_secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

// The agent signs with a key of its own, to no avail.
std::string dummy(const std::string& scope, const std::string& names) {
  return "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AGENT/" + scope +
         "/aws4_request, SignedHeaders=" + names + ", Signature=" + std::string(64, '0');
}

std::string signature_of(const std::string& lines, const Value& value,
                         std::optional<std::string_view> payload = std::nullopt) {
  http::RequestHead head = head_of(lines);
  auto made = sign(head, {value, 443, payload});
  return made ? made->signature : "! " + std::string(made.error());
}

}  // namespace

TEST_CASE("the examples of AWS's suite have the signatures that it says") {
  const Value value = aws("AKIDEXAMPLE", example_secret);
  const std::string rest = " HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z" +
                           dummy("20150830/us-east-1/service", "host;x-amz-date");
  const std::string vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
  CHECK(signature_of("GET /" + rest, value) == vanilla);
  CHECK(signature_of("GET /example/.." + rest, value) == vanilla);
  CHECK(signature_of("GET //./" + rest, value) == vanilla);
  CHECK(signature_of("GET /?Param2=value2&Param1=value1" + rest, value) ==
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  CHECK(signature_of("POST /" + rest, value) ==
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST_CASE("what botocore signs is signed as botocore signs it, with the session's token") {
  const Value value = aws("AKIDREAL", "real-secret+key/0", "session/token+==");
  const std::string date = "\r\nX-Amz-Date: 20250102T030405Z";
  CHECK(signature_of(
            "POST /a%20b//c/../d/?z=1&a=x%20y&a=b&e HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: "
            "7\r\nContent-Type: application/json\r\nX-Amz-Target: T  1" +
                date + dummy("20250102/eu-west-1/execute-api", "content-type;host;x-amz-date;x-amz-target"),
            value, "{\"x\":1}") == "b3d5c52499366001b6e839655e54323ea3ba2e09a75705c56e8a704228998e59");
  CHECK(signature_of("GET /a%20b//c/../d%2Be?list-type=2&prefix=x%2Fy HTTP/1.1\r\nHost: "
                     "b.s3.eu-west-1.amazonaws.com\r\nX-Amz-Content-SHA256: "
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" +
                         date + dummy("20250102/eu-west-1/s3", "host;x-amz-content-sha256;x-amz-date"),
                     value) == "b116e846a71a3341b24e229af0b33291a2a766a62e0b693e69782fae84b639ea");
}

TEST_CASE("presigned URLs are signed anew, and every other pair of them stays as it was") {
  const std::string own = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AGENT%2F20250102%2Feu-west-1%2F";
  const std::string rest =
      "%2Faws4_request&X-Amz-Date=20250102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-"
      "Signature=00";
  const Value value = aws("AKIDREAL", "real-secret+key/0", "session/token+==");
  CHECK(signature_of("GET /?Action=GetCallerIdentity&Version=2011-06-15&" + own + "sts" + rest +
                         " HTTP/1.1\r\nHost: sts.eu-west-1.amazonaws.com",
                     value) == "7cf10afc0e78bafe57f65014107f199004e4a92dcbf1c74586f011cdf3b4fda5");
  http::RequestHead head = head_of("GET /k%20x?" + own + "s3" + rest +
                                   "&X-Amz-Security-Token=mine HTTP/1.1\r\nHost: "
                                   "b.s3.eu-west-1.amazonaws.com");
  auto made = sign(head, {value, 443, std::nullopt});
  REQUIRE(made);
  CHECK(head.target ==
        "/k%20x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20250102T030405Z&X-Amz-Expires=3600&X-Amz-"
        "Credential="
        "AKIDREAL%2F20250102%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-SignedHeaders=host&X-Amz-Security-Token="
        "session%"
        "2Ftoken%2B%3D%3D&X-Amz-Signature=c3520543b71a617e241dd177fa783356bdb7de58c4f50f7d23232d084a545e15");
}

TEST_CASE("signed chunks are signed anew as they stream, however they are cut") {
  const Value value = aws("AKIAIOSFODNN7EXAMPLE", s3_secret);
  http::RequestHead head = head_of(
      "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nContent-Length: "
      "66824\r\nx-amz-date: "
      "20130524T000000Z\r\nx-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: "
      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: "
      "66560" +
      dummy("20130524/us-east-1/s3",
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
            "x-amz-decoded-content-length;x-amz-storage-class"));
  auto made = sign(head, {value, 443, std::nullopt});
  REQUIRE(made);
  CHECK(made->signature == "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  REQUIRE(made->chunks == ChunkSignature::payload);
  auto body = [](const char* first, const char* second, const char* last) {
    return fmt::format(
        "10000;chunk-signature={}\r\n{}\r\n400;chunk-signature={}\r\n{}\r\n0;chunk-signature={}\r\n\r\n",
        first, std::string(65536, 'a'), second, std::string(1024, 'a'), last);
  };
  const std::string zeros(64, '0');
  const std::string given = body(zeros.c_str(), zeros.c_str(), zeros.c_str());
  const std::string wanted = body("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                                  "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                                  "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
  for (std::size_t piece : {std::size_t{7}, std::size_t{1000}, std::size_t{65536}, given.size()}) {
    ChunkSigner signer(*made, value);
    std::string out;
    for (std::size_t at = 0; at < given.size(); at += piece)
      REQUIRE(signer.feed(std::string_view(given).substr(at, piece), out));
    CHECK(signer.ended());
    CHECK(out == wanted);
  }
}

TEST_CASE("attack 28: what is signed of a head is no longer than the head") {
  const Value value = aws("AKIDEXAMPLE", example_secret);
  auto signed_with = [&](const std::string& names) {
    return signature_of(
        "GET / HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\nX-Long: " +
            std::string(10000, 'x') + dummy("20150830/us-east-1/service", names),
        value);
  };
  std::string again, others;
  for (int i = 0; i < 200; ++i) again += ";x-long";
  for (int i = 0; i < 300; ++i) others += ";y" + std::to_string(i);
  CHECK(signed_with("host;x-amz-date" + again) == "! its signature names a header twice");
  CHECK(signed_with("host;x-amz-date;x-long;X-Long") == "! its signature names a header twice");
  CHECK(signed_with("host;x-amz-date" + others) == "! its signature names too many headers");
  std::string query;
  for (int i = 0; i < 1001; ++i) query += "a&";
  CHECK(signature_of("GET /?" + query +
                         " HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z" +
                         dummy("20150830/us-east-1/service", "host;x-amz-date"),
                     value) == "! its query cannot be read, or has more than 1000 parameters");
  CHECK(signed_with("host;x-amz-date;X-Long;absent") == signed_with("host;x-amz-date;x-long"));
}

TEST_CASE("attack 28: chunks of a byte each are work for their number alone") {
  const Value value = aws("AKIAIOSFODNN7EXAMPLE", s3_secret);
  const Signed request{std::string(64, '0'), "20130524T000000Z", "20130524/us-east-1/s3/aws4_request",
                       ChunkSignature::payload};
  const std::string chunk = "1;chunk-signature=" + std::string(64, '0') + "\r\na\r\n";
  auto time_of = [&](int chunks) {
    std::string bytes;
    for (int i = 0; i < chunks; ++i) bytes += chunk;
    ChunkSigner signer(request, value);
    std::string out;
    const auto begun = std::chrono::steady_clock::now();
    REQUIRE(signer.feed(bytes, out));
    CHECK(out.size() == bytes.size());
    return std::chrono::steady_clock::now() - begun;
  };
  const auto few = std::min(time_of(5000), time_of(5000));
  CHECK(time_of(100000) < 60 * few);  // twenty times as many
}

TEST_CASE("chunks that lie are refused") {
  const Value value = aws("AKIDEXAMPLE", s3_secret);
  const Signed request{std::string(64, 'a'), "20130524T000000Z", "20130524/us-east-1/s3/aws4_request",
                       ChunkSignature::payload_and_trailer};
  auto fed = [&](const std::string& body) {
    ChunkSigner signer(request, value);
    std::string out;
    auto done = signer.feed(body, out);
    return done ? std::string(signer.ended() ? "whole " : "") + std::to_string(out.size())
                : std::string(done.error());
  };
  const std::string mark = ";chunk-signature=" + std::string(64, '0') + "\r\n";
  const std::string end = "0" + mark +
                          "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + std::string(64, '0') +
                          "\r\n\r\n";
  CHECK(fed("2" + mark + "ab\r\n" + end) == "whole " + std::to_string(("2" + mark + "ab\r\n" + end).size()));
  CHECK(fed("2" + mark + "abc\r\n") == "a chunk that does not end where it says");
  CHECK(fed("2\r\nab\r\n") == "a chunk without its size and signature");
  CHECK(fed("-2" + mark) == "a chunk without its size and signature");
  CHECK(fed("200000" + mark) == "a signed chunk of more than 1 MiB");
  CHECK(fed(std::string(200, '0')) == "a chunk without its size and signature");
  CHECK(fed("0" + mark + "a:b\r\n\r\n") == "trailers without their signature");
  CHECK(fed(end + "x") == "bytes behind the last chunk");
}

TEST_CASE("a request that is not signed as we sign is refused") {
  const Value value = aws("AKIDEXAMPLE", example_secret);
  const std::string get = "GET / HTTP/1.1\r\nHost: a.example.com\r\nX-Amz-Date: 20150830T123600Z";
  CHECK(signature_of(get, value) == "! it is not signed with AWS4-HMAC-SHA256");
  CHECK(signature_of(get + dummy("20150831/r/s", "host"), value).starts_with("! its signature's scope"));
  CHECK(signature_of(get + dummy("20150830/r/s/t", "host"), value).starts_with("! its signature's scope"));
  CHECK(signature_of(get + dummy("20150830/r/s", "x-amz-date"), value) ==
        "! its signature does not name the host");
  CHECK(signature_of(get + "\r\nContent-Length: 3" + dummy("20150830/r/s", "host"), value) ==
        "! its body is too long to be signed");
  CHECK(signature_of(get + "\r\nX-Amz-Content-Sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" +
                         dummy("20150830/r/s", "host"),
                     value)
            .starts_with("! its payload is signed in a way"));
  // A header that the gateway does not send on is not signed; the rest is.
  CHECK(signature_of(get + dummy("20150830/us-east-1/service", "host;range;x-amz-date"), value).size() == 64);
}

TEST_CASE("attack 18: of a request that is signed anew nothing but the signature changes") {
  auto policy = policy_with("'c'", bearer("c", "type = 'aws'"));
  auto value =
      read_value(policy->credentials.at("c"),
                 R"({"access_key_id": "AKIDEXAMPLE", "secret_access_key": ")" + example_secret + "\"}");
  REQUIRE(value);
  const std::string request =
      "GET /x?a=b+c HTTP/1.1\r\nHost: api.example.com\r\nX-Amz-Date: 20150830T123600Z\r\nX-A: 1";
  http::RequestHead head = head_of(request + dummy("20150830/us-east-1/service", "host;x-amz-date"));
  Placeholders placeholders(*policy);
  auto choice = choose(*policy, placeholders, asking, head);
  REQUIRE(choice);
  REQUIRE(inject({*choice, *value, asking}, head, nullptr));
  CHECK(head.target == "/x?a=b+c");
  CHECK(http::value_of(head.fields, "authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                         "SignedHeaders=host;x-amz-date, Signature="));
}
