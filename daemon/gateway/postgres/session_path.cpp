// The search path: what names without a schema can mean (attacks.md, 7).
//
// What a message may make of it counts from the moment at which it is forwarded, beside all that it could be
// before, since the message may fail or be rolled back. Only a SET or RESET alone that was answered, outside
// of a transaction block and with nothing after it, leaves one path.
#include <algorithm>

#include "daemon/gateway/postgres/session.h"

namespace clawpatrol::postgres {

using sql::PathEffect;
using sql::SearchPath;
using sql::SearchPathPointer;

namespace {

bool may_undo(sql::Effect effect) {
  using sql::Effect;
  return effect == Effect::commit || effect == Effect::rollback || effect == Effect::rollback_to ||
         effect == Effect::prepare_transaction;
}

}  // namespace

SearchPath Session::with_own_schema(SearchPath path) const {
  const bool own = std::ranges::find(path.schemas, sql::user_schema) != path.schemas.end();
  std::ranges::replace(path.schemas, sql::user_schema, judge_.identity().user);
  return own ? sql::united(path, roles_) : path;
}

// Whose schema "$user" of the login's path is then, no reset of the path decides.
SearchPathPointer Session::path_after_reset() const {
  if (roles_.schemas.empty()) return judge_.login_path();
  return std::make_shared<const SearchPath>(sql::united(sql::path_of(judge_.login_path()), roles_));
}

void Session::path_forwarded(Expected& entry, const Message& message) {
  using Kind = PathEffect::Kind;
  entry.may_undo_path = entry.statement && may_undo(entry.statement->effect());
  for (const Part& part : message.parts) entry.may_undo_path |= may_undo(part.statement->effect);
  const Kind kind = message.unread ? Kind::uncertain : message.path.kind;
  if (kind == Kind::none) return;
  if (message.path.of_role) roles_ = sql::united(roles_, with_own_schema(message.path.path));
  SearchPath next = sql::united(sql::path_of(judge_.search_path()), with_own_schema(message.path.path));
  next = sql::united(next, sql::path_of(judge_.login_path()));
  if (kind == Kind::uncertain) next.certain = false;
  entry.changes_path = true;
  path_changed_by_ = entry.number;
  if (message.parts.size() <= 1 && kind == Kind::set)
    entry.becomes = std::make_shared<const SearchPath>(with_own_schema(message.path.path));
  if (message.parts.size() <= 1 && kind == Kind::reset) entry.becomes = path_after_reset();
  if (next == sql::path_of(judge_.search_path())) return;
  judge_.set_search_path(std::make_shared<const SearchPath>(std::move(next)));
}

void Session::path_answered(const Expected& entry) {
  if (entry.may_undo_path) settled_path_.reset();
  if (entry.becomes) settled_path_ = {entry.number, *entry.becomes};
}

void Session::path_ready() {
  if (transaction_ == 'I' && settled_path_ && settled_path_->number == path_changed_by_)
    judge_.set_search_path(settled_path_->path);
  settled_path_.reset();
}

// Under the settings of now, by itself. Null: it is not ready. Where there is no room for what came of it,
// and where it cannot be read by itself, nothing is known of it.
std::shared_ptr<const sql::Analysis> Session::read_again(Prepared& prepared) {
  const sql::Analysis& before = *prepared.analysis;
  const std::shared_ptr<const sql::Analysis> read = judge_.analyse(*prepared.statement()->facets.statement);
  if (!read) return nullptr;
  const std::size_t more = read->memory - std::min(before.memory, read->memory);
  const bool has_room = more == 0 || prepared_bytes_ + more <= limits_.prepared;
  const bool whole = has_room && read->readable == sql::Readable::yes && read->statements.size() == 1;
  if (whole) prepared.charge.grow(more);
  auto again = std::make_shared<sql::Analysis>();
  again->more_than_text = before.more_than_text;
  again->on_own_path = read->on_own_path || !whole;  // its text does not explain it
  again->statements.push_back(!whole                  ? sql::with_unknown_target(*prepared.statement())
                              : before.more_than_text ? sql::with_unread_code(read->statements.front())
                                                      : read->statements.front());
  again->memory = whole ? read->memory : before.memory;
  return again;
}

// The names of a statement are looked up anew when it runs on another path, so it is read anew; and so it is
// where the rules of a new generation ask for what was not made of it.
Session::Readiness Session::read_anew(Prepared& prepared) {
  if (!prepared.analysis) return Readiness::ready;
  const sql::Statement& before = *prepared.statement();
  const bool moved = prepared.path != judge_.search_path() && before.names_by_path;
  const bool readable = !prepared.opaque && before.facets.statement.known();
  if (readable && (moved || sql::lacks(before.facets, judge_.asked()))) {
    auto again = read_again(prepared);
    if (!again) return Readiness::wait;
    prepared.analysis = std::move(again);
    prepared.index = 0;
    prepared.subject = nullptr;
    prepared.generation = 0;  // no verdict on it stands
  }
  prepared.path = judge_.search_path();
  return Readiness::ready;
}

// What an open cursor reads was settled when it was opened: on another path it cannot be read anew, and what
// the rules ask for stays unknown.
Session::Readiness Session::read_cursor_anew(Portal& cursor) {
  Prepared& source = *cursor.statement;
  if (!source.analysis) return Readiness::ready;
  const SqlFacets& facets = cursor.subject ? *cursor.subject->sql : source.statement()->facets;
  if (!sql::lacks(facets, judge_.asked())) return Readiness::ready;
  if (cursor.path != judge_.search_path() && source.statement()->names_by_path) return Readiness::ready;
  if (read_anew(source) == Readiness::wait) return Readiness::wait;
  if (cursor.subject) cursor.subject = judge_.subject(source.analysis, source.index);
  return Readiness::ready;
}

}  // namespace clawpatrol::postgres
