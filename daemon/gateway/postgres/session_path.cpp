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
  std::ranges::replace(path.schemas, sql::user_schema, judge_.identity().user);
  return path;
}

void Session::path_forwarded(Expected& entry, const Message& message) {
  using Kind = PathEffect::Kind;
  entry.may_undo_path = entry.statement && may_undo(entry.statement->effect());
  for (const Part& part : message.parts) entry.may_undo_path |= may_undo(part.statement->effect);
  const Kind kind = message.unread ? Kind::uncertain : message.path.kind;
  if (kind == Kind::none) return;
  SearchPath next = sql::united(sql::path_of(judge_.search_path()), with_own_schema(message.path.path));
  next = sql::united(next, sql::path_of(judge_.login_path()));
  if (kind == Kind::uncertain) next.certain = false;
  entry.changes_path = true;
  path_changed_by_ = entry.number;
  if (message.parts.size() <= 1 && kind == Kind::set)
    entry.becomes = std::make_shared<const SearchPath>(with_own_schema(message.path.path));
  if (message.parts.size() <= 1 && kind == Kind::reset) entry.becomes = judge_.login_path();
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

// The names of a statement are looked up anew when it runs on another path, so it is read anew.
Session::Readiness Session::read_in_path(Prepared& prepared) {
  const SearchPathPointer& path = judge_.search_path();
  if (prepared.path == path || !prepared.analysis) return Readiness::ready;
  const sql::Statement& before = *prepared.statement();
  if (before.names_by_path && !prepared.opaque && before.facets.statement.known()) {
    std::shared_ptr<const sql::Analysis> read = judge_.analyse(*before.facets.statement);
    if (!read) return Readiness::wait;
    auto again = std::make_shared<sql::Analysis>();
    again->more_than_text = prepared.analysis->more_than_text;
    const bool readable = read->readable == sql::Readable::yes && read->statements.size() == 1;
    again->statements.push_back(!readable               ? sql::with_unknown_target(before)
                                : again->more_than_text ? sql::with_unread_code(read->statements.front())
                                                        : read->statements.front());
    again->memory = read->memory;
    prepared.analysis = std::move(again);
    prepared.index = 0;
    prepared.subject = nullptr;
    prepared.generation = 0;  // no verdict on it stands
  }
  prepared.path = path;
  return Readiness::ready;
}

}  // namespace clawpatrol::postgres
