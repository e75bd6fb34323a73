// What `check` warns of, and what it must not: a warning of what is right teaches to read none.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "policy/lints/codes.h"
#include "policy/sql/analysis.h"
#include "policy/sql/statements.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using tests::base;
using tests::rule;

namespace {

// "CP0203 LINE:COLUMN" of each warning, but for those that the base has.
std::vector<std::string> codes_of(const std::string& text) {
  LoadResult loaded = load_policy_text(text);
  std::vector<std::string> codes;
  for (const Diagnostic& item : loaded.diagnostics.items) {
    INFO(item.message);
    CHECK(lints::find_code(item.code) != nullptr);
    CHECK(lints::find_code(item.code)->severity == item.severity);
    codes.emplace_back(item.code);
  }
  return codes;
}

using Codes = std::vector<std::string>;

// The codes of rules for both endpoints of the base.
Codes of_rules(const std::string& rules) {
  Codes codes = codes_of(base + rules);
  std::erase(codes, "CP0303");  // `open` has no rule
  return codes;
}

Codes of_condition(const std::string& condition) {
  return of_rules(rule("r", "condition = \"\"\"" + condition + "\"\"\"\nverdict = \"deny\""));
}

std::string message_of(const std::string& text, const std::string& code) {
  for (const Diagnostic& item : load_policy_text(text).diagnostics.items)
    if (item.code == code) return item.message + " | " + item.hint;
  return "";
}

// Whether a rule with `later` behind one with `before` can never match.
bool covered(const std::string& before, const std::string& later) {
  auto part = [](const std::string& condition) {
    return condition.empty() ? "" : "condition = \"\"\"" + condition + "\"\"\"\n";
  };
  Codes codes = of_rules(rule("a", part(before) + "verdict = \"deny\"") +
                         rule("b", part(later) + "verdict = \"deny\""));
  return std::ranges::find(codes, "CP0201") != codes.end();
}

}  // namespace

TEST_CASE("a value that a facet never has is told, with what was meant") {
  for (const char* condition : {
           "sql.verb == 'remove'",
           "sql.verb in ['select', 'remove']",
           "'remove' in sql.verbs",
           "sql.verbs.exists(v, v == 'remove')",
           "sql.verb != 'remove'",
           "'remove' == sql.verb",
           "!(sql.verb in ['remove'])",
           "action.kind == 'delete'",
           "'files' in sql.classes",
           "sql.copy.direction == 'out'",
           "sql.verb.startsWith('zap')",
           "action.type == 'login'",
           "endpoint.type == 'mysql'",
           "sql.database == 'x' || (sql.unbounded && sql.verb == 'remove')",
       }) {
    INFO(condition);
    CHECK(of_condition(condition) == Codes{"CP0202"});
  }
  CHECK(message_of(base + rule("r", "condition = \"sql.verb == 'delte'\"\nverdict = \"deny\""), "CP0202") ==
        "sql.verb is never 'delte': there is no such verb | Did you mean 'delete'?");
}

TEST_CASE("the wrong case is told apart") {
  for (const char* condition : {"sql.verb == 'DROP'", "sql.verbs.exists(v, v in ['Drop', 'truncate'])",
                                "'FILE' in sql.classes", "sql.verb.startsWith('Sel')"}) {
    INFO(condition);
    CHECK(of_condition(condition) == Codes{"CP0203"});
  }
  CHECK(message_of(base + rule("r", "condition = \"sql.verb == 'DROP'\"\nverdict = \"deny\""), "CP0203") ==
        "sql.verb is never 'DROP': it is lower case | Write 'drop'.");
  // One warning for each constant.
  CHECK(of_condition("sql.verb in ['DROP', 'ALTER', 'select']") == Codes{"CP0203", "CP0203"});
}

TEST_CASE("names that are not in the policy are told") {
  CHECK(of_condition("peer.name == 'biulder'") == Codes{"CP0208"});
  CHECK(of_condition("peer.profile in ['data', 'dat']") == Codes{"CP0208"});
  CHECK(of_condition("credential == 'writer'") == Codes{"CP0208"});
  CHECK(of_condition("endpoint.name == 'open'") == Codes{"CP0208"});  // the rule is for pg alone
  CHECK(of_condition("peer.name == 'builder' && credential == '' && endpoint.name == 'pg'").empty());
}

