// What SQL runs, makes or drops by a name.
#include <algorithm>

#include "daemon/gateway/postgres/session.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {

using sql::Effect;

bool changes_names(Effect effect) {
  return effect == Effect::prepare || effect == Effect::deallocate || effect == Effect::deallocate_all ||
         effect == Effect::discard_all || effect == Effect::declare_cursor ||
         effect == Effect::close_cursor || effect == Effect::close_all_cursors;
}

bool moves_savepoint(Effect effect) {
  return effect == Effect::savepoint || effect == Effect::release || effect == Effect::rollback_to;
}

namespace {

// Savepoints that are remembered, the newest ones. What a rollback to an older one drops stays known by its
// name, which is then refused as taken: an agent that makes so many does not cost more than this.
constexpr std::size_t most_savepoints = 1024;

// Whether what runs a statement by its name does what the statement says: one that itself runs by name, or
// changes names, does more.
bool is_followed(Effect effect) {
  return effect != Effect::execute && effect != Effect::fetch && !changes_names(effect);
}

}  // namespace

// Merges what a statement runs by name. Where that is not certain, nothing is known of it.
void Session::find_target(const sql::Statement& statement, const Found& found, Message& message, Part& part) {
  if (found.statement == nullptr) {
    part.merged = sql::with_unknown_target(statement);
    message.unread = true;
    return;
  }
  part.merged = sql::merge_executed(statement, *found.statement);
  part.target = found.identity;
  message.may_copy_in |= found.statement->enters_copy_in;
  if (found.by_sql) return;
  if (statement.name_length == 0) {
    part.merged = sql::with_unknown_target(statement);
    return;
  }
  message.rewrites.push_back({statement.name_offset, statement.name_length, std::string(found.upstream)});
}

// Whether what came before in the message decides what a name stands for, or makes it uncertain.
bool Session::find_in_message(const sql::Statement& statement, Message& message, Part& part) {
  using Where = sql::MessageNames::Where;
  const auto target = message.names.find(statement);
  if (target.where == Where::elsewhere) return false;
  Found found;
  if (target.where == Where::here) found.statement = target.statement;
  find_target(statement, found, message, part);
  return true;
}

Session::Readiness Session::find_executed(const sql::Statement& statement, Message& message, Part& part) {
  if (find_in_message(statement, message, part)) return Readiness::ready;
  if (!sql_names_settled()) return Readiness::wait;
  auto found = find_statement(statement.name);
  if (!found || (*found && read_anew(**found) == Readiness::wait)) return Readiness::wait;
  // On a path that this message has set before, it is read as no session has read it yet.
  const bool path_stands = message.path.kind == sql::PathEffect::Kind::none || !*found ||
                           !(*found)->statement() || !(*found)->statement()->names_by_path;
  const bool certain = path_stands && *found && (*found)->epoch == epoch_ && !(*found)->opaque &&
                       is_followed((*found)->effect());
  Found target;
  if (certain) target = {(*found)->statement(), *found, (*found)->upstream, (*found)->by_sql};
  find_target(statement, target, message, part);
  return Readiness::ready;
}

Session::Readiness Session::find_fetched(const sql::Statement& statement, Message& message, Part& part) {
  if (find_in_message(statement, message, part)) return Readiness::ready;
  if (!sql_names_settled()) return Readiness::wait;
  auto found = find_portal(statement.name);
  if (!found || (*found && read_cursor_anew(**found) == Readiness::wait)) return Readiness::wait;
  const Prepared* source = *found ? (*found)->statement.get() : nullptr;
  const bool certain =
      source != nullptr && (*found)->epoch == epoch_ && !source->opaque && is_followed(source->effect());
  Found target;
  if (certain) target = {source->statement(), *found, (*found)->upstream, (*found)->by_sql};
  find_target(statement, target, message, part);
  return Readiness::ready;
}

