// One walk over a statement's tree collects its facets. Every field of every node is visited: what has no
// function here is walked field by field, and a node that the tables do not know opens the lists.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/sql/analysis.h"
#include "policy/sql/name_set.h"
#include "policy/sql/ranges.h"
#include "policy/sql/statements.h"
#include "policy/sql/tree.h"

namespace clawpatrol::sql {

// A session's own schema, by either of its names.
inline bool is_temporary(std::string_view schema) {
  return schema.starts_with("pg_temp");
}

bool is_built_in(const tree::TypeName& type);  // by its name

// Tables and what can be named in their stead: ALTER INDEX renames a table too.
inline bool is_relation(tree::ObjectType type) {
  using namespace tree;
  return type == OBJECT_TABLE || type == OBJECT_VIEW || type == OBJECT_MATVIEW ||
         type == OBJECT_FOREIGN_TABLE || type == OBJECT_SEQUENCE || type == OBJECT_INDEX;
}

struct BodyPart;

class Walk {
 public:
  explicit Walk(const Options& options);

  // Walks one statement of the message and fills in what the tree tells; statement, offset, length and
  // name_offset are the caller's.
  Statement run(const tree::Node* statement);

 private:
  enum class Use : std::uint8_t { read, write };
  enum class Wrapper : std::uint8_t { none, runs_execute, nested };  // what stands around a statement
  // The names that a query has, forgotten at its end.
  class Level {
   public:
    explicit Level(Walk& walk);
    ~Level();
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Walk& walk_;
    std::size_t ctes_, ranges_, scope_, scalars_;
    std::size_t unnamed_scalars_;
    std::string_view target_;
  };

  // walk.cpp: recursion, names
  void node(const tree::Node* node);
  void dispatch(const tree::Node* node);
  void fields(const tree::Node* node);
  void list(const tree::List* list);
  void relation(const tree::RangeVar* relation, Use use);
  void relation_named(std::string_view schema, std::string_view name, Use use);
  void relation_in_list(const tree::Node* names, std::size_t skip_last, Use use);
  void verb(std::string_view name) { verbs_.add(name); }
  void raise(ActionKind kind) { statement_kind_ = std::max(statement_kind_, kind); }
  void classify(Classes classes) { classes_ = static_cast<Classes>(classes_ | classes); }
  void unknown_code();
  // It reaches relations that its text does not name.
  void reaches_further() { reads_open_ = writes_open_ = true; }
  void may_change_settings() { may_change_settings_ = true; }
  void guard(ReadingGuard guard) { reading_ = std::max(reading_, guard); }
  void path_becomes(const PathEffect& effect) { path_ = united(path_, effect); }
  void by_path();
  void path_set(const tree::VariableSetStmt& set);
  void literal(std::string_view text) {
    if (options_.asked.literals) literals_.emplace_back(text);
  }
  Statement finish(std::string_view verb);

  // walk_query.cpp: SELECT and what changes rows
  std::string_view select(const tree::SelectStmt& select);
  std::string_view select_body(const tree::SelectStmt& select);
  std::string_view insert(const tree::InsertStmt& insert);
  std::string_view update(const tree::UpdateStmt& update);
  std::string_view remove(const tree::DeleteStmt& remove);
  std::string_view merge(const tree::MergeStmt& merge);
  void merge_action(const tree::MergeWhenClause& clause);
  void select_into(const tree::SelectStmt& select);
  void on_conflict(const tree::OnConflictClause& clause);
  void target(const tree::RangeVar* relation, bool also_read);
  void assigned_columns(const tree::List* targets);
  void with(const tree::WithClause* clause);
  void forget_with(std::size_t count);
  void from_alias(const tree::Alias* alias);
  void column(const tree::ColumnRef& column);
  void star(std::string_view qualifier);
  void qualified_column(std::string_view alias, std::string_view column);
  void every_column(std::size_t first);
  void joined_by(std::string_view column, std::size_t first);
  void target_column(std::string_view name);
  void every_target_column();

  // walk_expression.cpp: what calls code
  void call(const tree::FuncCall& call);
  bool function_named(tree::QualifiedName name);
  void called(const tree::List* names);
  void called(std::string_view schema, std::string_view leaf);
  void range_function(const tree::RangeFunction& range);
  void defined_columns(const tree::List* definitions);
  void scalar_function(const tree::RangeFunction& range);
  bool is_call_of_scalar(std::string_view alias, std::string_view name) const;
  void forget_scalars(std::size_t count);
  void field_or_call(std::string_view name);
  void changes_by_call(const FunctionClass& function);
  void sequence(const tree::FuncCall& call, Use use);
  void set_config(const tree::FuncCall& call);
  void operator_named(const tree::List* names);
  void operator_class(const tree::List* names);
  void type_runs(const tree::TypeName* type);
  void constant(const tree::A_Const& constant);
  void value_function(const tree::SQLValueFunction& function);
  void sample(const tree::RangeTableSample& sample);
  void option(const tree::DefElem& option);

