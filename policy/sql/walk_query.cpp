#include <algorithm>
#include <utility>

#include "policy/sql/constant.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

Walk::Level::Level(Walk& walk)
    : walk_(walk),
      ctes_(walk.cte_order_.size()),
      ranges_(walk.ranges_.size()),
      scope_(std::exchange(walk.scope_, walk.ranges_.size())),
      scalars_(walk.scalar_order_.size()),
      unnamed_scalars_(walk.unnamed_scalars_),
      target_(walk.target_) {}

Walk::Level::~Level() {
  walk_.target_ = target_;
  walk_.ranges_.cut(ranges_);
  walk_.scope_ = scope_;
  walk_.forget_scalars(scalars_);
  walk_.unnamed_scalars_ = unnamed_scalars_;
  walk_.forget_with(ctes_);
}

std::string_view Walk::select(const SelectStmt& select) {
  verb("select");
  return select_body(select);
}

std::string_view Walk::select_body(const SelectStmt& select) {
  raise(ActionKind::read);
  Level level(*this);
  with(select.withClause);
  list(select.fromClause);  // first: columns are looked up in it
  if (select.intoClause != nullptr) select_into(select);
  node(reinterpret_cast<const Node*>(select.larg));
  // Of a set operation the INTO stands in the first of all its members.
  const bool makes_table = select.intoClause != nullptr || (select.larg != nullptr && makes_table_);
  node(reinterpret_cast<const Node*>(select.rarg));
  list(select.distinctClause);
  list(select.targetList);
  node(select.whereClause);
  list(select.groupClause);
  node(select.havingClause);
  list(select.windowClause);
  list(select.valuesLists);
  list(select.sortClause);
  node(select.limitOffset);
  node(select.limitCount);
  list(select.lockingClause);
  makes_table_ = makes_table;
  return makes_table ? "create" : "select";
}

void Walk::select_into(const SelectStmt& select) {
  verb("create");
  raise(ActionKind::admin);
  std::size_t ranges = ranges_.size();
  relation(select.intoClause->rel, Use::write);
  ranges_.cut(ranges);  // it is not something that columns can come from
  list(select.intoClause->options);
}

// A CTE is in scope for what follows it; in WITH RECURSIVE for all of the list and itself.
void Walk::with(const WithClause* clause) {
  if (clause == nullptr) return;
  auto enter = [this](std::string_view name) {
    cte_order_.push_back(name);
    ++visible_ctes_[name];
  };
  if (clause->recursive) {
    for (const Node* cte : cells(clause->ctes)) {
      if (const auto* common = as<CommonTableExpr>(cte)) enter(view(common->ctename));
    }
  }
  for (const Node* cte : cells(clause->ctes)) {
    const auto* common = as<CommonTableExpr>(cte);
    if (common == nullptr) {
      unknown_code();
      continue;
    }
    node(common->ctequery);
    node(reinterpret_cast<const Node*>(common->search_clause));
    node(reinterpret_cast<const Node*>(common->cycle_clause));
    if (!clause->recursive) enter(view(common->ctename));
  }
}

void Walk::forget_with(std::size_t count) {
  while (cte_order_.size() > count) {
    auto found = visible_ctes_.find(cte_order_.back());
    if (found != visible_ctes_.end() && --found->second == 0) visible_ctes_.erase(found);
    cte_order_.pop_back();
  }
}

// The table that a statement changes is never a CTE.
void Walk::target(const RangeVar* relation, bool also_read) {
  if (relation == nullptr) return;
  this->relation(relation, Use::write);
  if (also_read) relation_named(view(relation->schemaname), target_, Use::read);
}

std::string_view Walk::insert(const InsertStmt& insert) {
  verb("insert");
  raise(ActionKind::write);
  Level level(*this);
  with(insert.withClause);
  // Does not see the target. The values of a mere VALUES are not selected from anywhere.
  const auto* source = as<SelectStmt>(insert.selectStmt);
  if (source != nullptr && source->valuesLists != nullptr && source->op == SETOP_NONE)
    select_body(*source);
  else
    node(insert.selectStmt);
  // What ON CONFLICT names is looked up.
  const OnConflictClause* conflict = insert.onConflictClause;
  bool looks_up =
      conflict != nullptr && (conflict->infer != nullptr || conflict->action == ONCONFLICT_UPDATE);
  target(insert.relation, length(insert.returningList) > 0 || looks_up);
  assigned_columns(insert.cols);
  if (length(insert.cols) == 0) every_target_column();
  if (insert.onConflictClause != nullptr) on_conflict(*insert.onConflictClause);
  list(insert.returningList);
  return "insert";
}

