#include "policy/config/keys.h"

#include <fmt/format.h>

#include "policy/config/units.h"

namespace clawpatrol::config {
namespace {

constexpr std::int64_t kib = 1 << 10, mib = 1 << 20, gib = 1 << 30;
constexpr std::int64_t ms = 1'000'000, s = 1000 * ms, minute = 60 * s, day = 86400 * s;

constexpr Section sections[] = {
    {"", false, "The top of the file."},
    {"gateway", false, "The gateway itself. `clawpatrol-netd` reads this section from root-owned files."},
    {"defaults", false, "What happens where no rule and no endpoint says."},
    {"limits", false, "Past a limit the protocol's own error, or a reset, and a count."},
    {"audit", false, "The audit log."},
    {"peer", true,
     "An agent. Its keys live in state, put there by `cpctl peers add`. One without a table has the profile "
     "that it was added with (`--profile`), until a table names it: from then on the table decides, and "
     "a peer whose table is taken away reaches nothing. So does one whose profile is nowhere defined."},
    {"profile", true, "What the agents of a profile may reach, and be given."},
    {"endpoint", true, "A service behind the gateway."},
    {"credential", true, "How the gateway logs in. The secret is in the store: `cpctl creds set NAME`."},
    {"rule", false, "One `[[rule]]` for each, tried by `priority`, then in the order of the files."},
};

constexpr Key keys[] = {
    {"", "schema", Shape::integer, "required", "version of this format: 1"},

    {"gateway", "endpoint", Shape::string, "", "what agents dial: `host:port`"},
    {"gateway", "subnet", Shape::prefixes, "",
     "inner addresses of peers; the first of each is the gateway's own"},
    {"gateway", "virtual", Shape::prefixes, "`[\"198.18.0.0/16\", \"fd86:0:0:1::/64\"]`",
     "addresses that the resolver gives to endpoint names"},
    {"gateway", "interface", Shape::string, "`\"wg-cp0\"`", "the WireGuard interface that the gateway owns"},
    {"gateway", "ingress", Shape::strings, "`[]`",
     "further interfaces whose traffic is steered; one that is also `interface` is a WireGuard that the "
     "operator makes, such as wireguard-go's"},
    {"gateway", "mode", Shape::choice, "`\"enforce\"`",
     "`observe` decides and records, and lets statements and requests pass that a rule or `unmatched` would "
     "refuse, but for requests that would be given a credential",
     "enforce|observe"},
    {"gateway", "metrics", Shape::string, "",
     "`127.0.0.1:PORT` or `[::1]:PORT`, where Prometheus finds the metrics (as `cpctl metrics` prints them); "
     "takes effect when "
     "`clawpatrold` starts"},

    {"defaults", "unmatched", Shape::choice, "`\"deny\"`", "no rule of a claimed endpoint matched",
     "deny|allow"},
    {"defaults", "unknown_host", Shape::choice, "`\"deny\"`", "no endpoint claims the flow",
     "deny|passthrough"},
    {"defaults", "passthrough_networks", Shape::prefixes, "`[]`",
     "special-use networks that `passthrough` may reach all the same"},
    {"defaults",
     "approval_timeout",
     Shape::duration,
     "`\"10m\"`",
     "how long an approval is waited for",
     {},
     s,
     day},

    {"limits",
     "body_inspect",
     Shape::size,
     "",
     "what a rule can see of one request; the rest streams",
     {},
     0,
     64 * mib,
     &LimitsConfig::body_inspect},
    {"limits",
     "statement",
     Shape::size,
     "",
     "a longer statement is not analysed, nor one of more than 32768 tokens (words, numbers, signs), which "
     "no key "
     "changes: its facets are unknown",
     {},
     kib,
     16 * mib,
     &LimitsConfig::statement},
    {"limits",
     "statements",
     Shape::count,
     "",
     "a message with more is not analysed",
     {},
     1,
     10'000,
     &LimitsConfig::statements},
    {"limits", "connections", Shape::count, "", "in all", {}, 1, 1'000'000, &LimitsConfig::connections},
    {"limits",
     "connections_per_peer",
     Shape::count,
     "",
     "of one peer",
     {},
     1,
     1'000'000,
     &LimitsConfig::connections_per_peer},
    {"limits",
     "upstream_per_peer",
     Shape::count,
     "",
     "logged in at one endpoint for one peer, so that a peer leaves the server's connections to others",
     {},
     1,
     1'000'000,
     &LimitsConfig::upstream_per_peer},
    {"limits",
     "upstream_wait",
     Shape::duration,
     "",
     "an HTTP request of a peer that has `upstream_per_peer` connections waits for one of them, in turn, at "
     "most so long, and 1000 of them at most; past it the answer is 503",
     {},
     0,
     10 * minute,
     &LimitsConfig::upstream_wait},
    {"limits",
     "buffer",
     Shape::size,
     "",
     "held for one connection, or one request of HTTP/2, in each direction",
     {},
     16 * kib,
     64 * mib,
     &LimitsConfig::buffer},
    {"limits",
     "prepared",
     Shape::size,
     "",
     "prepared statements and portals of one connection",
     {},
     64 * kib,
     gib,
     &LimitsConfig::prepared},
    {"limits",
     "in_flight",
     Shape::count,
     "",
     "messages of one connection sent upstream and not answered",
     {},
     1,
     1'000'000,
     &LimitsConfig::in_flight},
    {"limits",
     "handshake",
     Shape::duration,
     "",
     "from accept to logged in",
     {},
     s,
     10 * minute,
     &LimitsConfig::handshake},
    {"limits",
     "connect",
     Shape::duration,
     "",
     "to an upstream",
     {},
     100 * ms,
     5 * minute,
     &LimitsConfig::connect},
    {"limits",
     "idle",
     Shape::duration,
     "",
     "a logged-in connection, or an HTTP exchange, without a byte, unless a login's agent waits for an "
     "answer; "
     "`\"0s\"`: no limit, TCP keepalive",
     {},
     0,
     365 * day,
     &LimitsConfig::idle},
    {"limits",
     "keep_alive",
     Shape::duration,
     "",
     "an agent's HTTP connection between two requests",
     {},
     s,
     day,
     &LimitsConfig::keep_alive},
    {"limits",
     "body_wait",
     Shape::duration,
     "",
     "a request is held for this long until as much of its body is here as a rule asks for; past it what the "
     "rule reads is unknown",
     {},
     100 * ms,
     10 * minute,
     &LimitsConfig::body_wait},
    {"limits",
     "response_wait",
     Shape::duration,
     "",
     "for the head of an HTTP response, from the last byte that went to the server; past it the answer is "
     "504. The longest of the usual long polls takes ten minutes",
     {},
     100 * ms,
     day,
     &LimitsConfig::response_wait},
    {"limits",
     "drain_timeout",
     Shape::duration,
     "",
     "when `clawpatrold` stops or is started anew, connections have this long to end by themselves "
     "(PostgreSQL sessions that rest between transactions are ended at once); then each is ended with its "
     "protocol's own farewell",
     {},
     0,
     60 * minute,
     &LimitsConfig::drain_timeout},
    {"limits",
     "dns_queries_per_second",
     Shape::count,
     "",
     "of one peer, that leave the gateway",
     {},
     1,
     100'000,
     &LimitsConfig::dns_queries_per_second},
    {"limits",
     "workers",
     Shape::count,
     "",
     "threads; 0: one per core, at most 16",
     {},
     0,
     16,
     &LimitsConfig::workers},

    {"audit", "sync", Shape::choice, "`\"changes\"`",
     "what is on disk before it goes upstream: `changes`: writes, admin and exec (reads survive our crash); "
     "`all`; "
     "`none`",
     "changes|all|none"},
    {"audit",
     "segment",
     Shape::size,
     "",
     "a file is closed and the next begun past this",
     {},
     mib,
     16 * gib,
     &AuditConfig::segment},
    {"audit",
     "keep",
     Shape::size,
     "",
     "kept in all, or a quarter of the disk if that is less; the oldest segments are removed first, and none "
     "that "
     "`keep_for` protects",
     {},
     mib,
     1024 * gib,
     &AuditConfig::keep},
    {"audit",
     "keep_for",
     Shape::duration,
     "",
     "no segment with a younger line is removed. Each peer has an equal share of `keep` in this time: where "
     "`keep` is reached all the same, peers that have used up theirs are denied, and the others go on (to "
     "about three times `keep` at most) until the disk is at `reserve`; `\"0s\"`: the oldest go, however "
     "young",
     {},
     0,
     365 * day,
     &AuditConfig::keep_for},
    {"audit",
     "reserve",
     Shape::size,
     "",
     "free on the disk below which there is a warning; and where `keep` is passed, everything is denied",
     {},
     0,
     1024 * gib,
     &AuditConfig::reserve},
    {"audit",
     "peer_bytes_per_second",
     Shape::size,
     "",
     "of one peer, four seconds' worth at once; past it that peer alone is denied",
     {},
     kib,
     gib,
     &AuditConfig::peer_bytes_per_second},

    {"peer", "profile", Shape::string, "required", "name of its profile"},
    {"peer", "interface", Shape::string, "the gateway's own", "the interface that it comes in by"},
    {"peer", "addresses", Shape::addresses, "",
     "its addresses; required on an `ingress` interface, and only there"},
    {"peer", "labels", Shape::labels, "`{}`", "the facet `peer.labels`"},

    {"profile", "credentials", Shape::strings, "`[]`", "what its agents may be given"},
    {"profile", "endpoints", Shape::strings, "`[]`", "endpoints that need no credential"},

    {"endpoint", "type", Shape::choice, "required", "the protocol", "postgres|http|https|kubernetes"},
    {"endpoint", "hosts", Shape::hosts, "required",
     "`host:port`, `address:port` or `*.suffix:port`; names are absolute; the port may be left out for the "
     "protocol's own "
     "(postgres: 5432, http: 80, https and kubernetes: 443)"},
    {"endpoint", "tls", Shape::choice, "`\"verify-full\"`",
     "what is demanded of the upstream: its certificate and its name, its certificate alone, encryption "
     "alone, nothing",
     "verify-full|verify-ca|require|disable"},
    {"endpoint", "ca", Shape::file, "the system's",
     "`file:NAME`, certificates in PEM that vouch for the upstream"},
    {"endpoint", "agent_login", Shape::choice, "`\"trust\"`",
     "postgres: what an agent, whom the tunnel has proved, is asked for besides. `scram`: a password that is "
     "no secret, the name of the credential (or, without one, of the endpoint) in double braces, such as "
     "`{{pg-reader}}`; with it clients that demand channel binding work",
     "trust|scram"},
    {"endpoint", "safe_functions", Shape::strings, "`[]`",
     "the operator vouches for these: they do not make lists open"},
    {"endpoint", "lenient_paths", Shape::boolean, "`false`",
     "http, https, kubernetes: a path with two readings (encoded slash, backslash, empty segment, `;`) is "
     "judged "
     "and not refused"},
    {"endpoint", "networks", Shape::prefixes, "`[]`",
     "special-use networks that its wildcard hosts may reach"},

    {"credential", "type", Shape::choice, "required",
     "`postgres`, or how an http, https or kubernetes endpoint is told: `bearer` and the vendors' own "
     "(`anthropic`, `openai`, `gemini`), `basic`, a `header`, `cookie` or `query` parameter by `name`, a "
     "client "
     "certificate (`mtls`), an AWS signature (`aws`), or tokens that the gateway gets (`oauth2`, "
     "`github_app`)",
     "postgres|bearer|basic|header|cookie|query|mtls|aws|oauth2|github_app|anthropic|openai|gemini"},
    {"credential", "endpoint", Shape::string, "required", "where it is used"},
    {"credential", "user", Shape::string, "",
     "postgres: the user that the gateway logs in as (required); basic: the user, where the stored value is "
     "the password alone and not `user:password`"},
    {"credential", "hosts", Shape::hosts, "the endpoint's",
     "exact hosts that it may be sent to; required where the endpoint has a wildcard"},
    {"credential", "name", Shape::string, "",
     "header, cookie, query: the name of the field, cookie or key (required)"},
    {"credential", "prefix", Shape::string, "the type's",
     "what stands before the secret in a header, such as `\"Token \"`"},
    {"credential", "at", Shape::string, "the type's",
     "bearer, oauth2, github_app, anthropic, openai, gemini: the one place for it, if not the usual one: "
     "`header:NAME`, `basic` (in place of the password), `query:KEY`, `cookie:NAME`, or `json:/POINTER` into "
     "the body"},
    {"credential", "inject", Shape::choice, "`\"slot\"`",
     "`slot`: whatever the agent sent at that place is replaced; `placeholder`: only requests that hold its "
     "placeholder there get it, which is all that `json:` can do. A placeholder chooses in both",
     "slot|placeholder"},
    {"credential", "placeholder", Shape::string, "`{{NAME}}`",
     "what agents send in place of the secret, such as one that looks like it; 8 to 128 letters, digits, "
     "`-`, "
     "`_`, `.`, `{` and `}`"},
    {"credential", "env", Shape::strings, "the type's",
     "variables that `/env.sh` sets to the placeholder (aws: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`; "
     "github_app: `GITHUB_TOKEN`, `GH_TOKEN`; anthropic: `ANTHROPIC_API_KEY`; openai: `OPENAI_API_KEY`; "
     "gemini: `GEMINI_API_KEY`, `GOOGLE_API_KEY`)"},
    {"credential", "url", Shape::string, "",
     "oauth2: the https URL that gives tokens (required); github_app: that of the API, "
     "`https://api.github.com` where none is given"},
    {"credential", "ca", Shape::file, "the system's",
     "oauth2, github_app: `file:NAME`, certificates in PEM that vouch for the server of `url`"},
    {"credential", "client_id", Shape::string, "", "oauth2, github_app: of the client or the app (required)"},
    {"credential", "installation_id", Shape::string, "", "github_app: the installation (required)"},
    {"credential", "grant", Shape::choice, "`\"client_credentials\"`", "oauth2: what is shown for a token",
     "client_credentials|refresh_token"},
    {"credential", "client_auth", Shape::choice, "`\"basic\"`",
     "oauth2: how the client shows its secret: in the `Authorization` field (`basic`), or as `client_secret` "
     "in "
     "the body",
     "basic|body"},
    {"credential", "scopes", Shape::strings, "`[]`", "oauth2: that are asked for"},
    {"credential", "audience", Shape::string, "", "oauth2: that is asked for"},

    {"rule", "name", Shape::string, "required", "unique; it stands in errors and in the audit log"},
    {"rule", "endpoint", Shape::string, "", "the endpoint that it is for"},
    {"rule", "endpoints", Shape::strings, "",
     "or several; neither only where `on` is of `dns` and `connect`, for what no endpoint claims"},
    {"rule", "on", Shape::choices, "`[\"statement\", \"request\"]`", "the actions that it sees",
     "statement|request|login|cancel|function_call|replication|dns|connect|message"},
    {"rule", "priority", Shape::integer, "`0`", "higher first"},
    {"rule", "condition", Shape::string, "always",
     "CEL over the facets that `cpctl facets` lists, of type bool"},
    {"rule", "verdict", Shape::choice, "", "`allow` or `deny`; required unless there is `approve`",
     "allow|deny"},
    {"rule", "approve", Shape::strings, "",
     "instead of `verdict`: who is asked (this version has nobody to ask)"},
    {"rule", "reason", Shape::string, "", "what the agent is told"},
    {"rule", "shadow", Shape::boolean, "`false`", "record what it would have done, go on to the next rule"},
};

struct DefaultText {
  Shape shape;
  std::string operator()(std::monostate) const { return {}; }
  std::string operator()(std::chrono::nanoseconds LimitsConfig::* member) const {
    return duration_text(LimitsConfig{}.*member);
  }
  std::string operator()(std::size_t LimitsConfig::* member) const { return number(LimitsConfig{}.*member); }
  std::string operator()(std::chrono::nanoseconds AuditConfig::* member) const {
    return duration_text(AuditConfig{}.*member);
  }
  std::string operator()(std::size_t AuditConfig::* member) const { return number(AuditConfig{}.*member); }

  std::string number(std::size_t value) const {
    return shape == Shape::size ? size_text(value) : fmt::format("{}", value);
  }
};

}  // namespace

std::span<const Section> all_sections() {
  return sections;
}
std::span<const Key> all_keys() {
  return keys;
}

const Key* find_key(std::string_view section, std::string_view name) {
  for (const Key& key : keys) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

std::vector<std::string_view> key_names(std::string_view section) {
  std::vector<std::string_view> names;
  for (const Key& key : keys) {
    if (key.section == section) names.push_back(key.name);
  }
  return names;
}

std::vector<std::string_view> choices_of(const Key& key) {
  std::vector<std::string_view> choices;
  for (std::string_view rest = key.choices; !rest.empty();) {
    std::size_t bar = rest.find('|');
    choices.push_back(rest.substr(0, bar));
    rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
  }
  return choices;
}

std::string default_of(const Key& key) {
  if (std::holds_alternative<std::monostate>(key.member)) return std::string(key.fallback);
  std::string text = std::visit(DefaultText{key.shape}, key.member);
  return key.shape == Shape::count ? fmt::format("`{}`", text) : fmt::format("`\"{}\"`", text);
}

}  // namespace clawpatrol::config
