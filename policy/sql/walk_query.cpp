#include <utility>

#include "policy/sql/constant.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

std::string_view Walk::select(const SelectStmt& select) {
  verb("select");
  raise(ActionKind::read);
  std::size_t outer_ctes = cte_order_.size();
  std::size_t outer_ranges = ranges_.size();
  std::size_t outer_scope = std::exchange(scope_, outer_ranges);
  with(select.withClause);
  list(select.fromClause);  // first: columns are looked up in it
  if (select.intoClause != nullptr) select_into(select);
  node(reinterpret_cast<const Node*>(select.larg));
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
  ranges_.resize(outer_ranges);
  scope_ = outer_scope;
  forget_with(outer_ctes);
  return select.intoClause != nullptr ? "create" : "select";
}

void Walk::select_into(const SelectStmt& select) {
  verb("create");
  raise(ActionKind::admin);
  std::size_t ranges = ranges_.size();
  relation(select.intoClause->rel, Use::write);
  ranges_.resize(ranges);  // it is not something that columns can come from
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
  target_ = view(relation->relname);
  if (also_read) relation_named(view(relation->schemaname), target_, Use::read);
}

std::string_view Walk::insert(const InsertStmt& insert) {
  verb("insert");
  raise(ActionKind::write);
  std::size_t outer_ctes = cte_order_.size();
  std::size_t outer_ranges = ranges_.size();
  std::size_t outer_scope = std::exchange(scope_, outer_ranges);
  std::string_view outer_target = target_;
  with(insert.withClause);
  node(insert.selectStmt);  // does not see the target
  bool updates = insert.onConflictClause != nullptr && insert.onConflictClause->action == ONCONFLICT_UPDATE;
  target(insert.relation, length(insert.returningList) > 0 || updates);
  assigned_columns(insert.cols);
  if (length(insert.cols) == 0) star(target_);
  if (insert.onConflictClause != nullptr) on_conflict(*insert.onConflictClause);
  list(insert.returningList);
  target_ = outer_target;
  ranges_.resize(outer_ranges);
  scope_ = outer_scope;
  forget_with(outer_ctes);
  return "insert";
}

void Walk::on_conflict(const OnConflictClause& clause) {
  ranges_.push_back({"excluded", target_});
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

std::string_view Walk::update(const UpdateStmt& update) {
  verb("update");
  raise(ActionKind::write);
  std::size_t outer_ctes = cte_order_.size();
  std::size_t outer_ranges = ranges_.size();
  std::size_t outer_scope = std::exchange(scope_, outer_ranges);
  std::string_view outer_target = target_;
  with(update.withClause);
  bool reads =
      update.whereClause != nullptr || length(update.fromClause) > 0 || length(update.returningList) > 0;
  target(update.relation, reads);
  list(update.fromClause);
  assigned_columns(update.targetList);
  node(update.whereClause);
  list(update.returningList);
  if (holds_for_every_row(update.whereClause)) unbounded_ = true;
  target_ = outer_target;
  ranges_.resize(outer_ranges);
  scope_ = outer_scope;
  forget_with(outer_ctes);
  return "update";
}

std::string_view Walk::remove(const DeleteStmt& remove) {
  verb("delete");
  raise(ActionKind::write);
  std::size_t outer_ctes = cte_order_.size();
  std::size_t outer_ranges = ranges_.size();
  std::size_t outer_scope = std::exchange(scope_, outer_ranges);
  with(remove.withClause);
  bool reads =
      remove.whereClause != nullptr || length(remove.usingClause) > 0 || length(remove.returningList) > 0;
  std::string_view outer_target = target_;
  target(remove.relation, reads);
  target_ = outer_target;
  list(remove.usingClause);
  node(remove.whereClause);
  list(remove.returningList);
  if (holds_for_every_row(remove.whereClause)) unbounded_ = true;
  ranges_.resize(outer_ranges);
  scope_ = outer_scope;
  forget_with(outer_ctes);
  return "delete";
}

std::string_view Walk::merge(const MergeStmt& merge) {
  verb("merge");
  raise(ActionKind::write);
  std::size_t outer_ctes = cte_order_.size();
  std::size_t outer_ranges = ranges_.size();
  std::size_t outer_scope = std::exchange(scope_, outer_ranges);
  std::string_view outer_target = target_;
  with(merge.withClause);
  target(merge.relation, true);
  node(merge.sourceRelation);
  node(merge.joinCondition);
  bool every_row = holds_for_every_row(merge.joinCondition);
  for (const Node* clause : cells(merge.mergeWhenClauses)) {
    const auto* when = as<MergeWhenClause>(clause);
    bool changes = when != nullptr && (when->commandType == CMD_UPDATE || when->commandType == CMD_DELETE);
    if (changes && every_row && holds_for_every_row(when->condition)) unbounded_ = true;
    node(clause);
  }
  target_ = outer_target;
  ranges_.resize(outer_ranges);
  scope_ = outer_scope;
  forget_with(outer_ctes);
  return "merge";
}

void Walk::merge_action(const MergeWhenClause& clause) {
  if (clause.commandType == CMD_INSERT) verb("insert");
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
  columns_.add(name);
  if (!target_.empty()) columns_.add(target_, name);
}

// The alias of a subquery, function or join: a name that columns use and that is no relation.
void Walk::from_alias(const Alias* alias) {
  if (alias->aliasname != nullptr) ranges_.push_back({view(alias->aliasname), {}});
}

std::string_view Walk::relation_of_alias(std::string_view alias) const {
  for (std::size_t i = ranges_.size(); i-- > 0;) {
    if (ranges_[i].alias == alias) return ranges_[i].relation.empty() ? alias : ranges_[i].relation;
  }
  return alias;
}

void Walk::star(std::string_view qualifier) {
  columns_.add("*");
  if (!qualifier.empty()) return columns_.add(relation_of_alias(qualifier), "*");
  for (std::size_t i = scope_; i < ranges_.size(); ++i) {
    if (!ranges_[i].relation.empty()) columns_.add(ranges_[i].relation, "*");
  }
}

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
  if (!previous.empty()) return columns_.add(relation_of_alias(previous), last);
  std::string_view only;
  for (const Range& range : ranges_) {
    if (range.alias == last && !range.relation.empty()) columns_.add(range.relation, "*");
  }
  if (ranges_.size() == 1) only = ranges_.front().relation;
  if (!only.empty() && ranges_.front().alias != last) columns_.add(only, last);
}

}  // namespace clawpatrol::sql