TEST_CASE("no warning of what can be") {
  for (const char* condition : {
           "sql.verb == 'drop' || sql.verb in ['analyze', 'revoke', 'other', 'discard', 'checkpoint']",
           "sql.tables.exists(t, t.startsWith('Secret'))",  // quoted names keep their case
           "'Users' in sql.tables",
           "sql.functions.exists(f, f == 'pg_sleep')",
           "sql.database == 'Prod'",
           "sql.copy.target == '' && sql.copy.direction == 'to'",
           "sql.verb.startsWith('se')",
           "action.kind in ['write', 'admin'] && action.type == 'statement'",
           "sql.verb == sql.user",
           "sql.verb.size() > 3",
           "peer.labels['team'] == 'Data'",
           "dest.host == 'Pg.internal'",
           "sql.statement == 'select 1'",
           "sql.params.exists(p, p == 'x') || 'x' in sql.literals",
           "sql.verb == 'insert' && sql.verb != 'update'",
           "!(sql.verb == 'insert' && sql.unbounded)",
           "sql.verb == 'insert' || sql.verb == 'update'",
           "'insert' in sql.verbs && 'update' in sql.verbs",
       }) {
    INFO(condition);
    CHECK(of_condition(condition).empty());
  }
}

TEST_CASE("the verb of a path that is no resource is its method, whichever") {
  auto warnings = [](const std::string& verb) {
    LoadResult loaded =
        load_policy_text(base + "[endpoint.k]\ntype = \"kubernetes\"\nhosts = [\"k.internal:6443\"]\n" +
                             "[[rule]]\nname = \"k\"\nendpoint = \"k\"\ncondition = \"k8s.verb == '" + verb +
                             "'\"\nverdict = \"deny\"\n",
                         "x.toml", LoadFor::judge);
    return std::ranges::count(loaded.diagnostics.items, "CP0202", &Diagnostic::code);
  };
  for (const char* verb :
       {"get", "deletecollection", "proxy", "post", "head", "propfind", "version-control"}) {
    INFO(verb);
    CHECK(warnings(verb) == 0);
  }
  CHECK(warnings("remove") == 1);
}

TEST_CASE("every verb and class that the analysis gives is one that the lints know") {
  std::ifstream cases(CLAWPATROL_FIXTURES "/postgres/regress15.jsonl");
  REQUIRE(cases);
  std::set<std::string> known;
  for (std::string_view verb : sql::verb_names()) known.emplace(verb);
  std::set<std::string> seen;
  std::size_t number = 0;
  for (std::string line; std::getline(cases, line);) {
    if (++number % 7 != 0) continue;
    for (const sql::Statement& statement :
         sql::analyse(nlohmann::json::parse(line)["sql"].get<std::string>(), {}).statements)
      if (statement.facets.verbs)
        seen.insert(statement.facets.verbs->items.begin(), statement.facets.verbs->items.end());
  }
  CHECK(seen.size() > 30);
  for (const std::string& verb : seen) {
    INFO(verb);
    CHECK(known.contains(verb));
  }
}

TEST_CASE("a condition that is never true is told") {
  for (const char* condition :
       {"sql.verb == 'insert' && sql.verb == 'update'", "false", "1 > 2",
        "sql.unbounded && sql.verb in ['a', 'insert'] && sql.verb in ['update'] && true",
        "sql.verb == 'insert' && !(sql.verb in ['insert', 'update'])",
        "sql.user == 'app' && sql.user.startsWith('ro_')"}) {
    INFO(condition);
    Codes codes = of_condition(condition);
    CHECK(std::ranges::find(codes, "CP0211") != codes.end());
  }
}

TEST_CASE("an allow without condition on an endpoint with credentials is told") {
  CHECK(of_rules(rule("r", "verdict = \"allow\"")) == Codes{"CP0204"});
  CHECK(of_rules(rule("r", "condition = \"true\"\nverdict = \"allow\"")) == Codes{"CP0204"});
  CHECK(of_rules(rule("r", "condition = \"1 < 2 || sql.unbounded\"\nverdict = \"allow\"")) ==
        Codes{"CP0204"});
  CHECK(of_rules(rule("r", "verdict = \"deny\"")).empty());
  CHECK(of_rules(rule("r", "verdict = \"allow\"\nshadow = true")).empty());
  CHECK(of_rules(rule("r", "verdict = \"allow\"\non = [\"login\"]")).empty());
  CHECK(of_rules("[[rule]]\nname = \"r\"\nendpoint = \"open\"\nverdict = \"allow\"\n") ==
        Codes{});  // no credential
  CHECK(of_rules(rule("r", "condition = \"sql.verb ==\"\nverdict = \"allow\"")) == Codes{"CP0102"});
  CHECK(of_rules(rule("r", "condition = 7\nverdict = \"allow\"")) == Codes{"CP0106"});
}

