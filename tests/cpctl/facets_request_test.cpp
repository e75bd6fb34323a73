// `cpctl facets http` and `cpctl facets kubernetes`: what the gateway sees in requests.
#include "daemon/control/message.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

Message answer(const std::string& protocol, const std::string& line, int status = 0,
               std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"facets", protocol, "--jsonl"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Result result = cpctl(arguments, line + "\n");
  INFO(result.out << result.err);
  CHECK(result.status == status);
  REQUIRE_FALSE(result.out.empty());
  CHECK(result.out.find('\n') == result.out.size() - 1);
  auto message = Message::parse(std::string_view(result.out).substr(0, result.out.size() - 1));
  REQUIRE(message);
  return *message;
}

const std::string get = R"(GET /a%20b?c=d HTTP/1.1\r\nHost: A.example:80\r\n\r\n)";

TEST_CASE("a request on the wire is answered by its facets") {
  Message line = answer("http", R"({"wire":")" + get + R"("})");
  Message http = line.object("http");
  CHECK(http.text("method") == "GET");
  CHECK(http.text("host") == "a.example");
  CHECK(http.text("path") == "/a b");
  CHECK(http.text("raw_path") == "/a%20b");
  CHECK(http.object("query").json() == R"({"c":["d"]})");
  CHECK(http.object("headers").json() == R"({"host":["A.example:80"]})");
  CHECK(http.text("body") == "");
  CHECK(http.object("body_json").json() == "{}");
  CHECK(http.integer("body_size") == 0);
  CHECK(line.text("kind") == "read");
  CHECK_FALSE(line.has("requests"));
}

TEST_CASE("bytes that are no text come in Base64, and facets that have no value say why") {
  // A body of 0xff.
  Message line =
      answer("http", R"({"wire_base64":"UFVUIC8gSFRUUC8xLjENCkhvc3Q6IGENCkNvbnRlbnQtTGVuZ3RoOiAxDQoNCv8="})");
  CHECK(line.object("http").object("body").text("unknown") == "undecodable");
  CHECK(line.object("http").object("body_json").text("unknown") == "undecodable");
  CHECK(line.object("http").integer("body_size") == 1);
  CHECK(answer("http", R"({"wire_base64":"UFVU="})", 1).text("error") == "\"wire_base64\" is not Base64");
  CHECK(answer("http", R"({"wired":"x"})", 1).text("error") == "this line has no text under \"wire\"");
}

