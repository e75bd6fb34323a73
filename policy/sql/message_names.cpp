#include "policy/sql/message_names.h"

#include <ranges>

namespace clawpatrol::sql {
namespace {

// The end of a transaction, or of a part of it, may take back what the search path was.
bool may_undo_path(Effect effect) {
  return effect == Effect::commit || effect == Effect::rollback || effect == Effect::rollback_to ||
         effect == Effect::prepare_transaction;
}

}  // namespace

MessageNames::Target MessageNames::find(const Statement& names) const {
  const Space space = names.effect == Effect::fetch ? Space::cursors : Space::statements;
  for (const Name& known : names_ | std::views::reverse) {
    if (known.space != space || known.name != names.name) continue;
    if (known.statement == nullptr) return {Where::uncertain};
    return {Where::here, known.statement};
  }
  const bool uncertain = space == Space::cursors ? cursors_uncertain_ : statements_uncertain_;
  return {uncertain ? Where::uncertain : Where::elsewhere};
}

void MessageNames::after(const Statement& statement, const Statement& whole, Code code) {
  path_untold_ |= code == Code::unread || whole.path != statement.path;
  switch (statement.effect) {
    case Effect::prepare: set(Space::statements, statement.name, &statement); break;
    case Effect::declare_cursor: set(Space::cursors, statement.name, &statement); break;
    case Effect::deallocate: set(Space::statements, statement.name, nullptr); break;
    case Effect::close_cursor: set(Space::cursors, statement.name, nullptr); break;
    case Effect::deallocate_all: forget(Space::statements); break;
    case Effect::close_all_cursors: forget(Space::cursors); break;
    case Effect::discard_all: code = Code::unread; break;
    default: break;
  }
  if (code == Code::unread) {
    forget(Space::statements);
    forget(Space::cursors);
  }
  if (whole.path.kind != PathEffect::Kind::none || may_undo_path(statement.effect)) forget_reading();
}

void MessageNames::clear() {
  names_.clear();
  statements_uncertain_ = cursors_uncertain_ = path_untold_ = false;
}

void MessageNames::set(Space space, const std::string& name, const Statement* statement) {
  names_.push_back({space, name, statement});
}

void MessageNames::forget(Space space) {
  std::erase_if(names_, [space](const Name& known) { return known.space == space; });
  (space == Space::cursors ? cursors_uncertain_ : statements_uncertain_) = true;
}

// The server looks the names of a prepared statement up anew where the search path is another; a cursor is
// planned already.
void MessageNames::forget_reading() {
  for (Name& known : names_) {
    if (known.space == Space::statements && known.statement != nullptr && known.statement->names_by_path)
      known.statement = nullptr;
  }
}

}  // namespace clawpatrol::sql
