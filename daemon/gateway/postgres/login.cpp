#include "daemon/gateway/postgres/login.h"

#include <algorithm>
#include <array>

#include "daemon/gateway/postgres/upstream_login.h"
#include "parsers/postgres/options.h"

namespace clawpatrol::postgres {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

// Settings that change how results look or how long they may take, and nothing that a rule reads. They pass
// unless a rule refuses the equal SET; any other needs a rule that allows it.
constexpr std::array<std::string_view, 20> harmless = {"application_name",
                                                       "client_encoding",
                                                       "standard_conforming_strings",
                                                       "datestyle",
                                                       "timezone",
                                                       "intervalstyle",
                                                       "extra_float_digits",
                                                       "client_min_messages",
                                                       "bytea_output",
                                                       "statement_timeout",
                                                       "lock_timeout",
                                                       "idle_in_transaction_session_timeout",
                                                       "idle_session_timeout",
                                                       "lc_messages",
                                                       "lc_monetary",
                                                       "lc_numeric",
                                                       "lc_time",
                                                       "tcp_keepalives_idle",
                                                       "tcp_keepalives_interval",
                                                       "jit"};

constexpr std::string_view protocol_option_prefix = "_pq_.";

// What the server takes for something else than a setting where it is the name of a startup parameter.
constexpr std::array<std::string_view, 4> startup_keywords = {"user", "database", "options", "replication"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

Denial fatal(std::string message, std::string detail = {}, std::string hint = {}) {
  return {
      .code = "28000", .message = std::move(message), .detail = std::move(detail), .hint = std::move(hint)};
}

sql::SearchPathPointer login_path(std::string_view value, const std::string& user) {
  sql::PathEffect effect = sql::path_from_text(value);
  if (effect.kind == sql::PathEffect::Kind::uncertain) effect.path.certain = false;
  std::ranges::replace(effect.path.schemas, sql::user_schema, user);
  return std::make_shared<const sql::SearchPath>(std::move(effect.path));
}

struct Claims {
  std::string user;
  std::string database;
  std::string replication;
  Settings settings;  // in the order in which the server would apply them
  std::vector<std::string> unknown_options;
};

std::expected<Claims, Denial> read_claims(const Startup& startup) {
  Claims claims;
  Settings own;
  for (const auto& [name, value] : startup.parameters) {
    if (name == "user")
      claims.user = value;
    else if (name == "database")
      claims.database = value;
    else if (name == "replication")
      claims.replication = value;
    else if (name.starts_with(protocol_option_prefix))
      claims.unknown_options.emplace_back(name);
    else if (name == "options") {
      auto settings = parse_options(value);
      if (!settings)
        return std::unexpected(fatal("the startup parameter \"options\" holds what the gateway cannot read",
                                     "Only -c name=value and --name=value are read."));
      claims.settings = std::move(*settings);
    } else {
      own.emplace_back(name, value);
    }
  }
  claims.settings.insert(claims.settings.end(), own.begin(), own.end());
  if (claims.user.empty())
    return std::unexpected(fatal("no PostgreSQL user name specified in startup packet"));
  return claims;
}

// What the server takes for a boolean that is true, or `database`.
std::expected<bool, Denial> wants_replication(std::string_view value) {
  const std::string text = lower(value);
  if (text.empty() || text == "false" || text == "off" || text == "no" || text == "0") return false;
  if (text == "true" || text == "on" || text == "yes" || text == "1" || text == "database") return true;
  return std::unexpected(fatal("the startup parameter \"replication\" holds what the gateway cannot read"));
}

std::uint64_t write_down(Judge& judge, ActionType type, ActionKind kind, SubjectPointer subject,
                         const Opinion& opinion, std::string_view text) {
  return judge.record({.type = type,
                       .kind = kind,
                       .subject = std::move(subject),
                       .params = nullptr,
                       .opinion = &opinion,
                       .verdict = opinion.allowed ? ActionVerdict::allow : ActionVerdict::deny,
                       .parent = 0,
                       .text = text});
}

Denial login_denial(Judge& judge, const Opinion& opinion, std::uint64_t action) {
  Denial denial = judge.denial(opinion, action);
  denial.code = "28000";
  return denial;
}

std::expected<void, Denial> judge_setting(Judge& judge, const std::string& name, const std::string& value) {
  const sql::Statement statement = sql::analyse_setting(name, value);
  SubjectPointer subject = Judge::subject(statement.facets);
  Opinion opinion = judge.consider(ActionType::statement, statement.kind, *subject, no_params().get());
  const std::string key = lower(name);
  const bool is_harmless = std::ranges::find(harmless, key) != harmless.end();
  const bool unsafe = statement.reading == sql::ReadingGuard::refused || !is_safe_report(key, value) ||
                      name.find('\0') != std::string::npos;
  const bool no_setting = std::ranges::find(startup_keywords, key) != startup_keywords.end() ||
                          key.starts_with(protocol_option_prefix);
  if (is_harmless && opinion.decision.rule == nullptr) opinion.allowed = true;
  if (unsafe) {
    opinion = {};
    opinion.guard = "\"" + name + "\" = \"" + value +
                    "\" would change how the server reads text, which no rule can allow";
    opinion.decision.reason = opinion.guard;
  }
  if (no_setting) {
    opinion = {};
    opinion.guard = "\"" + name + "\" is no setting, and cannot be given as one";
    opinion.decision.reason = opinion.guard;
  }
  if (opinion.allowed && is_harmless) return {};
  const std::uint64_t action = write_down(judge, ActionType::statement, statement.kind, subject, opinion,
                                          "startup parameter " + name + " = " + value);
  if (opinion.allowed) return {};
  return std::unexpected(login_denial(judge, opinion, action));
}

std::expected<void, Denial> judge_replication(Judge& judge) {
  SubjectPointer subject = Judge::session_subject();
  Opinion opinion = judge.consider(ActionType::replication, ActionKind::exec, *subject, nullptr);
  if (opinion.decision.rule == nullptr) opinion.allowed = false;
  const std::uint64_t action = write_down(judge, ActionType::replication, ActionKind::exec, subject, opinion,
                                          "replication connection");
  if (opinion.allowed) return {};
  return std::unexpected(judge.denial(opinion, action));  // as a server does where the role may not
}

std::expected<std::uint64_t, Denial> judge_session(Judge& judge, std::string_view text) {
  SubjectPointer subject = Judge::session_subject();
  Opinion opinion = judge.consider(ActionType::login, ActionKind::session, *subject, nullptr);
  const std::uint64_t action =
      write_down(judge, ActionType::login, ActionKind::session, subject, opinion, text);
  if (opinion.allowed) return action;
  return std::unexpected(login_denial(judge, opinion, action));
}

// Settings that passed unasked are at least written down.
std::string with_settings(const Settings& settings) {
  std::string text;
  for (const auto& [name, value] : settings) text += (text.empty() ? " with " : ", ") + name + " = " + value;
  return text;
}

Denial refuse_before_identity(Judge& judge, std::string reason, std::string_view text) {
  Opinion opinion;
  opinion.guard = reason;
  opinion.decision.reason = std::move(reason);
  const std::uint64_t action =
      write_down(judge, ActionType::login, ActionKind::session, Judge::session_subject(), opinion, text);
  return login_denial(judge, opinion, action);
}

}  // namespace

std::expected<LoginPlan, Denial> judge_login(Judge& judge, const Startup& startup, std::string_view profile,
                                             std::string_view endpoint) {
  auto claims = read_claims(startup);
  if (!claims) return std::unexpected(refuse_before_identity(judge, claims.error().message, "login"));
  auto replication = wants_replication(claims->replication);
  if (!replication)
    return std::unexpected(refuse_before_identity(judge, replication.error().message, "login"));
  const std::string text = "login of \"" + claims->user + "\" to \"" + claims->database + "\"";
  auto credential = judge.policy().select_credential(profile, endpoint, claims->user);
  if (!credential) return std::unexpected(refuse_before_identity(judge, credential.error(), text));

  const DestFacets& dest = judge.dest();
  if (*credential && !(*credential)->goes_to(dest.host, dest.port)) {
    std::string reason = "credential \"" + (*credential)->name + "\" is not for " + dest.host + ":" +
                         std::to_string(dest.port);
    return std::unexpected(refuse_before_identity(judge, std::move(reason), text));
  }

  Identity identity;
  identity.credential = *credential ? (*credential)->name : "";
  identity.user = *credential && !(*credential)->user.empty() ? (*credential)->user : claims->user;
  identity.declared_user = claims->user;
  // What the server would do for the user that it sees.
  identity.database = claims->database.empty() ? identity.user : claims->database;
  judge.become(identity);

  LoginPlan plan;
  plan.minor = std::min(startup.minor, newest_minor);
  plan.negotiate = startup.minor > newest_minor || !claims->unknown_options.empty();
  plan.unknown_options = std::move(claims->unknown_options);
  plan.replication = *replication;
  plan.parameters = {{"user", identity.user}, {"database", identity.database}};
  for (const auto& [name, value] : claims->settings) {
    auto passed = judge_setting(judge, name, value);
    if (!passed) return std::unexpected(passed.error());
    if (lower(name) == "search_path") judge.set_login_path(login_path(value, identity.user));
    if (lower(name) != "standard_conforming_strings") plan.parameters.emplace_back(name, value);
  }
  plan.parameters.emplace_back("standard_conforming_strings", "on");
  if (plan.replication) {
    auto passed = judge_replication(judge);
    if (!passed) return std::unexpected(passed.error());
    plan.parameters.emplace_back("replication",
                                 lower(claims->replication) == "database" ? "database" : "true");
  }
  auto action = judge_session(judge, text + with_settings(claims->settings));
  if (!action) return std::unexpected(action.error());
  plan.action = *action;
  return plan;
}

CancelRuling judge_cancel(Judge& judge, std::string_view text) {
  SubjectPointer subject = Judge::session_subject();
  CancelRuling ruling;
  ruling.opinion = judge.consider(ActionType::cancel, ActionKind::session, *subject, nullptr);
  ruling.allowed = ruling.opinion.allowed;
  ruling.action =
      write_down(judge, ActionType::cancel, ActionKind::session, std::move(subject), ruling.opinion, text);
  return ruling;
}

}  // namespace clawpatrol::postgres
