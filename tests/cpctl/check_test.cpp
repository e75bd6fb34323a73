// cpctl check in the forms that other tools read, and cpctl explain-code.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "policy/lints/codes.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

using Json = nlohmann::json;

struct PolicyFile {
  TemporaryDirectory directory;
  std::string path = (directory.path / "claw, 50% \u00e4.toml").native();
  explicit PolicyFile(std::string_view text) { std::ofstream(path) << text; }
};

// One warning behind characters of two and three bytes, and one that refers to another rule.
constexpr std::string_view policy = R"(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
[profile.data]
endpoints = ["pg"]
[endpoint.pg]
type = "postgres"
hosts = ["127.0.0.1:5432"]
tls = "disable"
[[rule]]
name = "a"
endpoint = "pg"
condition = "'ä€' != '' && sql.verb == 'DROP'"
verdict = "deny"
[[rule]]
name = "b"
endpoint = "pg"
verdict = "deny"
[[rule]]
name = "c"
endpoint = "pg"
verdict = "deny"
)";

TEST_CASE("check prints codes, and where they are explained") {
  PolicyFile file(policy);
  Result result = cpctl({"check", file.path});
  CHECK(result.status == 0);
  CHECK(contains(result.out, "warning: sql.verb is never 'DROP': it is lower case [CP0203]"));
  CHECK(
      contains(result.out, "rule 'c' can never match: rule 'b' comes first and decides all of it [CP0201]"));
  CHECK(contains(result.out, "`cpctl explain-code CP0203`"));
  CHECK(cpctl({"check", file.path, "--format", "human"}).out == result.out);
  CHECK(cpctl({"check", file.path, "--format", "xml"}).status == 2);
  Json json = Json::parse(cpctl({"check", file.path, "--format", "json"}).out);
  CHECK(json["diagnostics"][0]["code"] == "CP0203");
  CHECK(json == Json::parse(cpctl({"check", file.path, "-o", "json"}).out));
}

TEST_CASE("check as GitHub's workflow commands, escaped so that nothing is added or lost") {
  PolicyFile file(policy);
  Result result = cpctl({"check", file.path, "--format", "github"});
  CHECK(result.status == 0);
  CHECK(std::ranges::count(result.out, '\n') == 2);
  CHECK(result.out.starts_with("::warning file="));
  CHECK(contains(result.out, "claw%2C 50%25 \u00e4.toml,line=13,"));
  CHECK(contains(result.out, ",title=CP0203::sql.verb is never 'DROP': it is lower case%0AWrite 'drop'.\n"));
  PolicyFile hostile("schema = 1\n\"a\\n::error::x\\u001b\" = 1\n");
  result = cpctl({"check", hostile.path, "--format", "github"});
  CHECK(result.status == 1);
  CHECK(result.out.starts_with("::error file="));
  CHECK(std::ranges::count(result.out, '\n') == 1);
  CHECK_FALSE(contains(result.out, "\n::error::x"));
  CHECK_FALSE(contains(result.out, "\x1b"));
}

