// Bodies: SQL that stands in a string of the statement and is run by it, or whenever what it defines is
// called.
#include <optional>

#include "policy/sql/plpgsql.h"
#include "policy/sql/tokens.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

constexpr int deepest_body = 4;  // functions that define functions

// What was read of `SELECT expression`, where it is that and has no further clause.
const SelectStmt* only_values(const List* statements) {
  const auto* raw = length(statements) == 1 ? as<RawStmt>(*cells(statements).begin()) : nullptr;
  const auto* select = raw == nullptr ? nullptr : as<SelectStmt>(raw->stmt);
  if (select == nullptr) return nullptr;
  for (const List* clause :
       {select->fromClause, select->distinctClause, select->groupClause, select->windowClause,
        select->valuesLists, select->sortClause, select->lockingClause})
    if (length(clause) > 0) return nullptr;
  const bool more = select->whereClause != nullptr || select->havingClause != nullptr ||
                    select->limitCount != nullptr || select->limitOffset != nullptr ||
                    select->withClause != nullptr || select->intoClause != nullptr || select->larg != nullptr;
  return more ? nullptr : select;
}

// The value, where it is one string constant.
const char* only_string(const SelectStmt& values) {
  if (length(values.targetList) != 1) return nullptr;
  const auto* target = as<ResTarget>(*cells(values.targetList).begin());
  const auto* constant = target == nullptr ? nullptr : as<A_Const>(target->val);
  if (constant == nullptr || constant->isnull || constant->val.node.type != Tag::String) return nullptr;
  return constant->val.sval.sval;
}

}  // namespace

// The body of an SQL function, read as the server will read it when it is called.
void Walk::sql_body(const char* text) {
  const bool takes_long = body_depth_ >= deepest_body ||
                          !operator_runs_within_limit(text, most_operator_steps_of_body) ||
                          count_tokens(text, options_.limits.tokens) != TokenCount::within;
  if (takes_long) return unknown_code();
  Memory memory;
  Level level(*this);  // what it named is forgotten before its memory is
  Outcome body = parse(text);
  if (body.failed) return unknown_code();
  ++body_depth_;
  statements_of_body(body.statements);
  --body_depth_;
}

// None of them can copy from or to the client.
void Walk::statements_of_body(const List* statements) {
  const bool copy_in = copy_in_, copy_out = copy_out_;
  for (const Node* item : cells(statements)) {
    const auto* raw = as<RawStmt>(item);
    if (raw == nullptr) continue;
    // As the clause of a function or a role, it is no statement.
    if (const auto* set = as<VariableSetStmt>(raw->stmt)) verb(verb_of(*set));
    node(raw->stmt);
  }
  copy_in_ = copy_in, copy_out_ = copy_out;
}

// Whoever calls this has opened the lists: what is found in it is known, and what is not is not thought
// absent.
void Walk::plpgsql_body(std::string_view text) {
  if (body_depth_ >= deepest_body) return;
  ++body_depth_;
  read_plpgsql(text, options_.limits.tokens, [this](const BodyPart& part) { part_of_body(part); });
  --body_depth_;
}

void Walk::part_of_body(const BodyPart& part) {
  if (part.kind == BodyPart::Kind::row_type) return type_of_body(part.text, 0);
  if (part.kind == BodyPart::Kind::value_type) return type_of_body(part.text, 1);
  const bool is_statement = part.kind == BodyPart::Kind::statement;
  Memory memory;
  Level level(*this);  // what it named is forgotten before its memory is
  const std::string text = is_statement ? part.text : "SELECT " + part.text;
  Outcome read = parse(text.c_str());
  if (read.failed) return;
  const SelectStmt* values = is_statement ? nullptr : only_values(read.statements);
  if (part.kind == BodyPart::Kind::executed) {
    const char* literal = values == nullptr ? nullptr : only_string(*values);
    if (literal != nullptr) return sql_body(literal);
    classify(class_dynamic_sql);
  }
  // A mere value is no SELECT.
  if (values != nullptr) return list(values->targetList);
  statements_of_body(read.statements);
}

// table%ROWTYPE, table.column%TYPE.
void Walk::type_of_body(std::string_view name, std::size_t skip_last) {
  std::optional<std::vector<std::string>> parts = qualified_name(name);
  if (!parts || parts->size() <= skip_last) return;
  parts->resize(parts->size() - skip_last);
  relation_named(parts->size() > 1 ? (*parts)[parts->size() - 2] : std::string_view(), parts->back(),
                 Use::read);
}

}  // namespace clawpatrol::sql
