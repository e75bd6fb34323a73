// Messages with SQL: what they come to, with the names that they use, and the verdict on them.
#include <algorithm>

#include "daemon/gateway/postgres/session.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

using sql::Effect;

bool names_statement(Effect effect) {
  return effect == Effect::prepare || effect == Effect::execute || effect == Effect::deallocate;
}

bool names_cursor(Effect effect) {
  return effect == Effect::declare_cursor || effect == Effect::fetch || effect == Effect::close_cursor;
}

// What a walsender asks before it reads a text by the grammar of replication instead of SQL's: the first
// token (repl_scanner.l). SHOW is in both, and SQL's reading of it is judged.
bool is_replication_command(std::string_view text) {
  static constexpr std::string_view commands[] = {
      "BASE_BACKUP",       "IDENTIFY_SYSTEM",         "READ_REPLICATION_SLOT",
      "START_REPLICATION", "CREATE_REPLICATION_SLOT", "DROP_REPLICATION_SLOT",
      "TIMELINE_HISTORY"};
  const std::size_t begin = std::min(text.find_first_not_of(" \t\n\r\f\v"), text.size());
  std::string word;
  for (char c : text.substr(begin)) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if ((c < 'A' || c > 'Z') && c != '_') break;
    word.push_back(c);
  }
  return std::ranges::find(commands, word) != std::end(commands);
}

}  // namespace

void Session::Message::clear() {
  parts.clear();
  rewrites.clear();
  names.clear();
  kind = ActionKind::session;
  refusal = nullptr;
  guard.clear();
  unread = may_change_settings = may_copy_in = changes_names = moves_savepoint = false;
  path = {};
}

bool Session::reading_is_certain(const sql::Statement& statement) const {
  return taint_ == 0 || !statement.reading_depends_on_settings;
}

Session::Readiness Session::examine(const sql::Analysis& analysis, Message& message, When runs) {
  message.clear();
  for (const sql::Statement& statement : analysis.statements) {
    if (!reading_is_certain(statement) && last_ready_ >= taint_) return Readiness::wait;
    if (examine_statement(statement, message, runs) == Readiness::wait) return Readiness::wait;
  }
  return Readiness::ready;
}

Session::Readiness Session::examine_statement(const sql::Statement& statement, Message& message, When runs) {
  Part& part = message.parts.emplace_back();
  part.statement = &statement;
  if (statement.reading == sql::ReadingGuard::refused)
    message.guard = "this would change how the server reads text, which no rule can allow";
  if (!reading_is_certain(statement))
    message.guard =
        "how the server reads a backslash or a letter beyond ASCII is not certain until it has answered the "
        "statements before this one: send Sync first, or put the value into a parameter";
  const bool own = statement.name.starts_with(own_prefix);
  if (own && (names_statement(statement.effect) || names_cursor(statement.effect)))
    message.refusal =
        error_of("42602", "names that begin with " + in_quotes(own_prefix) + " are the gateway's own");
  using Code = sql::MessageNames::Code;
  Readiness readiness = Readiness::ready;
  if (statement.effect == Effect::execute) readiness = find_executed(statement, message, part);
  if (statement.effect == Effect::fetch) readiness = find_fetched(statement, message, part);
  const bool makes_name = statement.effect == Effect::prepare || statement.effect == Effect::declare_cursor;
  if (makes_name && runs == When::now) readiness = check_new_name(statement, message);
  if (statement.effect == Effect::deallocate || statement.effect == Effect::close_cursor)
    readiness = find_dropped(statement, message);
  if (message.names.path_is_untold() && statement.names_by_path)
    part.merged = sql::with_unread_code(part.merged ? *part.merged : statement);
  const sql::Statement& whole = part.merged ? *part.merged : statement;
  message.unread |= statement.runs_unread_code || whole.runs_unread_code;
  message.may_change_settings |= statement.may_change_settings || whole.may_change_settings;
  message.path = sql::united(message.path, whole.path);
  message.may_copy_in |= statement.enters_copy_in;
  message.changes_names |= changes_names(statement.effect) || statement.effect == Effect::rollback_to;
  message.moves_savepoint |= moves_savepoint(statement.effect);
  message.names.after(statement, whole, message.unread ? Code::unread : Code::read);
  message.kind = std::max(message.kind, part.merged ? part.merged->kind : statement.kind);
  return readiness;
}