// The members that the schema of SARIF 2.1.0 gives to what is written: those that must be there, and those
// that may; it takes no others.
struct Members {
  const char* of;
  std::set<std::string> required, allowed;
};
const Members sarif_members[] = {
    {"log", {"version", "runs"}, {"$schema"}},
    {"runs", {"tool"}, {"results", "columnKind"}},
    {"tool", {"driver"}, {}},
    {"driver", {"name"}, {"version", "semanticVersion", "informationUri", "rules"}},
    {"rules",
     {"id"},
     {"name", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration"}},
    {"defaultConfiguration", {}, {"level"}},
    {"shortDescription", {"text"}, {}},
    {"fullDescription", {"text"}, {}},
    {"help", {"text"}, {}},
    {"results", {"message"}, {"ruleId", "ruleIndex", "level", "locations", "relatedLocations"}},
    {"message", {"text"}, {}},
    {"locations", {}, {"physicalLocation"}},
    {"relatedLocations", {}, {"id", "physicalLocation", "message"}},
    {"physicalLocation", {"artifactLocation"}, {"region"}},
    {"artifactLocation", {}, {"uri"}},
    {"region", {}, {"startLine", "startColumn", "endLine", "endColumn"}},
};

void check_members(const Json& value, const std::string& of) {
  INFO(of << ": " << value.dump());
  if (value.is_array())
    for (const Json& item : value) check_members(item, of);
  if (!value.is_object()) return;
  const auto* members =
      std::ranges::find_if(sarif_members, [&](const Members& known) { return known.of == of; });
  REQUIRE(members != std::end(sarif_members));
  for (const std::string& name : members->required) CHECK(value.contains(name));
  for (const auto& [name, member] : value.items()) {
    CHECK(members->required.contains(name) + members->allowed.contains(name) == 1);
    check_members(member, name);
  }
}

// What refers to something finds it, and what is counted is in its range.
void check_location(const Json& location) {
  const Json& physical = location.at("physicalLocation");
  const std::string uri = physical.at("artifactLocation").at("uri");
  for (char c : uri) CHECK((c > ' ' && c < 0x7f));
  if (!physical.contains("region")) return;
  const Json& region = physical["region"];
  CHECK(region.at("startLine").get<int>() >= 1);
  if (region.contains("startColumn")) {
    CHECK(region["startColumn"].get<int>() >= 1);
    CHECK(region.at("endColumn").get<int>() > region["startColumn"].get<int>());
  }
}

Json check_sarif(const std::string& text) {
  Json log = Json::parse(text);
  check_members(log, "log");
  std::set<std::string> ids;
  for (const Json& rule : log.at("runs").at(0).at("tool").at("driver").at("rules"))
    CHECK(ids.insert(rule.at("id")).second);
  CHECK(log.at("version") == "2.1.0");
  CHECK(log.at("$schema").get<std::string>().ends_with("sarif-schema-2.1.0.json"));
  REQUIRE(log.at("runs").size() == 1);
  const Json& run = log["runs"][0];
  CHECK(run.at("columnKind") == "unicodeCodePoints");
  const Json& driver = run.at("tool").at("driver");
  CHECK_FALSE(driver.at("name").get<std::string>().empty());
  for (const Json& rule : driver.at("rules")) {
    CHECK(rule.at("id").is_string());
    CHECK_FALSE(rule.at("shortDescription").at("text").get<std::string>().empty());
    CHECK(rule.at("help").at("text").is_string());
    const std::string level = rule.at("defaultConfiguration").at("level");
    CHECK((level == "error" || level == "warning"));
  }
  for (const Json& result : run.at("results")) {
    CHECK_FALSE(result.at("message").at("text").get<std::string>().empty());
    CHECK(std::set<std::string>{"none", "note", "warning", "error"}.contains(result.at("level")));
    CHECK(driver["rules"].at(result.at("ruleIndex").get<std::size_t>()).at("id") == result.at("ruleId"));
    for (const Json& location : result.at("locations")) check_location(location);
    if (!result.contains("relatedLocations")) continue;
    for (const Json& location : result["relatedLocations"]) {
      CHECK(location.at("message").at("text").is_string());
      check_location(location);
    }
  }
  return log;
}

TEST_CASE("check as SARIF 2.1.0") {
  PolicyFile file(policy);
  Result result = cpctl({"check", file.path, "--format", "sarif"});
  CHECK(result.status == 0);
  Json log = check_sarif(result.out);
  const Json& first = log["runs"][0]["results"].at(0);
  CHECK(first["ruleId"] == "CP0203");
  CHECK(first["level"] == "warning");
  const Json& place = first["locations"][0]["physicalLocation"];
  CHECK(place["artifactLocation"]["uri"].get<std::string>().ends_with("/claw%2C%2050%25%20%C3%A4.toml"));
  // Behind two characters of two and three bytes: columns are code points.
  CHECK(place["region"] == Json{{"startLine", 13}, {"startColumn", 40}, {"endColumn", 46}});
  CHECK(log["runs"][0]["results"][1]["relatedLocations"].size() == 1);
  PolicyFile broken("schema = 1\nbogus = 1\n[rule\n");
  result = cpctl({"check", broken.path, "--format", "sarif"});
  CHECK(result.status == 1);
  log = check_sarif(result.out);
  CHECK(log["runs"][0]["results"].at(0)["level"] == "error");
  result = cpctl({"check", "/nonexistent/policy.toml", "--format", "sarif"});
  CHECK(result.status == 1);
  CHECK(check_sarif(result.out)["runs"][0]["results"].at(0)["ruleId"] == "CP0100");
}

TEST_CASE("explain-code explains one, and lists all") {
  Result result = cpctl({"explain-code", "CP0203"});
  CHECK(result.status == 0);
  CHECK(contains(result.out, "CP0203  warning: a comparison in the wrong case\n"));
  CHECK(contains(result.out, "Wrong:\n    condition = \"sql.verb == 'DROP'\"\n"));
  CHECK(contains(result.out, "Right:\n    condition = \"sql.verb == 'drop'\"\n"));
  CHECK(cpctl({"explain-code", "cp0203"}).out == result.out);
  Result all = cpctl({"explain-code"});
  for (const lints::Code& code : lints::all_codes()) CHECK(contains(all.out, code.code));
  Result none = cpctl({"explain-code", "CP9999"});
  CHECK(none.status == 1);
  CHECK(contains(none.err, "there is no code 'CP9999'\nhint: `cpctl explain-code` lists all of them."));
  Json json = Json::parse(cpctl({"explain-code", "CP0203", "-o", "json"}).out);
  CHECK(json["type"] == "code");
  CHECK(json["right"] == "condition = \"sql.verb == 'drop'\"");
}

}  // namespace
}  // namespace clawpatrol::cpctl
