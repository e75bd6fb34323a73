// One generation of the operator's configuration: immutable once loaded. The contract is docs/config.md.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parsers/facets.h"
#include "policy/address.h"
#include "policy/cel/program.h"
#include "policy/config/diagnostics.h"
#include "policy/credential.h"
#include "policy/dispatch.h"
#include "policy/sql/analysis.h"

namespace clawpatrol {

enum class Mode : std::uint8_t { enforce, observe };
enum class UnknownHost : std::uint8_t { deny, passthrough };
enum class Unmatched : std::uint8_t { deny, allow };
enum class AuditSync : std::uint8_t { changes, all, none };
enum class UpstreamTls : std::uint8_t { verify_full, verify_ca, require, disable };
enum class AgentLogin : std::uint8_t { trust, scram };
enum class EndpointType : std::uint8_t { postgres, http, https, kubernetes };
std::string_view name_of(EndpointType type);
std::uint16_t default_port(EndpointType type);
std::vector<FacetFamily> families_of(EndpointType type);  // what its actions have beside FacetFamily::every

struct GatewayConfig {
  std::string endpoint;          // what agents dial: host:port
  std::vector<Prefix> subnet;    // inner addresses of peers; the first address of each is the gateway's own
  std::vector<Prefix> virtual_;  // addresses that the resolver gives to endpoint names
  std::string interface = "wg-cp0";
  std::vector<std::string> ingress;
  Mode mode = Mode::enforce;
  std::string metrics = {};  // host:port on loopback; "": nowhere
};

struct LimitsConfig {
  std::size_t body_inspect = 1 << 20;
  std::size_t statement = 256 << 10;
  std::size_t statements = 100;    // in one message
  std::size_t connections = 4096;  // in all
  std::size_t connections_per_peer = 512;
  std::size_t upstream_per_peer = 64;  // logged in, or about to be, of one peer at one endpoint
  std::chrono::nanoseconds upstream_wait = std::chrono::seconds(30);  // for one of those, of an HTTP request
  std::size_t buffer = 256 << 10;  // bytes held for one connection, each direction
  std::size_t prepared = 4 << 20;  // bytes of prepared statements and portals of one connection
  std::size_t in_flight = 4096;    // messages sent upstream and not answered, of one connection
  std::chrono::nanoseconds handshake = std::chrono::seconds(30);     // from accept to logged in
  std::chrono::nanoseconds connect = std::chrono::seconds(10);       // to an upstream
  std::chrono::nanoseconds idle = std::chrono::nanoseconds::zero();  // zero: none, TCP keepalive instead
  std::chrono::nanoseconds keep_alive =
      std::chrono::minutes(2);  // of an agent's connection without a request
  std::chrono::nanoseconds body_wait = std::chrono::seconds(30);      // for a body that a rule reads
  std::chrono::nanoseconds response_wait = std::chrono::minutes(15);  // for the head of a response
  std::chrono::nanoseconds drain_timeout =
      std::chrono::seconds(10);             // connections may end by themselves when the gateway stops
  std::size_t dns_queries_per_second = 50;  // of one peer, that leave the gateway
  std::size_t workers = 0;                  // zero: one per core, at most 16
};

struct AuditConfig {
  AuditSync sync = AuditSync::changes;
  std::size_t segment = 64 << 20;           // a file is closed and the next begun past this
  std::size_t keep = std::size_t{8} << 30;  // bytes kept in all; the oldest segments are removed first
  std::chrono::nanoseconds keep_for = std::chrono::hours(24);  // no segment with a younger line is removed
  std::size_t reserve = 64 << 20;  // free bytes on the disk below which there is a warning
  std::size_t peer_bytes_per_second = 32 << 20;
};

struct PeerConfig {
  std::string name;
  std::string profile;
  std::string interface;           // "": the gateway's own
  std::vector<Address> addresses;  // only with `interface`
  std::map<std::string, std::string> labels;
};

struct ProfileConfig {
  std::string name;
  std::vector<std::string> credentials;
  std::vector<std::string> endpoints;
};

struct HostPort {
  std::string host;  // lower case, no trailing dot; or a literal address in canonical form
  std::uint16_t port = 0;
  bool wildcard = false;           // host is the suffix after "*."
  std::optional<Address> address;  // when it is a literal
  bool operator==(const HostPort&) const = default;
};

struct EndpointConfig {
  std::string name;
  EndpointType type = EndpointType::postgres;
  std::vector<HostPort> hosts;
  UpstreamTls tls = UpstreamTls::verify_full;
  std::string ca;
  AgentLogin agent_login = AgentLogin::trust;  // postgres
  std::vector<std::string> safe_functions;
  std::vector<Prefix> networks;
  bool lenient_paths = false;  // http: a path with two readings is judged and not refused
  sql::Options sql;  // ready for the analyser: limits, safe functions and what the endpoint's rules ask for
};

struct CredentialConfig {
  std::string name;
  CredentialType type = CredentialType::postgres;
  std::string endpoint;
  std::string user;             // of postgres and basic
  std::vector<HostPort> hosts;  // exact; never empty where the endpoint has a wildcard host

