#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "policy/cel/program.h"

namespace {

using namespace clawpatrol;
using cel::CompileOptions;
using cel::Condition;
using cel::Problem;

std::vector<Problem> problems(std::string_view text, const CompileOptions& options = {}) {
  auto condition = Condition::compile(text, options);
  return condition ? std::vector<Problem>{} : condition.error();
}

// "message [what the span covers] hint", of the first problem.
std::string problem(std::string_view text, const CompileOptions& options = {}) {
  std::vector<Problem> found = problems(text, options);
  if (found.empty()) return "compiles";
  REQUIRE(found[0].span.begin <= found[0].span.end);
  REQUIRE(found[0].span.end <= text.size());
  std::string_view covered = text.substr(found[0].span.begin, found[0].span.end - found[0].span.begin);
  return fmt::format("{} [{}]{}{}", found[0].message, covered, found[0].hint.empty() ? "" : " ",
                     found[0].hint);
}

}  // namespace

TEST_CASE("unknown facets are named with the nearest one") {
  CHECK(problem("sql.verbb == 'drop'") == "unknown facet `sql.verbb` [sql.verbb] Did you mean `sql.verb`?");
  CHECK(problem("'x' in sql.table") == "unknown facet `sql.table` [sql.table] Did you mean `sql.tables`?");
  CHECK(problem("sql.verbz.size() > 1")
            .starts_with("unknown facet `sql.verbz` [sql.verbz] Did you mean `sql.verb"));
  CHECK(problem("verb == 'drop'") == "unknown facet `verb` [verb] Did you mean `sql.verb`?");
  CHECK(problem("frobnicate == 1") == "unknown facet `frobnicate` [frobnicate] `cpctl facets` lists them.");
  CHECK(problem("sql == 1")
            .starts_with("`sql` is a family of facets, not a value [sql] Its facets are `sql.statement`, "));
}

TEST_CASE("a pattern that is none is said beside what does not type-check") {
  auto found = problems("sql.statement.matches('[') && sql.tabels == [] && sql.statement.matches('(')");
  REQUIRE(found.size() == 3);
  CHECK(found[0].message.starts_with("invalid pattern"));
  CHECK(found[1].message == "unknown facet `sql.tabels`");
  CHECK(found[2].message.starts_with("invalid pattern"));
}

TEST_CASE("facets of other endpoint types are refused by that name") {
  CHECK(problem("dns.name == 'x'") ==
        "facet `dns.name` is not available for this endpoint type [dns.name] "
        "A rule may use only facets that all of its endpoints have.");
  CompileOptions dns{{FacetFamily::every, FacetFamily::dns}};
  CHECK(problem("dns.name == 'x'", dns) == "compiles");
  CHECK(problem("sql.copy.target == 'x'", dns).starts_with("facet `sql.copy` is not available"));
}

TEST_CASE("wrong operands are named by their types") {
  CHECK(problem("sql.verb == 1") == "`==` cannot compare string and int [sql.verb == 1]");
  CHECK(problem("sql.verbs == 'drop'") ==
        "`==` cannot compare list(string) and string [sql.verbs == 'drop'] "
        "To ask whether a list has a member, write `'x' in list`.");
  CHECK(problem("sql.verb == null").starts_with("`==` cannot compare string and null"));
  CHECK(problem("'x' in sql.statement") ==
        "`in` cannot take string and string ['x' in sql.statement] "
        "To look for a part of a text, write text.contains('x').");
  CHECK(problem("1 in sql.tables").starts_with("`in` cannot take int and list(string)"));
  CHECK(problem("sql.statements < 'x'").starts_with("`<` cannot take int and string"));
  CHECK(problem("sql.statements + 1.0 > 1").starts_with("`+` cannot take int and double"));
  CHECK(problem("!sql.verb").starts_with("`!` cannot take string"));
  CHECK(problem("sql.verb && true") == "`&&` needs bool, and this is string [sql.verb]");
  CHECK(problem("true || sql.tables") == "`||` needs bool, and this is list(string) [sql.tables]");
  CHECK(problem("sql.tables.exists(t, t)") == "`exists` needs bool, and this is string [t]");
  CHECK(problem("sql.verb.exists(t, true)")
            .starts_with("`exists` needs a list or a map, and this is string [exists]"));
  CHECK(problem("sql.verb.startsWith(1)") ==
        "`startsWith` cannot take string and int [sql.verb.startsWith(1)] "
        "It is string.startsWith(string) -> bool.");
  CHECK(
      problem("startsWith(sql.verb, 'x')").starts_with("`startsWith` is not called like this [startsWith]"));
  CHECK(problem("sql.verb.startWith('x')") ==
        "unknown function `startWith` [startWith] Did you mean `startsWith`?");
  CHECK(problem("[1].exist(1, true)") == "unknown function `exist` [exist] Did you mean `exists`?");
  CHECK(problem("sql.copy.targte == ''") ==
        "`sql.copy` has no field `targte` [targte] "
        "Its fields are `direction` and `target`.");
  CHECK(problem("sql.verb.x == ''").starts_with("string has no field `x` [x]"));
  CHECK(problem("sql.unbounded ? 1 : 'x'").starts_with("the two sides of `?` are int and string"));
  CHECK(problem("has(sql.verb)").starts_with("`has` cannot ask for the facet `sql.verb`"));
  CHECK(problem("{1.5: 2} == {}").starts_with("double cannot be the key of a map [1.5]"));
  CHECK(problem("sql.params[0] == 1").starts_with("`==` cannot compare string or null and int"));
}

TEST_CASE("a condition must be bool") {
  CHECK(problem("sql.verb") ==
        "a condition must be bool, and this is string [sql.verb] Compare it with something.");
  CHECK(problem("dyn(true)").starts_with("a condition must be bool, and this is dyn"));
  CHECK(problem("1").starts_with("a condition must be bool, and this is int"));
}

