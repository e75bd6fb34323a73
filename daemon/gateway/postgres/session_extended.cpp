// Bind, Describe, Execute, Close and FunctionCall.
#include <algorithm>

#include "daemon/gateway/postgres/params.h"
#include "daemon/gateway/postgres/session.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

std::string no_statement(std::string_view name) {
  if (name.empty()) return "unnamed prepared statement does not exist";
  return "prepared statement " + in_quotes(name) + " does not exist";
}

std::string no_portal(std::string_view name) {
  return "portal " + in_quotes(name) + " does not exist";
}

constexpr std::string_view uncertain_name =
    "what this name stands for is not certain after code that the gateway has not read";

bool runs_by_name(const Prepared& prepared) {
  return prepared.effect() == sql::Effect::execute || prepared.effect() == sql::Effect::fetch;
}

}  // namespace

std::optional<std::shared_ptr<Prepared>> Session::find_statement(std::string_view name) {
  return statements_.find(name, batch_);
}

std::optional<std::shared_ptr<Portal>> Session::find_portal(std::string_view name) {
  return portals_.find(name, batch_);
}

// Code that was not read may have dropped a statement and made another of its name.
bool Session::needs_parse(std::string_view name, const Prepared& statement) const {
  return !name.empty() && !statement.by_sql && statement.epoch != epoch_;
}

// To parse a text again is to have it read again, by the settings of then.
bool Session::may_be_parsed_later(std::string_view name, const Prepared& statement) const {
  return needs_parse(name, statement) && statement.analysis && !reading_is_certain(*statement.statement()) &&
         last_ready_ >= taint_;
}

// It gets a name that no code has seen, before it is used again. Null: it cannot.
std::shared_ptr<Prepared> Session::parse_again(std::string_view name,
                                               const std::shared_ptr<Prepared>& statement) {
  if (!needs_parse(name, *statement)) return statement;
  if (statement->text.empty() && statement->analysis) return nullptr;  // too long to have been kept
  if (statement->analysis && !reading_is_certain(*statement->statement())) return nullptr;
  const std::size_t memory = statement->text.size() * 2 + 1024;  // the analysis is charged where it was made
  if (prepared_bytes_ + memory > limits_.prepared) return nullptr;
  auto again = std::make_shared<Prepared>();
  again->charge.take(prepared_bytes_, memory);
  again->analysis = statement->analysis;
  again->index = statement->index;
  again->target = statement->target;
  again->text = statement->text;
  again->types = statement->types;
  again->type_count = statement->type_count;
  again->described = statement->described;
  again->generation = statement->generation;
  again->awaits_params = statement->awaits_params;
  again->subject = statement->subject;
  again->action = statement->action;
  again->opaque = statement->opaque;
  again->path = statement->path;
  again->epoch = epoch_;
  again->upstream = new_name();

  const Frame ours;
  std::size_t begins = up_.size();
  Expected& close = begin(Asked::close_statement, ours);
  close.hidden = true;
  append_close(up_, Target::statement, statement->upstream);
  finish(close, begins);
  begins = up_.size();
  Expected& parse = begin(Asked::parse, ours);
  parse.hidden = true;
  parse.name = name;
  append_parse(up_, again->upstream, again->text, again->type_count, again->types);
  finish(parse, begins);
  statements_.propose(name, parse.number, batch_, again);
  return again;
}

// EXECUTE and FETCH are what they name now, not what they named when they were parsed. `message` keeps the
// merged statement.
Session::Runs Session::what_runs(const Prepared& prepared, std::uint64_t epoch, Message& message) {
  message.clear();
  Runs runs{.statement = prepared.statement()};
  if (runs.statement == nullptr) return runs;
  runs.certain = epoch == epoch_;
  if (!runs_by_name(prepared)) return runs;
  runs.readiness = examine_statement(*runs.statement, message, When::now);
  if (runs.readiness == Readiness::wait) return runs;
  const Part& part = message.parts[0];
  if (part.target != prepared.target || !part.target) runs.certain = false;
  if (part.merged) runs.statement = &*part.merged;
  return runs;
}