std::unique_ptr<Denial> Session::denial_of(const Opinion& opinion, std::uint64_t action,
                                           const sql::Analysis& analysis) const {
  auto denial = std::make_unique<Denial>(judge_.denial(opinion, action));
  // A typing mistake reads as one, unless a rule has looked and said no.
  const bool by_rule = opinion.decision.rule && !opinion.decision.unevaluable;
  if (analysis.readable == sql::Readable::syntax_error && !by_rule && opinion.guard.empty()) {
    denial->code = "42601";
    denial->message = analysis.error;
    denial->position = analysis.error_position;
    denial->hint = analysis.error_hint;
  }
  if (analysis.readable == sql::Readable::over_limit && opinion.guard.empty() && !by_rule) {
    denial->code = "54000";
    if (!analysis.error.empty())
      denial->detail = analysis.error + ", " + denial->detail;  // which limit it was
  }
  if (analysis.readable == sql::Readable::encoding && opinion.guard.empty() && !by_rule) {
    denial->code = "22021";
    denial->message = analysis.error;
  }
  return denial;
}

Session::Ruling Session::rule(ActionType type, Message& message, const sql::Analysis& analysis,
                              const ParamsPointer& params) {
  Ruling ruling;
  const Part* denied = nullptr;
  for (Part& part : message.parts) {
    part.opinion = judge_.consider(type, message.kind, *part.subject, params.get());
    ruling.awaits_params |= part.opinion.decision.awaits_params;
    if (!message.guard.empty() || message.refusal) {
      part.opinion.guard = message.refusal ? message.refusal->message : message.guard;
      part.opinion.decision.rule = nullptr;
      part.opinion.decision.reason = part.opinion.guard;
      part.opinion.allowed = part.opinion.observed = false;
    }
    const bool refused =
        !part.opinion.allowed && (!part.opinion.decision.awaits_params || !part.opinion.guard.empty());
    // The agent is told the first denial that a rule or a guard gave; that nothing allows a harmless part
    // says less.
    const bool says_more = denied != nullptr && part.opinion.decision.rule != nullptr &&
                           denied->opinion.decision.rule == nullptr && denied->opinion.guard.empty();
    if (refused && (denied == nullptr || says_more)) denied = &part;
  }
  for (const Part& part : message.parts) {
    const bool this_denied = !part.opinion.allowed && !part.opinion.decision.awaits_params;
    const ActionVerdict verdict = denied == nullptr                ? ActionVerdict::allow
                                  : this_denied || &part == denied ? ActionVerdict::deny
                                                                   : ActionVerdict::denied_with;
    const std::uint64_t action = judge_.record({.type = type,
                                                .kind = message.kind,
                                                .subject = part.subject,
                                                .params = params,
                                                .opinion = &part.opinion,
                                                .verdict = verdict,
                                                .parent = 0,
                                                .text = {}});
    if (ruling.action == 0)
      ruling.action = action;
    else
      ruling.more_actions.push_back(action);
    if (&part != denied) continue;
    // To a walsender its commands are no typing mistakes.
    static const sql::Analysis readable;
    ruling.denial = message.refusal ? std::move(message.refusal)
                                    : denial_of(part.opinion, action,
                                                type == ActionType::replication ? readable : analysis);
  }
  return ruling;
}

bool Session::on_query(const Frame& frame) {
  std::string_view text;
  std::shared_ptr<const sql::Analysis> analysis;
  if (frame.ends) {
    auto query = read_query(frame.body);
    if (!query) return protocol_error(query.error().why), true;
    text = query->text;
    analysis = judge_.analyse(text);
    if (!analysis) return false;
  } else {
    analysis = analysis_over_limit();
  }
  Message& message = scratch_;
  if (examine(*analysis, message, When::now) == Readiness::wait) return must_wait();
  for (std::size_t i = 0; i < message.parts.size(); ++i) {
    Part& part = message.parts[i];
    part.subject = part.merged ? Judge::subject(part.merged->facets) : judge_.subject(analysis, i);
  }
  const bool unreadable = analysis->readable != sql::Readable::yes;
  message.unread |= unreadable;
  message.may_copy_in |= unreadable;
  const bool command = kind_ == Kind::replication && frame.ends && is_replication_command(text);
  Ruling ruling =
      rule(command ? ActionType::replication : ActionType::statement, message, *analysis, no_params());
  if (ruling.denial) return poison(Asked::query, frame, std::move(ruling.denial), ruling.action), true;

  const std::size_t begins = up_.size();
  Expected& entry = begin(Asked::query, frame);
  if (message.changes_names || message.moves_savepoint) entry.analysis = analysis;
  entry.action = ruling.action;
  entry.more_actions = std::move(ruling.more_actions);
  entry.may_copy_in = message.may_copy_in;
  entry.changes_names = message.changes_names;
  drop_unnamed(entry);
  if (analysis->statements.empty()) {
    append_query(up_, "");  // nothing of the agent's goes up without an action: its comments stay here
  } else if (message.rewrites.empty()) {
    up_ += frame.raw;
    parts_ = Parts::forward;
  } else {
    std::string rewritten(text);
    std::ranges::sort(message.rewrites, {}, &Rewrite::offset);
    for (auto at = message.rewrites.rbegin(); at != message.rewrites.rend(); ++at)
      rewritten.replace(at->offset, at->length, in_quotes(at->name));
    append_query(up_, rewritten);
  }
  finish(entry, begins);
  forwarded(entry, message);
  return true;
}