// PREPARE and DECLARE share their names with the protocol's statements and portals, which have other names
// upstream: so the server cannot tell that one is taken.
Session::Readiness Session::check_new_name(const sql::Statement& statement, Message& message) {
  const bool prepares = statement.effect == Effect::prepare;
  const bool touched = prepares ? message.names.find(statement).where != sql::MessageNames::Where::elsewhere
                                : message.changes_names;
  if (touched || message.unread) return Readiness::ready;
  if (!sql_names_settled()) return Readiness::wait;
  if (prepares) {
    auto found = find_statement(statement.name);
    if (!found) return Readiness::wait;
    if (*found && !(*found)->by_sql)
      message.refusal =
          error_of("42P05", "prepared statement " + in_quotes(statement.name) + " already exists");
    return Readiness::ready;
  }
  auto found = find_portal(statement.name);
  if (!found) return Readiness::wait;
  if (*found && !(*found)->by_sql)
    message.refusal = error_of("42P03", "cursor " + in_quotes(statement.name) + " already exists");
  return Readiness::ready;
}

// A portal or cursor that was made since the savepoint goes with what else was done since; one that was
// closed since does not come back. RELEASE leaves them to the savepoint before it, or to the transaction.
void Session::apply_to_savepoints(const sql::Statement& statement, Moment when) {
  if (statement.effect == Effect::savepoint) {
    if (savepoints_.size() == most_savepoints) savepoints_.erase(savepoints_.begin());
    savepoints_.push_back({statement.name, when});
    return;
  }
  std::size_t left = savepoints_.size();
  while (left > 0 && savepoints_[left - 1].name != statement.name) --left;
  if (left == 0) return;  // older than what is remembered
  const Moment made = savepoints_[left - 1].made;
  const bool released = statement.effect == Effect::release;
  savepoints_.resize(released ? left - 1 : left);
  if (!released) portals_.forget([&](std::string_view, const Portal& portal) { return portal.made > made; });
}

// DEALLOCATE and CLOSE of what the protocol made go upstream under its name there.
Session::Readiness Session::find_dropped(const sql::Statement& statement, Message& message) {
  if (!sql_names_settled()) return Readiness::wait;
  std::string upstream;
  if (statement.effect == Effect::deallocate) {
    auto found = find_statement(statement.name);
    if (!found) return Readiness::wait;
    if (*found && !(*found)->by_sql) upstream = (*found)->upstream;
  } else {
    auto found = find_portal(statement.name);
    if (!found) return Readiness::wait;
    if (*found && !(*found)->by_sql) upstream = (*found)->upstream;
  }
  if (upstream.empty()) return Readiness::ready;
  if (statement.name_length == 0)
    message.guard = "the gateway cannot tell where this statement names what it drops";
  else
    message.rewrites.push_back({statement.name_offset, statement.name_length, upstream});
  return Readiness::ready;
}

// What the agent calls what has this name at the server.
std::optional<std::string_view> Session::agents_name(std::string_view upstream) const {
  const auto is = [&](const auto& value) { return value.upstream == upstream; };
  if (auto name = statements_.name_of(is)) return name;
  return portals_.name_of(is);
}

// `missing`: what it says is not there, if it does.
Session::Onward Session::names_as_the_agents(const Frame& frame, std::string_view missing,
                                             std::string& replacement) const {
  constexpr std::size_t most = 8;  // more in one message is a text about something else
  std::string_view text = frame.body;
  if (!frame.whole() || text.find(own_prefix) == text.npos) return Onward::pass;
  std::string out;
  for (std::size_t count = 0; count < most; ++count) {
    const std::size_t begin = text.find(own_prefix);
    if (begin == text.npos) break;
    const std::size_t end =
        std::min(text.find_first_not_of("0123456789", begin + own_prefix.size()), text.size());
    const std::string_view upstream = text.substr(begin, end - begin);
    out += text.substr(0, begin);
    out += agents_name(upstream).value_or(missing.empty() ? upstream : missing);
    text.remove_prefix(end);
  }
  out += text;
  append_header(replacement, frame.type, out.size());
  replacement += out;
  return Onward::replace;
}

}  // namespace clawpatrol::postgres
