// Credentials of HTTP: what each type is by itself, and what is refused.
#include <catch2/catch.hpp>

#include "tests/policy/config/problems.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using namespace clawpatrol::tests;
using Lines = std::vector<std::string>;

namespace {

const std::string web = R"(schema = 1
[profile.data]
credentials = ["c"]
[endpoint.web]
type = "https"
hosts = ["api.example.com"]
[[rule]]
name = "r"
endpoint = "web"
condition = "http.method == 'GET'"
verdict = "allow"
)";

std::string credential(const std::string& lines, const std::string& name = "c") {
  return "[credential." + name + "]\nendpoint = \"web\"\n" + lines + "\n";
}

LoadResult load(const std::string& text) {
  return load_policy_text(text, "clawpatrol.toml", LoadFor::judge);
}

CredentialConfig only(const std::string& lines) {
  LoadResult loaded = load(web + credential(lines));
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  return loaded.policy->credentials.at("c");
}

// The errors, without the place where it is always the same.
Lines errors(const std::string& text) {
  Lines out;
  for (const std::string& line : lines_of(load(text).diagnostics))
    if (!line.starts_with("warning ")) out.push_back(line.substr(line.find(": ") + 2));
  return out;
}
Lines errors_of(const std::string& lines) {
  return errors(web + credential(lines));
}

}  // namespace