void Walk::on_conflict(const OnConflictClause& clause) {
  ranges_.add("excluded", target_);
  if (clause.infer != nullptr) {
    for (const Node* element : cells(clause.infer->indexElems)) {
      const auto* index = as<IndexElem>(element);
      if (index != nullptr && index->name != nullptr) target_column(view(index->name));
      node(element);
    }
    node(clause.infer->whereClause);
  }
  if (clause.action == ONCONFLICT_UPDATE) verb("update");
  assigned_columns(clause.targetList);
  node(clause.whereClause);
}

namespace {

bool assigns_more_than_constants(const List* targets) {
  for (const Node* item : cells(targets)) {
    const auto* assigned = as<ResTarget>(item);
    if (assigned != nullptr && length(assigned->indirection) > 0) return true;  // the rest of it stays
    const Node* value = assigned == nullptr ? item : assigned->val;
    while (const auto* cast = as<TypeCast>(value)) value = cast->arg;
    if (value == nullptr || value->type == Tag::A_Const || value->type == Tag::ParamRef ||
        value->type == Tag::SetToDefault)
      continue;
    return true;
  }
  return false;
}

}  // namespace

std::string_view Walk::update(const UpdateStmt& update) {
  verb("update");
  raise(ActionKind::write);
  Level level(*this);
  with(update.withClause);
  bool reads = update.whereClause != nullptr || length(update.fromClause) > 0 ||
               length(update.returningList) > 0 || assigns_more_than_constants(update.targetList);
  target(update.relation, reads);
  list(update.fromClause);
  assigned_columns(update.targetList);
  node(update.whereClause);
  list(update.returningList);
  if (holds_for_every_row(update.whereClause, update.relation, update.fromClause)) unbounded_ = true;
  return "update";
}

std::string_view Walk::remove(const DeleteStmt& remove) {
  verb("delete");
  raise(ActionKind::write);
  Level level(*this);
  with(remove.withClause);
  bool reads =
      remove.whereClause != nullptr || length(remove.usingClause) > 0 || length(remove.returningList) > 0;
  std::string_view other = target_;  // not of the WHERE
  target(remove.relation, reads);
  std::swap(target_, other);
  list(remove.usingClause);
  node(remove.whereClause);
  std::swap(target_, other);
  list(remove.returningList);
  if (holds_for_every_row(remove.whereClause, remove.relation, remove.usingClause)) unbounded_ = true;
  return "delete";
}

std::string_view Walk::merge(const MergeStmt& merge) {
  verb("merge");
  raise(ActionKind::write);
  Level level(*this);
  with(merge.withClause);
  target(merge.relation, true);
  node(merge.sourceRelation);
  node(merge.joinCondition);
  const auto holds_always = [&merge](const Node* condition) {
    return holds_for_every_row(condition, merge.relation, nullptr, merge.sourceRelation);
  };
  bool every_row = holds_always(merge.joinCondition);
  for (const Node* clause : cells(merge.mergeWhenClauses)) {
    const auto* when = as<MergeWhenClause>(clause);
    bool changes = when != nullptr && (when->commandType == CMD_UPDATE || when->commandType == CMD_DELETE);
    if (changes && every_row && holds_always(when->condition)) unbounded_ = true;
    node(clause);
  }
  return "merge";
}

void Walk::merge_action(const MergeWhenClause& clause) {
  if (clause.commandType == CMD_INSERT) verb("insert");
  if (clause.commandType == CMD_INSERT && length(clause.targetList) == 0) every_target_column();
  if (clause.commandType == CMD_UPDATE) verb("update");
  if (clause.commandType == CMD_DELETE) verb("delete");
  node(clause.condition);
  assigned_columns(clause.targetList);
  list(clause.values);
}