bool Session::refuse_too_much(Asked asked, const Frame& frame, std::string_view unnamed) {
  auto [denial, action] =
      judge_.refuse("too many prepared statements", "54000",
                    "the gateway holds as many prepared statements and portals as it may for a connection");
  poison(asked, frame, std::make_unique<Denial>(std::move(denial)), action, unnamed);
  return true;
}

// What a rule sees of it.
SubjectPointer Session::subject_of(Prepared& prepared, const Runs& runs) {
  if (!runs.certain) return Judge::subject(sql::with_unknown_target(*runs.statement).facets);
  if (runs.statement != prepared.statement()) return Judge::subject(runs.statement->facets);
  if (!prepared.subject) prepared.subject = judge_.subject(prepared.analysis, prepared.index);
  return prepared.subject;
}

Expected& Session::forward_describe(const std::shared_ptr<Prepared>& statement, const Frame& frame) {
  const std::size_t begins = up_.size();
  Expected& entry = begin(Asked::describe_statement, frame);
  entry.statement = statement;
  statement->described_by = entry.number;
  append_describe(up_, Target::statement, statement->upstream);
  finish(entry, begins);
  return entry;
}

// The types of parameters, where their Parse left them to the server and a rule reads the values: the server
// is asked, unless the agent has done so. Most clients that send such values in binary form have; those that
// send all in one batch must know the types otherwise, and cannot have told us. Where the answer is an error,
// it is the one that a Bind would have met.
Session::Readiness Session::find_types(std::string_view name, const std::shared_ptr<Prepared>& prepared,
                                       const Runs& runs) {
  if (runs.statement == nullptr || prepared->described != Prepared::Described::no) return Readiness::ready;
  const SubjectPointer subject = subject_of(*prepared, runs);
  const Opinion opinion =
      judge_.consider(ActionType::statement, runs.statement->kind, *subject, pending_params().get());
  if (!opinion.decision.awaits_params) return Readiness::ready;
  if (prepared->described_by >= queue_.oldest()) return Readiness::wait;
  const auto parsed = parse_again(name, prepared);
  if (!parsed) return Readiness::ready;
  forward_describe(parsed, Frame()).hidden = true;
  return Readiness::wait;
}