  // walk_utility.cpp: the other statements; each returns the verb of what it finally does
  std::string_view statement(const tree::Node* node, Wrapper wrapper);
  std::string_view query(const tree::Node* node);
  std::string_view utility(const tree::Node* node, std::string_view verb, Wrapper wrapper);
  std::string_view explain(const tree::ExplainStmt& explain);
  std::string_view copy(const tree::CopyStmt& copy);
  std::string_view create_as(const tree::CreateTableAsStmt& create);
  std::string_view transaction(const tree::TransactionStmt& transaction, Wrapper wrapper);
  static std::string_view verb_of(const tree::VariableSetStmt& set);
  std::string_view variable(const tree::VariableSetStmt& set, Wrapper wrapper);
  std::string_view prepare(const tree::PrepareStmt& prepare, Wrapper wrapper);
  std::string_view declare(const tree::DeclareCursorStmt& declare, Wrapper wrapper);
  std::string_view session_names(const tree::Node* node, std::string_view verb, Wrapper wrapper);
  void effect(Effect effect, const char* name, Wrapper wrapper);

  // walk_definition.cpp: DDL
  std::string_view definition(const tree::Node* node, std::string_view verb);
  std::string_view definition_parts(const tree::Node* node, std::string_view verb);
  std::string_view drop(const tree::DropStmt& drop);
  void object_named(tree::ObjectType type, const tree::Node* object);
  void alter_table(const tree::AlterTableStmt& alter);
  void large_object(tree::ObjectType type);
  void granted(const tree::GrantStmt& grant);
  void setting(const tree::VariableSetStmt& set);
  void create_table(const tree::CreateStmt& create);
  void plain_strings(const tree::Node* node);

  // walk_names.cpp: names that definitions give
  void no_shadow(std::string_view name);
  void type_named(const tree::List* names);
  void type_made(const tree::Node* node);
  void range_made(const tree::CreateRangeStmt& range);
  void renamed(const tree::RenameStmt& rename);
  void moved(const tree::AlterObjectSchemaStmt& move);
  void elements_of_schema(const tree::Node* node);
  void table_column(std::string_view table, std::string_view column);
  void table_columns(const tree::RangeVar* table, const tree::List* columns);  // null: the target's
  void column_in_list(const tree::Node* names);
  void columns_named(const tree::Node* node);

  // walk_code.cpp: DDL that makes code, names it or runs it unseen
  void code_named(const tree::Node* node);
  void define(const tree::DefineStmt& define);
  void operator_class_item(const tree::CreateOpClassItem& item);
  void function_in(const tree::List* names);
  void function_in(const tree::Node* value);
  void functions_in(const tree::List* options);
  void function_with_arguments(const tree::Node* object);
  void function_renamed(const tree::RenameStmt& rename);
  void function_moved(const tree::AlterObjectSchemaStmt& move);
  void function_given(const tree::AlterOwnerStmt& give);
  void do_block(const tree::DoStmt& block);
  std::string_view create_function(const tree::CreateFunctionStmt& create);
  void parameters(const tree::List* parameters);

  // walk_body.cpp: code in strings
  void sql_body(const char* text);
  void statements_of_body(const tree::List* statements);
  void plpgsql_body(std::string_view text);
  void part_of_body(const BodyPart& part);
  void type_of_body(std::string_view name, std::size_t skip_last);

  const Options& options_;
  const char* stack_base_;  // null: on the deep stack
  Use use_ = Use::read;     // of a relation met on the way

  NameSet verbs_, tables_, reads_, writes_, functions_;
  NameSet columns_;
  std::vector<std::string> literals_;
  Classes classes_ = class_none;
  ActionKind statement_kind_ = ActionKind::session;
  bool open_ = false;         // all lists
  bool reads_open_ = false;   // sql.reads and sql.tables
  bool writes_open_ = false;  // sql.writes, and sql.tables with the other
  bool columns_open_ = false;
  bool functions_open_ = false;
  std::size_t written_ = 0;  // how often a relation was named that is written
  bool names_pg_settings_ = false;
  bool may_change_settings_ = false;
  PathEffect path_;
  bool names_by_path_ = false;
  bool unbounded_ = false;
  CopyFacet copy_;
  bool copy_in_ = false, copy_out_ = false;
  bool outlives_transaction_ = false;
  bool makes_table_ = false;  // the SELECT that was walked last
  ReadingGuard reading_ = ReadingGuard::none;
  Effect effect_ = Effect::none;
  std::string name_;

  std::unordered_map<std::string_view, unsigned> visible_ctes_;
  std::vector<std::string_view> cte_order_;  // as they came into scope
  Ranges ranges_;
  // Functions in FROM that are one value: by alias the names of their columns ("": not known), inner ones
  // last.
  std::unordered_map<std::string_view, std::vector<std::string_view>> scalars_;
  std::vector<std::string_view> scalar_order_;  // aliases as they came into scope
  std::size_t unnamed_scalars_ = 0;             // whose alias the server makes up
  std::size_t scope_ = 0;                       // first of ranges_ that belongs to the innermost query
  std::string_view target_;   // leaf name of the table whose columns are assigned or defined
  std::string_view made_in_;  // schema of what is made without naming one
  int body_depth_ = 0;
  bool in_later_body_ = false;  // of a function, kept as text: names are looked up when it is called
};

}  // namespace clawpatrol::sql