TEST_CASE("a search in the raw text of a statement is told, with the facet to ask") {
  for (const char* condition :
       {"sql.statement.matches('(?i)drop +table')", "sql.statement.contains('secrets')",
        "sql.statement.lowerAscii().startsWith('select')", "matches(sql.statement, 'x')"}) {
    INFO(condition);
    CHECK(of_condition(condition) == Codes{"CP0205"});
  }
  std::string text =
      base + rule("r", "condition = \"sql.statement.matches('(?i)^ *DROP')\"\nverdict = \"deny\"");
  CHECK(message_of(text, "CP0205").find("'drop' in sql.verbs") != std::string::npos);
  CHECK(of_condition("sql.database.matches('^prod')").empty());
}

TEST_CASE("a rule behind one that covers it can never match") {
  CHECK(covered("", ""));
  CHECK(covered("", "sql.unbounded"));
  CHECK(covered("true", "sql.unbounded"));
  CHECK(covered("sql.unbounded", "sql.unbounded"));
  CHECK(covered("sql.verb == 'drop'", "sql.verb  ==  ('drop')"));
  CHECK(covered("sql.verb in ['drop', 'alter']", "sql.verb == 'drop' && sql.unbounded"));
  CHECK(covered("sql.verb in ['drop', 'alter']", "sql.verb == 'drop' || 'alter' == sql.verb"));
  CHECK(covered("sql.verb == 'drop' || sql.unbounded", "sql.unbounded && 'a' in sql.tables"));
  CHECK(covered("sql.verb != 'drop'", "sql.verb == 'alter'"));
  CHECK(covered("sql.verb != 'drop'", "!(sql.verb in ['drop', 'alter'])"));
  CHECK(covered("sql.user.startsWith('a')", "sql.user.startsWith('ab') && sql.unbounded"));
  CHECK(covered("sql.user.startsWith('a')", "sql.user in ['ab', 'ac']"));
  CHECK(covered("sql.verbs.exists(v, v in ['drop', 'alter'])", "'drop' in sql.verbs"));
  CHECK(covered("'drop' in sql.verbs", "sql.verbs.exists(verb, verb == 'drop') && sql.unbounded"));
  CHECK(covered("sql.copy.target == 'file'", "sql.copy.target == 'file' && sql.copy.direction == 'to'"));
}

TEST_CASE("a rule that could match is left alone") {
  CHECK_FALSE(covered("sql.unbounded", ""));
  CHECK_FALSE(covered("sql.verb == 'drop'", "sql.verb in ['drop', 'alter']"));
  CHECK_FALSE(covered("sql.verb == 'drop' && sql.unbounded", "sql.verb == 'drop'"));
  CHECK_FALSE(covered("sql.verb == 'drop'", "sql.unbounded"));
  CHECK_FALSE(covered("sql.verb == 'drop'", "'drop' in sql.verbs"));
  CHECK_FALSE(covered("'drop' in sql.verbs", "sql.verb == 'drop'"));
  CHECK_FALSE(covered("!('a' in sql.tables)", "!('b' in sql.tables)"));
  CHECK_FALSE(covered("sql.verb != 'drop'", "sql.verb != 'alter'"));
  CHECK_FALSE(covered("sql.user.startsWith('ab')", "sql.user.startsWith('a')"));
  CHECK_FALSE(covered("sql.verbs.all(v, v == 'select')", "sql.verbs.exists(v, v == 'select')"));
  CHECK_FALSE(covered("false", "sql.unbounded"));
}