TEST_CASE("all type problems are reported at once, in the order of the text") {
  auto found = problems("sql.verbb == 'x' && foo() && sql.verb == 1");
  REQUIRE(found.size() == 3);
  CHECK(found[0].message == "unknown facet `sql.verbb`");
  CHECK(found[1].message == "unknown function `foo`");
  CHECK(found[2].message == "`==` cannot compare string and int");
}

TEST_CASE("syntax errors point at what is wrong") {
  CHECK(problem("sql.verb = 'x'") == "`=` is not an operator [=] Equality is written `==`.");
  CHECK(problem("a & b") == "`&` is not an operator [&] Did you mean `&&`?");
  CHECK(problem("sql.verb == 'x") == "string is not closed ['x] It began with '.");
  CHECK(problem("sql.verb == 'x\ny'").starts_with("string is not closed ['x]"));
  CHECK(problem("(true") == "expected `)`, found the end [e]");
  CHECK(problem("") == "expected a value, found the end []");
  CHECK(problem("true false") == "expected an operator or the end [false]");
  CHECK(problem("1 + for") == "`for` is a reserved word [for] Names may not be reserved words.");
  CHECK(problem("'\\q' == ''").starts_with("unknown escape in a string [\\q]"));
  CHECK(problem("'\\ud800' == ''").starts_with("escape of no Unicode character"));
  CHECK(problem("b'\\u0041' == b''").starts_with("\\u and \\U have no meaning in bytes"));
  CHECK(problem("9223372036854775808 > 1").starts_with("number out of range [9223372036854775808]"));
  CHECK(problem("-9223372036854775808 < 1") == "compiles");
  CHECK(problem("!-x").starts_with("expected a value [-]"));
  CHECK(problem("1x == 1").starts_with("a number cannot run into a name [1x]"));
  CHECK(problem("has(sql)").starts_with("`has` needs a field, as in has(a.b) [sql]"));
  CHECK(problem("[1].exists(1, true)").starts_with("the variable of `exists` must be a plain name [1]"));
  CHECK(problem("[1].exists(v)").starts_with("`exists` has the wrong number of arguments [exists]"));
  CHECK(problem("a\x01") == "unexpected character [\x01]");
  CHECK(problem("'\xff' == ''").starts_with("not valid UTF-8"));
  CHECK(problem("sql.verb == 'x' // a comment") == "compiles");
}

TEST_CASE("patterns in a policy are compiled when it is loaded") {
  CHECK(problem("sql.verb.matches('(')") ==
        "invalid pattern: missing ): ( ['('] "
        "Patterns are RE2's: no backreferences, no lookaround.");
  CHECK(problem("sql.verb.matches('(a)\\\\1')").starts_with("invalid pattern: invalid escape sequence"));
  CHECK(problem("sql.verb.matches('((a{100}){100}){100}')").starts_with("invalid pattern: "));
  CHECK(problem("sql.verb.matches('a' + '(')").starts_with("invalid pattern: missing )"));
}

TEST_CASE("constants that cannot be read are refused when the policy is loaded") {
  CHECK(problem("cidr('10.0.0.0/33').containsIP(peer.address)") ==
        "`cidr` cannot take this: invalid address ['10.0.0.0/33']");
  CHECK(problem("ip(peer.address) == ip('10.0.0')").starts_with("`ip` cannot take this: invalid address"));
  CHECK(problem("now > timestamp('2024-02-30T00:00:00Z')").starts_with("`timestamp` cannot take this"));
  CHECK(problem("now > timestamp(0) + duration('1 day')").starts_with("`duration` cannot take this"));
  CHECK(problem("now.getHours('Europe/Berlim') < 8")
            .starts_with("unknown time zone `Europe/Berlim` ['Europe/Berlim']"));
  CHECK(problem("ip(peer.address) == ip(sql.verb)") == "compiles");
}

TEST_CASE("depth, length and number of terms are limited, long chains are not deep") {
  auto repeated = [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  std::string deep = "nested too deeply: more than 200 levels";
  for (int levels : {250, 5000}) {
    CHECK(problem(repeated("(", levels) + "true" + repeated(")", levels)).starts_with(deep));
    CHECK(problem(repeated("[", levels) + repeated("]", levels) + " == []").starts_with(deep));
    CHECK(problem(repeated("!", levels) + "true").starts_with(deep));
    CHECK(problem(repeated("-", levels) + "x == 1").starts_with(deep));
    CHECK(problem("1" + repeated(" + 1", levels) + " == 1").starts_with(deep));
    CHECK(problem("a" + repeated(".a", levels) + " == 1").starts_with(deep));
    CHECK(problem("a" + repeated("[0]", levels) + " == 1").starts_with(deep));
    CHECK(problem(repeated("a ? a : ", levels) + "a").starts_with(deep));
    CHECK(problem(repeated("f(", levels)).starts_with(deep));
    CHECK(problem(repeated("{1:", levels)).starts_with(deep));
  }
  CHECK(problem(repeated("(", 150) + "true" + repeated(")", 150)) == "compiles");
  CHECK(problem("true" + repeated(" && sql.verb == 'x'", 1000)) == "compiles");
  CHECK(problem("false" + repeated(" || sql.verb == 'x'", 1000)) == "compiles");
  CHECK(problem("sql.verb in ['a'" + repeated(", 'a'", 10'000) + "]") == "compiles");
  CHECK(problem("1 in [1" + repeated(",1", 17'000) + "]").starts_with("too long: more than 16384 terms"));
  CHECK(problem(std::string(70'000, ' ')).starts_with("longer than 65536 bytes"));
}