namespace {

// Whether a parameter is declared to be of a type that is not built in: its value is made by code of its own,
// such as a domain's checks, when it is bound.
bool has_own_type(const postgres::Parse& parse) {
  constexpr std::uint32_t first_own_oid = 16384;  // FirstNormalObjectId
  Reader types(parse.types);
  for (std::uint16_t i = 0; i < parse.type_count; ++i)
    if (types.u32() >= first_own_oid) return true;
  return false;
}

std::shared_ptr<const sql::Analysis> with_own_types(const sql::Analysis& read) {
  auto opened = std::make_shared<sql::Analysis>(read);
  opened->more_than_text = true;
  for (sql::Statement& statement : opened->statements) statement = sql::with_unread_code(statement);
  return opened;
}

}  // namespace

bool Session::on_parse(const Frame& frame) {
  postgres::Parse parse;
  std::shared_ptr<const sql::Analysis> analysis;
  if (frame.ends) {
    auto read = read_parse(frame.body);
    if (!read) return protocol_error(read.error().why), true;
    parse = *read;
    analysis = judge_.analyse(parse.text);
    if (!analysis) return false;
    if (has_own_type(parse)) analysis = with_own_types(*analysis);
  } else {
    auto name = peek_parse_name(frame.body);
    if (!name) return protocol_error("Parse with a name that does not end"), true;
    parse.name = *name;
    analysis = analysis_over_limit();
  }
  if (!parse.name.empty()) {
    if (!sql_names_settled()) return must_wait();
    auto taken = find_statement(parse.name);
    if (!taken) return must_wait();
    if (*taken)
      return refuse(Asked::parse, frame, "42P05",
                    "prepared statement " + in_quotes(parse.name) + " already exists");
  }
  if (analysis->statements.size() > 1)
    return refuse(Asked::parse, frame, "42601", "cannot insert multiple commands into a prepared statement",
                  parse.name);
  Message& message = scratch_;
  if (examine(*analysis, message, When::later) == Readiness::wait) return must_wait();
  const std::size_t memory =
      parse.text.size() * 2 + parse.types.size() + parse.name.size() + analysis->memory + 1024;
  if (prepared_bytes_ + memory > limits_.prepared && parse.name.empty() && !queue_.empty())
    return must_wait();
  if (prepared_bytes_ + memory > limits_.prepared) return refuse_too_much(Asked::parse, frame, parse.name);
  for (std::size_t i = 0; i < message.parts.size(); ++i) {
    Part& part = message.parts[i];
    part.subject = part.merged ? Judge::subject(part.merged->facets) : judge_.subject(analysis, i);
  }
  Ruling ruling = rule(ActionType::statement, message, *analysis, pending_params());
  if (ruling.denial)
    return poison(Asked::parse, frame, std::move(ruling.denial), ruling.action, parse.name), true;

  auto prepared = std::make_shared<Prepared>();
  prepared->charge.take(prepared_bytes_, memory);
  if (!analysis->statements.empty()) prepared->analysis = analysis;
  prepared->upstream = parse.name.empty() ? std::string() : new_name();
  if (!message.parts.empty()) prepared->target = message.parts[0].target;
  prepared->text = prepared->analysis ? std::string(parse.text) : std::string();
  for (const Rewrite& rewrite : message.rewrites)
    prepared->text.replace(rewrite.offset, rewrite.length, in_quotes(rewrite.name));
  prepared->types = parse.types;
  prepared->type_count = parse.type_count;
  prepared->epoch = epoch_;
  prepared->path = judge_.search_path();
  prepared->generation = judge_.generation();
  prepared->awaits_params = ruling.awaits_params;
  if (!message.parts.empty() && !message.parts[0].merged) prepared->subject = message.parts[0].subject;
  prepared->action = ruling.action;
  prepared->opaque = analysis->readable != sql::Readable::yes;

  const std::size_t begins = up_.size();
  Expected& entry = begin(Asked::parse, frame);
  entry.name = parse.name;
  entry.action = ruling.action;
  if (frame.ends) {
    append_parse(up_, prepared->upstream, prepared->text, parse.type_count, parse.types);
  } else {
    append_header(up_, 'P', frame.size - header_size - parse.name.size() + prepared->upstream.size());
    up_ += prepared->upstream;
    up_ += frame.body.substr(parse.name.size());
    parts_ = Parts::forward;
  }
  finish(entry, begins);
  statements_.propose(parse.name, entry.number, batch_, std::move(prepared));
  return true;
}

}  // namespace clawpatrol::postgres