TEST_CASE("covering minds endpoints, actions, priority, shadow and verdicts") {
  auto codes = [](const std::string& a, const std::string& b) {
    Codes found = of_rules("[[rule]]\nname = \"a\"\n" + a + "\n[[rule]]\nname = \"b\"\n" + b + "\n");
    std::erase(found, "CP0204");
    return found;
  };
  const std::string pg = "endpoint = \"pg\"\n", both = "endpoints = [\"pg\", \"open\"]\n";
  const std::string deny = "verdict = \"deny\"\n", allow = "verdict = \"allow\"\n",
                    when = "condition = \"sql.unbounded\"\n";
  CHECK(codes(pg + deny, both + deny).empty());
  CHECK(codes(both + deny, pg + deny) == Codes{"CP0201"});
  CHECK(codes(pg + deny + "on = [\"statement\"]", pg + deny) ==
        Codes{"CP0201"});  // no requests are sent there
  CHECK(codes(pg + deny, pg + deny + "on = [\"statement\", \"login\"]").empty());
  CHECK(codes(pg + deny, pg + deny + "priority = 1") == Codes{"CP0201"});  // then b comes first
  CHECK(codes(pg + deny + when, pg + deny + "priority = 1") == Codes{"CP0201"});
  CHECK(codes(pg + deny + "shadow = true", pg + deny).empty());
  CHECK(codes(pg + deny, pg + allow + "shadow = true") == Codes{"CP0209"});
  CHECK(codes(pg + allow, pg + deny + when) == Codes{"CP0210"});
  CHECK(codes(pg + allow + when, pg + deny + when) == Codes{"CP0210"});
  // Each of the two endpoints has a rule that covers it.
  CHECK(of_rules("[[rule]]\nname = \"a\"\n" + pg + deny + "[[rule]]\nname = \"o\"\nendpoint = \"open\"\n" +
                 deny + "[[rule]]\nname = \"b\"\n" + both + deny) == Codes{"CP0201"});
}

TEST_CASE("what nobody uses is told") {
  CHECK(codes_of(base + rule("r", "verdict = \"deny\"") +
                 "[credential.more]\ntype = \"postgres\"\nendpoint = \"pg\"\nuser = \"x\"\n"
                 "[profile.none]\n[endpoint.far]\ntype = \"postgres\"\nhosts = [\"far.internal\"]\ntls = "
                 "\"disable\"\n") == Codes{"CP0303", "CP0301", "CP0304", "CP0302", "CP0303"});
}

TEST_CASE("lints are said with the errors, in one run") {
  Codes codes = of_rules(rule("a", "condition = \"sql.verb == 'DROP'\"\nverdict = \"deny\"") +
                         rule("b", "condition = \"sql.verbb == 'x'\"\nverdict = \"deny\"") +
                         "[[rule]]\nname = \"c\"\nendpoint = \"gp\"\ncondition = \"1\"\n");
  CHECK(codes == Codes{"CP0203", "CP0102", "CP0106", "CP0103", "CP0102"});
}

TEST_CASE("a method in lower case and a header's name in upper case are never met") {
  auto of_http = [](const std::string& condition) {
    Codes codes = codes_of(base + "[endpoint.web]\ntype = \"http\"\nhosts = [\"web.internal\"]\n" +
                           "[[rule]]\nname = \"w\"\nendpoint = \"web\"\nverdict = \"deny\"\ncondition = '''" +
                           condition + "'''\n");
    std::erase_if(codes, [](const std::string& code) { return code.starts_with("CP03"); });
    return codes;
  };
  CHECK(of_http("http.method == 'get'") == Codes{"CP0203"});
  CHECK(of_http("http.method in ['GET', 'Post']") == Codes{"CP0203"});
  CHECK(of_http("http.method == 'PROPFIND'").empty());
  CHECK(of_http("'X-Key' in http.headers") == Codes{"CP0203"});
  CHECK(of_http("http.headers['X-Key'][0] == 'Yes'") == Codes{"CP0203"});
  CHECK(of_http("http.headers['x-key'][0] == 'Yes'").empty());
}

TEST_CASE("what nobody uses is told beside a condition that does not check") {
  CHECK(codes_of(base + rule("r", "condition = \"sql.verbb == 'x'\"\nverdict = \"deny\"") +
                 "[profile.none]\n") == Codes{"CP0303", "CP0102", "CP0304"});
}

TEST_CASE("a thousand rules are compared in bounded work") {
  std::string rules;
  for (int i = 0; i < 1000; ++i)
    rules += rule("r" + std::to_string(i),
                  "condition = \"sql.user == 'u" + std::to_string(i) +
                      "' && (sql.unbounded || 'a' in sql.tables || 'b' in sql.tables)\"\nverdict = "
                      "\"deny\"");
  CHECK(of_rules(rules).empty());
}

TEST_CASE("codes are in order, told once, and found in any case") {
  std::string before;
  for (const lints::Code& code : lints::all_codes()) {
    INFO(code.code);
    CHECK(std::string(code.code) > before);
    before = code.code;
    CHECK(code.code.size() == 6);
    CHECK(code.meaning.ends_with('.'));
    CHECK(lints::find_code(code.code) == &code);
  }
  CHECK(lints::find_code("cp0203") == lints::find_code("CP0203"));
  CHECK(lints::find_code("CP9999") == nullptr);
  CHECK(lints::find_code("") == nullptr);
}