  // Of HTTP:
  SecretPlace place;
  std::string prefix;  // before the secret, where the place is a header
  Injection injection = Injection::slot;
  std::string placeholder;             // what stands for the secret in a request; "": nothing can (mtls)
  std::vector<std::string> variables;  // of the environment, that tools read it from
  std::optional<TokenSource> tokens;   // oauth2, github_app

  // Whether it may be sent to this host: to be asked again at injection (attacks.md, 17).
  bool goes_to(std::string_view host, std::uint16_t port) const;
};

enum class Verdict : std::uint8_t { allow, deny };

struct Rule {
  std::string name;
  std::vector<std::string> endpoints;  // empty: actions that no endpoint claims (`dns`, `connect`)
  std::vector<ActionType> on;          // never empty
  std::int64_t priority = 0;
  std::optional<cel::Condition> condition;  // none: always
  std::optional<Verdict> verdict;           // none: approve
  std::vector<std::string> approve;
  std::string reason;
  bool shadow = false;
  Place place;  // where it stands
};

class Policy {
 public:
  std::uint64_t generation = 0;  // given by the daemon at load; 0 for a policy that is only checked
  std::string digest;            // SHA-256 of the files, hexadecimal
  GatewayConfig gateway;
  Unmatched unmatched = Unmatched::deny;
  UnknownHost unknown_host = UnknownHost::deny;
  std::chrono::nanoseconds approval_timeout = std::chrono::minutes(10);
  std::vector<Prefix> passthrough_networks;
  LimitsConfig limits;
  AuditConfig audit;
  std::map<std::string, PeerConfig, std::less<>> peers;
  std::map<std::string, ProfileConfig, std::less<>> profiles;
  std::map<std::string, EndpointConfig, std::less<>> endpoints;
  std::map<std::string, CredentialConfig, std::less<>> credentials;
  std::vector<Rule> rules;  // by priority, then file order

  // The rules of an endpoint in the order in which they are tried. Empty for an unknown endpoint.
  const std::vector<const Rule*>& rules_of(std::string_view endpoint) const;

  // Whether any rule of the endpoint sees actions of this type.
  bool sees(std::string_view endpoint, ActionType type) const;

  // Whether decide() says of this type of action at this endpoint the same as long as its facets are the
  // same, whatever the parameters and the time.
  bool decides_by_facets_alone(std::string_view endpoint, ActionType type) const;

  // Whether a rule of this endpoint, a shadow rule too, asks such actions for this facet: what no rule asks
  // for need not be made, but for the audit log.
  bool reads(std::string_view endpoint, ActionType type, FacetId facet) const;
  bool reads(std::string_view endpoint, FacetId facet) const;  // of any type

  // Which endpoint claims host (a name, or an address in text form) and port, for a profile that may reach
  // it; null: none. Exact beats wildcard, the longest suffix wins.
  const EndpointConfig* claim(std::string_view host, std::uint16_t port, std::string_view profile) const;

  // Whether a profile may reach an endpoint: it is listed, or one of the profile's credentials is for it.
  bool reaches(std::string_view profile, std::string_view endpoint) const;