bool Session::on_bind(const Frame& frame) {
  BindNames names;
  postgres::Bind bind;
  if (frame.ends) {
    auto read = read_bind(frame.body);
    if (!read) return protocol_error(read.error().why), true;
    bind = *read;
    names = {bind.portal, bind.statement};
  } else {
    auto read = peek_bind_names(frame.body);
    if (!read) return protocol_error("Bind with names that do not end"), true;
    names = *read;
  }
  const bool named = !names.portal.empty() || !names.statement.empty();
  if (named && !sql_names_settled()) return must_wait();
  auto found = find_statement(names.statement);
  auto portal_found = find_portal(names.portal);
  if (!found || (!names.portal.empty() && !portal_found)) return must_wait();
  if (!*found) return refuse(Asked::bind, frame, "26000", no_statement(names.statement));
  // It may end with the transaction that a Sync on its way ends.
  const bool taken = !names.portal.empty() && *portal_found;
  if (taken && !(*portal_found)->outlives_transaction && last_ready_ >= queue_.oldest()) return must_wait();
  if (taken)
    return refuse(Asked::bind, frame, "42P03", "cursor " + in_quotes(names.portal) + " already exists");
  const std::size_t memory =
      bind.values.raw().size() * 2 + bind.values.count() * sizeof(SqlParams::Value::value_type) +
      std::min(bind.values.raw().size(), longest_params) * 6 + names.portal.size() + 1024;
  if (prepared_bytes_ + memory > limits_.prepared) {
    // Portals without a name replace each other, as soon as the server has answered.
    if (names.portal.empty() && !queue_.empty()) return must_wait();
    return refuse_too_much(Asked::bind, frame, "x");
  }

  std::shared_ptr<Prepared> prepared = *found;
  if (may_be_parsed_later(names.statement, *prepared)) return must_wait();
  if (read_anew(*prepared) == Readiness::wait) return must_wait();
  const std::uint64_t sure = names.statement.empty() || !prepared->by_sql ? epoch_ : prepared->epoch;
  const Runs runs = what_runs(*prepared, sure, scratch_);
  if (runs.readiness == Readiness::wait) return must_wait();

  SqlParams params = Unknown::over_limit;
  if (frame.ends) {
    // A name that SQL gave may stand for another statement by now, with other types.
    const bool typed = prepared->described != Prepared::Described::otherwise &&
                       (!prepared->by_sql || prepared->epoch == epoch_);
    const ParamTypes types = typed ? ParamTypes{prepared->type_count, prepared->types} : ParamTypes();
    if (typed && has_untyped(bind, types) && find_types(names.statement, prepared, runs) == Readiness::wait)
      return must_wait();
    params = text_of_params(bind, types);
  }
  // Letters beyond ASCII are known only in UTF-8, and while that is certain.
  if (is_beyond_ascii(params) && (taint_ != 0 || !judge_.reads_utf8())) {
    if (taint_ != 0 && last_ready_ >= taint_) return must_wait();
    params = Unknown::undecodable;
  }

  auto portal = std::make_shared<Portal>();
  portal->charge.take(prepared_bytes_, memory);
  if (runs.statement != nullptr) {
    portal->params = std::make_shared<const SqlParams>(std::move(params));
    portal->subject = subject_of(*prepared, runs);
    const bool decided =
        !prepared->awaits_params && prepared->generation == judge_.generation() && runs.certain;
    Opinion opinion;
    if (!decided)
      opinion = judge_.consider(ActionType::statement, runs.statement->kind, *portal->subject,
                                portal->params.get());
    if (!decided && !opinion.allowed) {
      const std::uint64_t action = judge_.record({.type = ActionType::statement,
                                                  .kind = runs.statement->kind,
                                                  .subject = portal->subject,
                                                  .params = portal->params,
                                                  .opinion = &opinion,
                                                  .verdict = ActionVerdict::deny,
                                                  .parent = prepared->action,
                                                  .text = {}});
      poison(Asked::bind, frame, denial_of(opinion, action, *prepared->analysis), action);
      return true;
    }
  }
  prepared = parse_again(names.statement, prepared);
  if (!prepared) return refuse(Asked::bind, frame, "26000", std::string(uncertain_name));
  portal->statement = prepared;
  portal->path = prepared->path;
  portal->upstream = names.portal.empty() ? std::string() : new_name();

  const std::size_t begins = up_.size();
  Expected& entry = begin(Asked::bind, frame);
  entry.name = names.portal;
  if (frame.ends) {
    append_bind(up_, portal->upstream, prepared->upstream, bind.after_names);
  } else {
    const std::size_t old_names = names.portal.size() + names.statement.size();
    append_header(up_, 'B',
                  frame.size - header_size - old_names + portal->upstream.size() + prepared->upstream.size());
    Writer(up_).cstring(portal->upstream).cstring(prepared->upstream).bytes(frame.body.substr(old_names + 2));
    parts_ = Parts::forward;
  }
  finish(entry, begins);
  // Planning happens here, and runs what it takes for constant: functions said to be immutable.
  Message& message = scratch_;
  message.unread = runs.statement && (runs.statement->runs_unread_code || prepared->opaque || !runs.certain);
  message.may_change_settings = runs.statement && runs.statement->may_change_settings;
  message.may_copy_in = message.changes_names = false;
  message.path = {};
  forwarded(entry, message);
  portal->epoch = epoch_;
  portal->made = {entry.number, 0};
  portals_.propose(names.portal, entry.number, batch_, std::move(portal));
  return true;
}

