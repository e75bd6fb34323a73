#include "policy/lints/codes.h"

#include <fmt/format.h>

#include <algorithm>

namespace clawpatrol::lints {
namespace {

// CP01xx: errors; with one of them nothing is put in force. CP02xx: rules. CP03xx: everything else.
constexpr Code codes[] = {
    {"CP0100", Severity::error, "a file cannot be read",
     "It is not there, may not be read, or is larger than the gateway reads.", "", ""},
    {"CP0101", Severity::error, "a file is not TOML",
     "The configuration is TOML 1.0. Nothing else of it is looked at until every file can be read.",
     "verdict = deny", "verdict = \"deny\""},
    {"CP0102", Severity::error, "a condition does not check",
     "A condition is an expression of the Common Expression Language that gives a bool, over the facets that "
     "the rule's "
     "endpoints have. `cpctl facets` lists them, `cpctl eval` tries an expression.",
     "condition = \"sql.verbs == 'drop'\"", "condition = \"'drop' in sql.verbs\""},
    {"CP0103", Severity::error, "a name that is defined nowhere",
     "A rule, profile, peer or credential refers to something that no file defines.",
     "[peer.builder]\nprofile = \"dat\"", "[peer.builder]\nprofile = \"data\""},
    {"CP0104", Severity::error, "networks or claims that contradict each other",
     "Every address has one meaning, an agent, a name or a service, and a flow belongs to one endpoint.",
     "[endpoint.a]\nhosts = [\"pg:5432\"]\n[endpoint.b]\nhosts = [\"pg:5432\"]",
     "[endpoint.a]\nhosts = [\"pg:5432\"]\n[endpoint.b]\nhosts = [\"pg-b:5432\"]"},
    {"CP0105", Severity::error, "defined twice",
     "A name is defined once, in one file; neither definition is taken.",
     "[profile.data]\n# ... and in conf.d/more.toml:\n[profile.data]",
     "[profile.data]\n# ... and in conf.d/more.toml:\n[profile.data-more]"},
    {"CP0106", Severity::error, "a key or value that is not possible here",
     "An unknown key, a value of the wrong type or beyond its bounds, something that is missing, or "
     "something that this "
     "version cannot do. clawpatrol.toml(5) lists every key.",
     "[limits]\nstatment = \"1MB\"", "[limits]\nstatement = \"1MiB\""},
    {"CP0201", Severity::warning, "a rule that can never match",
     "Rules are tried by priority, then in the order of the files, and the first that matches decides. A "
     "rule before this "
     "one matches whatever this one would, at the same endpoints and for the same actions.",
     "[[rule]]\nname = \"reads\"\ncondition = \"sql.verb in ['select', 'show']\"\nverdict = "
     "\"allow\"\n[[rule]]\nname = "
     "\"no-secrets\"\ncondition = \"sql.verb == 'select' && 'secrets' in sql.tables\"\nverdict = \"deny\"",
     "# no-secrets first, or with priority = 10"},
    {"CP0202", Severity::warning, "a comparison with a value that there is not",
     "The facet never has this value, so the comparison is always false (with `!=`, always true). The values "
     "are those of "
     "the gateway's own tables: `cpctl facets` says what each facet is.",
     "condition = \"sql.verb == 'remove'\"", "condition = \"sql.verb == 'delete'\""},
    {"CP0203", Severity::warning, "a comparison in the wrong case",
     "Verbs, classes, kinds, names of hosts and DNS names are lower case whatever was sent, and comparing is "
     "exact, so "
     "that this is always false (with `!=`, always true).",
     "condition = \"sql.verb == 'DROP'\"", "condition = \"sql.verb == 'drop'\""},
    {"CP0204", Severity::warning, "everything is allowed on an endpoint with credentials",
     "The rule allows without a condition, and the gateway logs in there with a credential that the agent "
     "could not use "
     "otherwise: whatever that user may do, the agent may. Say what is allowed.",
     "[[rule]]\nname = \"all\"\nendpoint = \"pg-prod\"\nverdict = \"allow\"",
     "[[rule]]\nname = \"reads\"\nendpoint = \"pg-prod\"\ncondition = \"action.kind == 'read'\"\nverdict = "
     "\"allow\""},
    {"CP0205", Severity::warning, "a pattern on raw text where a facet exists",
     "The same statement can be written in many ways: comments, quotes, escapes, case, a WITH in front. A "
     "pattern on its "
     "text finds some of them; the facets are of what the server will run.",
     "condition = \"sql.statement.matches('(?i)drop +table')\"", "condition = \"'drop' in sql.verbs\""},
    {"CP0206", Severity::warning, "parameters are read and literals are not, or the other way round",
     "The same value can be sent either way: as a Bind parameter, or written in the text. A rule that reads "
     "one of "
     "sql.params and sql.literals is dodged by the other.",
     "condition = \"'4711' in sql.params\"",
     "condition = \"'4711' in sql.params || '4711' in sql.literals\""},
    {"CP0207", Severity::warning, "a facet that does not exist for an action of the rule",
     "Where a condition cannot be evaluated its rule denies. This one reads a facet that actions of a type "
     "in its `on` never "
     "have, so that it denies all of them, in its own name.",
     "on = [\"statement\", \"login\"]\ncondition = \"sql.verb == 'drop'\"",
     "on = [\"statement\"]\ncondition = \"sql.verb == 'drop'\""},
    {"CP0208", Severity::warning, "a comparison with a name that is not in this policy",
     "No peer, profile, credential or endpoint of the rule has this name, so the comparison is always false "
     "(with `!=`, "
     "always true).",
     "condition = \"peer.name == 'biulder-1'\"", "condition = \"peer.name == 'builder-1'\""},
    {"CP0209", Severity::warning, "a shadow rule that is never tried",
     "A shadow rule records what it would have done when it is tried, and a rule before it decides "
     "everything that it is for: "
     "it will never record anything.",
     "[[rule]]\nname = \"all\"\nverdict = \"allow\"\n[[rule]]\nname = \"try-no-drop\"\nshadow = "
     "true\ncondition = \"sql.verb == "
     "'drop'\"\nverdict = \"deny\"",
     "# try-no-drop first, or with priority = 10"},
    {"CP0210", Severity::warning, "a rule that denies stands behind one that allows all of it",
     "Rules are tried by priority, then in the order of the files, and the first that matches decides: what "
     "this rule was "
     "written to deny is allowed.",
     "[[rule]]\nname = \"all\"\nverdict = \"allow\"\n[[rule]]\nname = \"no-drop\"\ncondition = \"sql.verb == "
     "'drop'\"\nverdict = "
     "\"deny\"",
     "# no-drop first, or with priority = 10"},
    {"CP0211", Severity::warning, "a condition that is never true",
     "It contradicts itself: two tests that cannot both hold, or a constant.",
     "condition = \"sql.verb == 'insert' && sql.verb == 'update'\"",
     "condition = \"sql.verb in ['insert', 'update']\""},
    {"CP0301", Severity::warning, "a credential that no profile lists",
     "No agent can be given it. List it in a profile, or remove it (`cpctl creds rm NAME` removes its "
     "value).",
     "[profile.data]\ncredentials = []\n[credential.reader]",
     "[profile.data]\ncredentials = [\"reader\"]\n[credential.reader]"},
    {"CP0302", Severity::warning, "an endpoint that no profile reaches",
     "No agent can dial it: a profile reaches what it lists under `endpoints`, and the endpoints of its "
     "credentials.",
     "[profile.data]\nendpoints = []\n[endpoint.pg]", "[profile.data]\nendpoints = [\"pg\"]\n[endpoint.pg]"},
    {"CP0303", Severity::warning, "an endpoint without rules",
     "defaults.unmatched is \"deny\" and no rule is for this endpoint: everything sent to it is refused.",
     "[endpoint.pg]",
     "[endpoint.pg]\n[[rule]]\nname = \"reads\"\nendpoint = \"pg\"\ncondition = \"action.kind == "
     "'read'\"\nverdict = \"allow\""},
    {"CP0304", Severity::warning, "a profile that no peer has", "What it grants is granted to nobody.",
     "[profile.data]\n[profile.dta]\n[peer.builder]\nprofile = \"data\"",
     "[profile.data]\n[peer.builder]\nprofile = \"data\""},
    {"CP0305", Severity::warning, "an interface on which nothing proves who sends",
     "Whoever can send on it can take a peer's address. That is fine on a veth or a VLAN of one agent, and "
     "not on a shared "
     "Ethernet.",
     "[peer.builder]\ninterface = \"eth1\"", "[peer.builder]\ninterface = \"wg-builders\""},
    {"CP0306", Severity::warning, "a setting that has no effect",
     "Another setting makes it mean nothing: remove one of the two.",
     "tls = \"disable\"\nca = \"file:pg.pem\"", "tls = \"disable\""},
    {"CP0307", Severity::warning, "what no rule matches is allowed",
     "defaults.unmatched is \"allow\": whatever is not forbidden passes, and what nobody has thought of too.",
     "[defaults]\nunmatched = \"allow\"", "[defaults]\nunmatched = \"deny\""},
    {"CP0308", Severity::warning, "a secret for a server that is not verified",
     "`tls = \"require\"` encrypts, and asks nobody who the server is: whoever stands on the way to it is "
     "given the secret.",
     "[endpoint.api]\ntype = \"https\"\ntls = \"require\"\n[credential.key]\ntype = \"bearer\"\nendpoint = "
     "\"api\"",
     "[endpoint.api]\ntype = \"https\"\nca = \"file:api.pem\"\n[credential.key]\ntype = "
     "\"bearer\"\nendpoint = \"api\""},
};

std::string fenced(std::string_view what, std::string_view lines) {
  return fmt::format("{}:\n\n```toml\n{}\n```\n\n", what, lines);
}

}  // namespace

std::span<const Code> all_codes() {
  return codes;
}

const Code* find_code(std::string_view code) {
  std::string upper(code);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  auto found = std::ranges::find(codes, std::string_view(upper), &Code::code);
  return found == std::end(codes) ? nullptr : &*found;
}

std::string lints_reference_markdown() {
  std::string out =
      "# What `cpctl check` says\n\n<!-- Generated from policy/lints/codes.cpp by scripts/fix; a test "
      "compares them. "
      "-->\n\nEvery problem has a code that does not change; `cpctl explain-code CODE` prints what stands "
      "here. With an error "
      "nothing is put in force; a warning is of a policy that does what it says, and perhaps not what was "
      "meant.\n";
  for (const Code& code : codes) {
    out += fmt::format("\n## {}: {}\n\n{}{}\n\n", code.code, code.title,
                       code.severity == Severity::error ? "Error. " : "", code.meaning);
    if (!code.wrong.empty()) out += fenced("Wrong", code.wrong);
    if (!code.right.empty()) out += fenced("Right", code.right);
    out.pop_back();
  }
  return out;
}

}  // namespace clawpatrol::lints