TEST_CASE("each type has its place, its prefix and its variables") {
  struct Row {
    const char *lines, *place, *prefix;
    std::vector<std::string> variables;
  };
  const Row rows[] = {
      {"type = 'bearer'", "header:authorization", "Bearer ", {}},
      {"type = 'basic'", "basic", "", {}},
      {"type = 'header'\nname = 'X-Api-Key'", "header:x-api-key", "", {}},
      {"type = 'header'\nname = 'Authorization'\nprefix = 'Token '", "header:authorization", "Token ", {}},
      {"type = 'cookie'\nname = 'sid'", "cookie:sid", "", {}},
      {"type = 'query'\nname = 'key'", "query:key", "", {}},
      {"type = 'mtls'", "", "", {}},
      {"type = 'aws'", "sigv4", "", {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
      {"type = 'anthropic'", "header:x-api-key", "", {"ANTHROPIC_API_KEY"}},
      {"type = 'openai'", "header:authorization", "Bearer ", {"OPENAI_API_KEY"}},
      {"type = 'gemini'", "header:x-goog-api-key", "", {"GEMINI_API_KEY", "GOOGLE_API_KEY"}},
      {"type = 'gemini'\nat = 'query:key'\nenv = ['K']", "query:key", "", {"K"}},
      {"type = 'bearer'\nat = 'json:/auth/token'", "json:/auth/token", "", {}},
      {"type = 'bearer'\nat = 'basic'\nuser = 'x-access-token'", "basic", "", {}},
      {"type = 'oauth2'\nurl = 'https://login.example.com/t'\nclient_id = 'me'",
       "header:authorization",
       "Bearer ",
       {}},
      {"type = 'github_app'\nclient_id = 'Iv1.0'\ninstallation_id = '7'",
       "header:authorization",
       "Bearer ",
       {"GITHUB_TOKEN", "GH_TOKEN"}},
  };
  for (const Row& row : rows) {
    INFO(row.lines);
    const CredentialConfig config = only(row.lines);
    CHECK(text_of(config.place) == row.place);
    CHECK(config.prefix == row.prefix);
    CHECK(config.variables == row.variables);
    CHECK(config.placeholder == (config.type == CredentialType::mtls ? "" : "{{c}}"));
  }
}

TEST_CASE("a token's source is what its type needs") {
  const CredentialConfig app = only("type = 'github_app'\nclient_id = 'Iv1.0'\ninstallation_id = '7'");
  REQUIRE(app.tokens);
  CHECK(app.tokens->url == "https://api.github.com");
  CHECK(app.tokens->installation_id == "7");
  CHECK(app.tokens->host == "api.github.com");
  CHECK(app.tokens->port == 443);
  CHECK(app.tokens->path == "/");
  const CredentialConfig sso = only(
      "type = 'oauth2'\nclient_id = 'x'\nclient_auth = 'body'\nurl = 'https://Login.Example.com:8443/a/b'");
  CHECK(sso.tokens->host == "login.example.com");
  CHECK(sso.tokens->port == 8443);
  CHECK(sso.tokens->path == "/a/b");
  CHECK(sso.tokens->client_auth == ClientAuth::body);
  CHECK(errors_of("type = 'oauth2'\nclient_id = 'x'\nurl = 'https://*.example.com/'").size() == 1);
  CHECK(errors_of("type = 'oauth2'\nclient_id = 'x'\nurl = 'https:///t'").size() == 1);
  CHECK(errors_of("type = 'oauth2'\nclient_id = 'x'\nurl = 'https://login.example.com'\nca = 'ca.pem'") ==
        Lines{"not a file beside this one: 'ca.pem'"});
  CHECK(errors_of("type = 'bearer'\nca = 'file:ca.pem'") ==
        Lines{"'ca' is not for credentials of type bearer"});
  CHECK(errors_of("type = 'github_app'") ==
        Lines{"[credential.c] needs 'client_id'", "[credential.c] needs 'installation_id'"});
  CHECK(errors_of("type = 'oauth2'") ==
        Lines{"[credential.c] needs 'url'", "[credential.c] needs 'client_id'"});
  CHECK(errors_of("type = 'oauth2'\nclient_id = 'x'\nurl = 'http://login.example.com/'") ==
        Lines{"'http://login.example.com/' is not an https URL"});
  CHECK(errors_of("type = 'oauth2'\nclient_id = 'x'\nurl = 'https://u:p@login.example.com/'").size() == 1);
}

TEST_CASE("a place that is none, or not its own to take, is refused") {
  for (const char* at : {"header:", "header:Host", "header:a b", "header:Transfer-Encoding", "header:Cookie",
                         "query:", "cookie:a=b", "json:a", "json:/a~2", "body", "path:/x", "basic:x"}) {
    INFO(at);
    CHECK(errors_of("type = 'bearer'\nat = '" + std::string(at) + "'").size() == 1);
  }
  CHECK(errors_of("type = 'header'") == Lines{"[credential.c] needs 'name'"});
  CHECK(errors_of("type = 'basic'\nat = 'query:x'") == Lines{"'at' is not for credentials of type basic"});
  CHECK(errors_of("type = 'bearer'\nat = 'json:/a'\ninject = 'slot'") ==
        Lines{"a place in the body is found by its placeholder alone"});
  CHECK(errors_of("type = 'bearer'\nat = 'basic'") ==
        Lines{"[credential.c] needs 'user', which stands before the secret"});
  CHECK(errors_of("type = 'bearer'\nat = 'query:k'\nprefix = 'x'") ==
        Lines{"a prefix is for headers, and the place is 'query:k'"});
  CHECK(errors_of("type = 'mtls'\nplaceholder = 'looks-like-one'") ==
        Lines{"'placeholder' is not for credentials of type mtls"});
}

TEST_CASE("a secret in the file is an error that says where it belongs") {
  CHECK(errors_of("type = 'bearer'\ntoken = 'ghp_1234'") ==
        Lines{"'token' in [credential.c] would hold a secret: secrets do not belong in this file"});
}

TEST_CASE("placeholders: what they may be, and never one in another") {
  CHECK(only("type = 'bearer'\nplaceholder = 'ghp_0123456789abcdef'").placeholder == "ghp_0123456789abcdef");
  for (const char* text : {"short", "with space in it", "per%63ent-per", "quote\"quote"})
    CHECK(errors_of("type = 'bearer'\nplaceholder = '" + std::string(text) + "'").size() == 1);
  const std::string more = credential("type = 'bearer'\nplaceholder = 'ghp_0123456789'", "d");
  CHECK(errors(web + credential("type = 'bearer'\nplaceholder = 'ghp_01234567'") + more) ==
        Lines{"the placeholder of credential 'c' is part of that of 'd'"});
  CHECK(errors(web + credential("type = 'bearer'\nplaceholder = 'ghp_0123456789'") + more) ==
        Lines{"the placeholder of credential 'c' is part of that of 'd'"});
  CHECK(errors(web + credential("type = 'bearer'") + more).empty());
}

TEST_CASE("a credential is for endpoints that speak its protocol") {
  std::string clear = web;
  clear.replace(clear.find("https"), 5, "http");
  CHECK(errors(clear + credential("type = 'mtls'")) ==
        Lines{"credential 'c' is mtls, and endpoint 'web' is http"});
  CHECK(errors(clear + credential("type = 'bearer'")).empty());
  std::string tls = web;
  tls.insert(tls.find("hosts"), "tls = \"disable\"\n");
  CHECK(errors(tls + credential("type = 'mtls'")) ==
        Lines{"credential 'c' is mtls, and endpoint 'web' has tls = \"disable\""});
  tls.replace(tls.find("disable"), 7, "require");
  CHECK(errors(tls + credential("type = 'mtls'")).empty());
  CHECK(load(tls + credential("type = 'bearer'")).diagnostics.render().contains("CP0308"));
  CHECK_FALSE(load(web + credential("type = 'bearer'")).diagnostics.render().contains("CP0308"));
  std::string postgres = base + "[credential.c]\ntype = 'bearer'\nendpoint = 'pg'\n";
  CHECK(errors(postgres) == Lines{"credential 'c' is bearer, and endpoint 'pg' is postgres"});
}

TEST_CASE("attack 17: a credential of HTTP on a wildcard endpoint names its hosts") {
  std::string wild = web;
  wild.replace(wild.find("api.example.com"), 15, "*.example.com");
  CHECK(errors(wild + credential("type = 'bearer'")) ==
        Lines{"credential 'c' would go to every host of '*.example.com:443'"});
  CHECK(errors(wild + credential("type = 'bearer'\nhosts = ['api.example.com']")).empty());
  CHECK(errors(wild + credential("type = 'bearer'\nhosts = ['*.example.com']")) ==
        Lines{"a credential names exact hosts, never a wildcard"});
}

TEST_CASE("the environment of a profile has every placeholder under the names that tools read") {
  std::string text = web;
  text.replace(text.find("[\"c\"]"), 5, "[\"c\", \"d\"]");
  LoadResult loaded = load(text + credential("type = 'github_app'\nclient_id = 'x'\ninstallation_id = '7'") +
                           credential("type = 'bearer'\nenv = ['GITHUB_TOKEN', 'OTHER']", "d"));
  REQUIRE(loaded.policy);
  std::string all;
  for (const EnvironmentVariable& one : environment_of(*loaded.policy, "data"))
    all += one.name + "=" + one.placeholder + " ";
  CHECK(all == "GITHUB_TOKEN={{c}} GH_TOKEN={{c}} OTHER={{d}} ");
  CHECK(environment_of(*loaded.policy, "nobody").empty());
}