// Before a text is parsed again: by the generation in force, where another one judged it.
Session::Ruling Session::judge_again(Prepared& prepared) {
  Ruling ruling;
  if (!prepared.analysis || prepared.generation == judge_.generation()) return ruling;
  const sql::Statement& statement = *prepared.statement();
  SubjectPointer subject = subject_of(prepared, {.statement = &statement});
  const Opinion opinion =
      judge_.consider(ActionType::statement, statement.kind, *subject, pending_params().get());
  if (opinion.allowed || opinion.decision.awaits_params) return ruling;
  ruling.action = judge_.record({.type = ActionType::statement,
                                 .kind = statement.kind,
                                 .subject = std::move(subject),
                                 .params = nullptr,
                                 .opinion = &opinion,
                                 .verdict = ActionVerdict::deny,
                                 .parent = prepared.action,
                                 .text = {}});
  ruling.denial = denial_of(opinion, ruling.action, *prepared.analysis);
  return ruling;
}

bool Session::on_describe(const Frame& frame) {
  auto describe = read_describe(frame.body);
  if (!describe) return protocol_error(describe.error().why), true;
  const bool of_statement = describe->kind == 'S';
  const Asked asked = of_statement ? Asked::describe_statement : Asked::describe_portal;
  if (!describe->name.empty() && !sql_names_settled()) return must_wait();
  if (of_statement) {
    auto found = find_statement(describe->name);
    if (!found) return must_wait();
    if (!*found) return refuse(asked, frame, "26000", no_statement(describe->name));
    if (may_be_parsed_later(describe->name, **found)) return must_wait();
    if (needs_parse(describe->name, **found)) {
      if (read_anew(**found) == Readiness::wait) return must_wait();
      Ruling ruling = judge_again(**found);
      if (ruling.denial) return poison(asked, frame, std::move(ruling.denial), ruling.action), true;
    }
    auto prepared = parse_again(describe->name, *found);
    if (!prepared) return refuse(asked, frame, "26000", std::string(uncertain_name));
    forward_describe(prepared, frame);
    return true;
  }
  auto found = find_portal(describe->name);
  if (!found) return must_wait();
  if (!*found) return refuse(asked, frame, "34000", no_portal(describe->name));
  const std::size_t begins = up_.size();
  Expected& entry = begin(asked, frame);
  entry.name = describe->name;
  append_describe(up_, Target::portal, (*found)->upstream);
  finish(entry, begins);
  return true;
}

bool Session::on_close(const Frame& frame) {
  auto close = read_describe(frame.body);
  if (!close) return protocol_error(close.error().why), true;
  if (!close->name.empty() && !sql_names_settled()) return must_wait();
  const bool of_statement = close->kind == 'S';
  // To close what does not exist is no error.
  std::string upstream = close->name.empty() ? std::string() : std::string(own_prefix) + "never";
  if (of_statement) {
    auto found = find_statement(close->name);
    if (!found) return must_wait();
    if (*found) upstream = (*found)->upstream;
  } else {
    auto found = find_portal(close->name);
    if (!found) return must_wait();
    if (*found) upstream = (*found)->upstream;
  }
  const std::size_t begins = up_.size();
  Expected& entry = begin(of_statement ? Asked::close_statement : Asked::close_portal, frame);
  append_close(up_, Target{close->kind}, upstream);
  finish(entry, begins);
  // A name that stands for nothing is not remembered: it may be long, and there may be many.
  if (of_statement && statements_.mentions(close->name)) {
    entry.name = close->name;
    statements_.propose(close->name, entry.number, batch_, nullptr);
  } else if (!of_statement && portals_.mentions(close->name)) {
    entry.name = close->name;
    portals_.propose(close->name, entry.number, batch_, nullptr);
  }
  return true;
}