  // The credential for a login: one of the profile's for this endpoint, selected by name or user when
  // `declared` equals one, else the only one. The error names the candidates and says what to do. A value of
  // null means the endpoint is listed without credential.
  std::expected<const CredentialConfig*, std::string> select_credential(std::string_view profile,
                                                                        std::string_view endpoint,
                                                                        std::string_view declared) const;

 private:
  friend class PolicyLoader;
  friend struct Decider;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class Value>
  using ByText = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  struct RuleIndex {
    std::vector<const Rule*> all;
    std::array<RuleDispatch, action_types> by_type;  // by ActionType
    std::array<bool, action_types> read_more{};      // some rule of the type reads parameters or the time
    std::array<std::bitset<static_cast<std::size_t>(FacetId::count)>, action_types> reads;
  };

  static void add_types(RuleIndex& index);
  // Sorts the rules and builds what is below; nothing that it points into may change afterwards.
  void index();
  void sort_rules();

  ByText<RuleIndex> by_endpoint_;
  RuleIndex unclaimed_;
  ByText<std::vector<const EndpointConfig*>> exact_claims_;     // by "host:port"
  ByText<std::vector<const EndpointConfig*>> wildcard_claims_;  // by "suffix:port"
};

struct LoadResult {
  std::shared_ptr<Policy> policy;  // null when any diagnostic is an error
  Diagnostics diagnostics;
};

// What the policy is for. `serve` refuses, with an error, every endpoint that this gateway cannot serve as it
// is written: by its type, or its TLS. `judge` takes it all, to decide actions that are given: `cpctl test`.
enum class LoadFor : std::uint8_t { serve, judge };

// Reads PATH (a file, or a directory that holds clawpatrol.toml) and its conf.d/*.toml. Never throws.
LoadResult load_policy(const std::filesystem::path& path, LoadFor use = LoadFor::serve);
// The same from text, as if it were the one file `name`: for tests and fuzzing.
LoadResult load_policy_text(std::string_view text, std::string_view name = "clawpatrol.toml",
                            LoadFor use = LoadFor::serve);

// What a peer's environment says in place of secrets: variable and placeholder, for `/env.sh`. Where two
// credentials of the profile would be exported under one name, the first that the profile lists is.
struct EnvironmentVariable {
  std::string name;
  std::string placeholder;
};
std::vector<EnvironmentVariable> environment_of(const Policy& policy, std::string_view profile);

// What happened to each rule that was tried, for `cpctl explain`.
struct Tried {
  const Rule* rule = nullptr;
  cel::Truth truth = cel::Truth::no;
  std::string cause;  // when unevaluable
};

struct Decision {
  Verdict verdict = Verdict::deny;
  const Rule* rule = nullptr;  // null: no rule matched, and the default of the action's type decided
  bool unevaluable = false;
  // What the agent is told of a denial: the rule's reason (or `denied by rule "NAME"`), or
  // `rule "NAME" could not be evaluated against this request (CAUSE); failing closed`, or
  // `no rule allows this`. Empty when allowed.
  std::string reason;
  // Undecided only because sql.params is pending: the verdict is deny, so who does not know this flag is
  // safe; who does may forward the Parse, and decides again at each Bind.
  bool awaits_params = false;
  std::vector<const Rule*> shadow_matches;      // shadow rules that would have decided
  std::vector<const Rule*> shadow_unevaluable;  // shadow rules that would have denied for want of a value
  std::vector<Tried> tried;                     // filled by explain() only
};

// Decides an action by the rules of its endpoint. Pure, thread-safe; does not allocate when a rule without
// shadow allows. `mode = "observe"` is the caller's concern: this says what the rules say.
//
// Where no rule matches: `unmatched` for a statement or request and for a connect to a claimed endpoint; deny
// for function_call and replication, which pass only by a rule that names them; allow for login and cancel,
// whose identity and binding the caller has checked before it asks (attacks.md, 8 and 10), and for a message,
// whose connection a rule has allowed to upgrade; `unknown_host` for a dns or connect that no endpoint
// claims.
Decision decide(const Policy& policy, const Action& action);

// The same decision, with every rule that was tried.
Decision explain(const Policy& policy, const Action& action);

}  // namespace clawpatrol