// SET a = ..., and the column list of an INSERT: names of the target's columns.
void Walk::assigned_columns(const List* targets) {
  for (const Node* item : cells(targets)) {
    const auto* assigned = as<ResTarget>(item);
    if (assigned == nullptr) {
      node(item);
      continue;
    }
    if (assigned->name != nullptr) target_column(view(assigned->name));
    list(assigned->indirection);
    node(assigned->val);
  }
}

void Walk::target_column(std::string_view name) {
  table_column(target_, name);
}

// By its own name: an alias of FROM can be the same.
void Walk::every_target_column() {
  columns_.add("*");
  columns_.add(target_, "*");
}

// The alias of a subquery, function or join: a name that columns use and that is no relation.
void Walk::from_alias(const Alias* alias) {
  if (alias->aliasname != nullptr) ranges_.add(view(alias->aliasname), {});
}

void Walk::star(std::string_view qualifier) {
  if (!options_.asked.columns) return;
  columns_.add("*");
  if (!qualifier.empty()) return qualified_column(qualifier, "*");
  ranges_.all_rows(scope_, [this](std::string_view relation) { columns_.add(relation, "*"); });
}

void Walk::qualified_column(std::string_view alias, std::string_view column) {
  if (!options_.asked.columns) return;
  auto tell = [this, column](std::string_view relation) { columns_.add(relation, column); };
  // Of a rule, a trigger and, since version 18, RETURNING: rows of the table that is changed.
  const bool of_target = (alias == "old" || alias == "new") && !target_.empty() && !ranges_.contains(alias);
  if (of_target) tell(target_);
  if (!ranges_.relations_of(alias, tell)) columns_open_ = true;
}

// Of the members of FROM from `first` on.
void Walk::every_column(std::size_t first) {
  if (!options_.asked.columns) return;
  columns_.add("*");
  ranges_.relations_since(first, [this](std::string_view relation) { columns_.add(relation, "*"); });
}

// USING (column), of the members of a join, which begin with `first`: which of them have it, the text does
// not tell where a side of it is a join itself.
void Walk::joined_by(std::string_view column, std::size_t first) {
  if (!options_.asked.columns) return;
  columns_.add(column);
  auto tell = [&](std::string_view relation) { columns_.add(relation, column); };
  if (!ranges_.each_since(first, tell)) columns_open_ = true;
}

namespace {

// Built-in functions that take any row as their one argument and tell what is in it.
bool tells_whole_row(std::string_view function) {
  static constexpr std::string_view names[] = {
      "array_agg",         "concat",     "hash_record",       "json_agg",           "json_build_array",
      "json_build_object", "jsonb_agg",  "jsonb_build_array", "jsonb_build_object", "quote_literal",
      "quote_nullable",    "record_out", "record_send",       "row_to_json",        "to_json",
      "to_jsonb"};
  return std::ranges::binary_search(names, function);
}

}  // namespace

// A column is listed by its own name and, where the text tells its table, as table.column. A name that is an
// alias of FROM can also mean the whole row.
void Walk::column(const ColumnRef& column) {
  std::string_view previous;
  std::string_view last;
  bool starred = false;
  for (const Node* part : cells(column.fields)) {
    if (part != nullptr && part->type == Tag::A_Star) {
      starred = true;
      break;
    }
    previous = last;
    last = string_of(part);
  }
  if (starred) return star(last);
  columns_.add(last);
  if (is_call_of_scalar(previous, last)) field_or_call(last);
  // Where there is no such column it is a function of the row: of the operator's own, which the text does not
  // tell (reading a table counts by itself), or a built-in one.
  if (ranges_.is_no_relation(previous)) may_change_settings();
  if (!previous.empty() && tells_whole_row(last)) {
    called({}, last);
    columns_.add("*");
    qualified_column(previous, "*");
  }
  if (!options_.asked.columns) return;
  if (!previous.empty()) return qualified_column(previous, last);
  ranges_.rows_of(last, [this](std::string_view relation) {
    columns_.add("*");
    columns_.add(relation, "*");
  });
  // Of several members the text does not tell which has it: each could.
  if (!ranges_.each_but(last, [&](std::string_view relation) { columns_.add(relation, last); }))
    columns_open_ = true;
}

}  // namespace clawpatrol::sql