bool Session::on_execute(const Frame& frame) {
  auto execute = read_execute(frame.body);
  if (!execute) return protocol_error(execute.error().why), true;
  if (!execute->portal.empty() && !sql_names_settled()) return must_wait();
  auto found = find_portal(execute->portal);
  if (!found) return must_wait();
  const std::shared_ptr<Portal> portal = *found;
  if (!portal) return refuse(Asked::execute, frame, "34000", no_portal(execute->portal));
  if (read_cursor_anew(*portal) == Readiness::wait) return must_wait();
  // The unnamed portal has no name by which code could reach it.
  Prepared& prepared = *portal->statement;
  Message& message = scratch_;
  const Runs runs = what_runs(prepared, execute->portal.empty() ? epoch_ : portal->epoch, message);
  if (runs.readiness == Readiness::wait) return must_wait();
  const sql::Statement* statement = runs.statement;
  const sql::Effect effect = statement ? prepared.effect() : sql::Effect::none;
  if (effect == sql::Effect::prepare || effect == sql::Effect::declare_cursor) {
    if (check_new_name(*statement, message) == Readiness::wait) return must_wait();
    if (message.refusal) return poison(Asked::execute, frame, std::move(message.refusal), 0), true;
  }
  Ruling ruling;
  if (statement != nullptr) {
    SubjectPointer subject = portal->subject;
    if (!runs.certain || !subject || runs_by_name(prepared)) subject = subject_of(prepared, runs);
    ParamsPointer params = portal->params;
    if (!params) params = std::make_shared<const SqlParams>(Unknown::undecodable);
    if (portal->params_json.empty()) portal->params_json = params_json(*params);
    ruling = rule_one(ActionType::statement, statement->kind, std::move(subject), std::move(params),
                      prepared.action, {}, portal->params_json);
    if (ruling.denial) return poison(Asked::execute, frame, std::move(ruling.denial), ruling.action), true;
  }
  const std::size_t begins = up_.size();
  Expected& entry = begin(Asked::execute, frame);
  entry.name = execute->portal;
  entry.action = ruling.action;
  entry.statement = portal->statement;
  append_execute(up_, portal->upstream, execute->max_rows);
  // `statement` may stand in a part of `message`.
  message.may_change_settings |= statement && statement->may_change_settings;
  message.unread |= statement && (statement->runs_unread_code || prepared.opaque || !runs.certain);
  if (statement) message.path = statement->path;
  message.may_copy_in |= statement && (statement->enters_copy_in || prepared.opaque);
  message.changes_names = changes_names(effect) || effect == sql::Effect::rollback_to;
  entry.may_copy_in = message.may_copy_in;
  entry.changes_names = message.changes_names;
  finish(entry, begins);
  forwarded(entry, message);
  return true;
}

bool Session::on_function_call(const Frame& frame) {
  auto call = read_function_call(frame.body);
  if (!call) return protocol_error(call.error().why), true;
  const std::string text = "function " + std::to_string(call->function) + " with " +
                           std::to_string(call->values.count()) + " arguments";
  Ruling ruling =
      rule_one(ActionType::function_call, ActionKind::exec, Judge::session_subject(), nullptr, 0, text);
  if (ruling.denial)
    return poison(Asked::function_call, frame, std::move(ruling.denial), ruling.action), true;
  const std::size_t begins = up_.size();
  Expected& entry = begin(Asked::function_call, frame);
  entry.action = ruling.action;
  up_ += frame.raw;
  finish(entry, begins);
  Message& message = scratch_;
  message.clear();
  message.unread = true;
  forwarded(entry, message);
  return true;
}

Session::Ruling Session::rule_one(ActionType type, ActionKind kind, SubjectPointer subject,
                                  ParamsPointer params, std::uint64_t parent, std::string_view text,
                                  std::string_view params_json) {
  static const sql::Analysis readable;
  Opinion opinion = judge_.consider(type, kind, *subject, params.get());
  // Only a rule that names function calls lets one pass (attacks.md, 8).
  if (type == ActionType::function_call && opinion.decision.rule == nullptr) opinion.allowed = false;
  Ruling ruling;
  ruling.action = judge_.record({.type = type,
                                 .kind = kind,
                                 .subject = std::move(subject),
                                 .params = std::move(params),
                                 .opinion = &opinion,
                                 .verdict = opinion.allowed ? ActionVerdict::allow : ActionVerdict::deny,
                                 .parent = parent,
                                 .text = text,
                                 .params_json = params_json});
  if (!opinion.allowed) ruling.denial = denial_of(opinion, ruling.action, readable);
  return ruling;
}

}  // namespace clawpatrol::postgres