TEST_CASE("what is not served is refused, and what came before it is shown") {
  CHECK(answer("http", R"({"wire":"GET / HTTP/1.1\nHost: a\n\n"})").text("refused") == "bare LF");
  CHECK(answer("http", R"({"wire":"GET //x HTTP/1.1\r\nHost: a\r\n\r\n"})").text("refused") ==
        "the path has an empty segment");
  Message lenient =
      answer("http", R"({"wire":"GET //x HTTP/1.1\r\nHost: a\r\n\r\n"})", 0, {"--lenient-paths"});
  CHECK(lenient.object("http").text("path") == "//x");
  Message cut = answer("http", R"({"wire":")" + get + R"(GET / HT"})");
  CHECK(cut.text("refused") == "the request is incomplete");
  CHECK(cut.list("requests").size() == 1);
  CHECK_FALSE(cut.has("http"));
}

TEST_CASE("requests behind each other are all shown") {
  Message line = answer("http", R"({"wire":")" + get + R"(POST /2 HTTP/1.1\r\nHost: b\r\n\r\n"})");
  CHECK(line.object("http").text("path") == "/a b");
  REQUIRE(line.list("requests").size() == 2);
  CHECK(line.list("requests")[1].object("http").text("path") == "/2");
  CHECK(line.list("requests")[1].text("kind") == "write");
}

TEST_CASE("a request to an API server is answered by what that takes it for") {
  Message line =
      answer("kubernetes",
             R"({"method":"POST","target":"/api/v1/namespaces/prod/pods?dryRun=All",)"
             R"("headers":{"Impersonate-User":"u","Impersonate-Group":["g","h"],"Content-Length":"99"},)"
             R"("body":"{\"metadata\":{\"name\":\"web\"}}"})");
  Message k8s = line.object("k8s");
  CHECK(k8s.text("verb") == "create");
  CHECK(k8s.text("resource") == "pods");
  CHECK(k8s.text("namespace") == "prod");
  CHECK(k8s.text("name") == "web");
  CHECK(k8s.object("params").json() == R"({"dryRun":["All"]})");
  CHECK(k8s.object("impersonate").json() == R"({"user":"u","groups":["g","h"]})");
  CHECK(k8s.object("body").json() == R"({"metadata":{"name":"web"}})");
  CHECK_FALSE(k8s.has("argv"));
  CHECK(line.object("http").text("method") == "POST");
  CHECK(line.text("kind") == "admin");
  // Around a header's value there is white space that is none of it, as on the wire.
  CHECK(answer("kubernetes",
               R"({"method":"GET","target":"/api/v1/pods","headers":{"Impersonate-User":" \tu "}})")
            .object("k8s")
            .object("impersonate")
            .text("user") == "u");
  for (const char* body : {R"({"spec":{"unschedulable":true}})",
                           R"([{"op":"add","path":"/spec/unschedulable","value":true}])"}) {
    auto derived = answer("kubernetes",
                          R"({"method":"PATCH","target":"/api/v1/nodes/n","body":)" + std::string(body) + "}")
                       .object("k8s")
                       .list("derived");
    REQUIRE(derived.size() == 1);
    CHECK(derived[0].as_text() == "cordon");
  }
  CHECK(answer("kubernetes", R"({"wire":"GET /api/v1/pods HTTP/1.1\r\nHost: k\r\n\r\n"})")
            .object("k8s")
            .text("verb") == "list");
}

TEST_CASE("beside a refusal stands what the API server would have made of it") {
  Message line = answer("kubernetes", R"({"method":"GET","target":"/api/v1/namespaces//secrets/s"})");
  CHECK(line.text("refused") == "the path has an empty segment");
  CHECK(line.object("k8s").text("name") == "s");
  CHECK_FALSE(answer("kubernetes", R"({"method":"GET","target":"/api/%zz"})").has("k8s"));
  for (const char* parts : {R"("method":"GET","target":"/a","headers":{"X":"a\r\nY: b"})",
                            R"("method":"GET /b HTTP/1.1\r\nX:","target":"/a")",
                            R"("method":"GET","target":"/a HTTP/1.1\r\nX: y\r\n\r\n")",
                            R"("method":"GET","target":"/a","headers":{"X: b\r\nY":"c"})"}) {
    INFO(parts);
    CHECK(answer("kubernetes", "{" + std::string(parts) + "}").has("refused"));
  }
  CHECK(answer("kubernetes", R"({"method":"GET","target":"/a","headers":{"X":7}})", 1).has("error"));
  CHECK(answer("kubernetes", R"({"method":"GET"})", 1).has("error"));
}

TEST_CASE("for people, standard input is the wire itself") {
  Result result = cpctl({"facets", "kubernetes"}, "GET /api/v1/pods HTTP/1.1\r\nHost: k\r\n\r\n");
  CHECK(result.status == 0);
  CHECK(result.out.find("k8s.verb          \"list\"\n") != std::string::npos);
  Result refused = cpctl({"facets", "http"}, "GET / HTTP/1.1\r\n\r\n");
  CHECK(refused.status == 1);
  CHECK(refused.out.find("refused: no Host\n") != std::string::npos);
  CHECK(cpctl({"facets", "http", "-o", "json"}, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .out.find(R"("type":"requests","requests":[{"http":)") != std::string::npos);
}

}  // namespace
}  // namespace clawpatrol::cpctl
