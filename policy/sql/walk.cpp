#include "policy/sql/walk.h"

#include <utility>

#include "policy/sql/deep_stack.h"

namespace clawpatrol::sql {

using namespace tree;

Walk::Walk(const Options& options)
    : options_(options),
      stack_base_(static_cast<const char*>(__builtin_frame_address(0))),
      columns_(options.asked.columns ? NameSet::Takes::every_name : NameSet::Takes::none) {}

Statement Walk::run(const Node* statement) {
  return finish(this->statement(statement, Wrapper::none));
}

// All recursion comes through here. When it has used enough of the caller's stack, it goes on upon the deep
// one.
void Walk::node(const Node* node) {
  if (node == nullptr) return;
  if (stack_base_ == nullptr || stack_base_ - static_cast<const char*>(__builtin_frame_address(0)) <
                                    static_cast<std::ptrdiff_t>(shallow_stack_bytes)) {
    return dispatch(node);
  }
  std::pair<Walk*, const Node*> job(this, node);
  const char* base = std::exchange(stack_base_, nullptr);
  on_deep_stack(
      [](void* argument) {
        auto* work = static_cast<std::pair<Walk*, const Node*>*>(argument);
        work->first->dispatch(work->second);
      },
      &job);
  stack_base_ = base;
}

void Walk::dispatch(const Node* node) {
  switch (node->type) {
    case Tag::List: return list(reinterpret_cast<const List*>(node));
    case Tag::IntList:
    case Tag::OidList: return;
    case Tag::RangeVar: return relation(as<RangeVar>(node), use_);
    case Tag::Alias: return from_alias(as<Alias>(node));
    case Tag::ColumnRef: return column(*as<ColumnRef>(node));
    case Tag::A_Const: return constant(*as<A_Const>(node));
    case Tag::FuncCall: return call(*as<FuncCall>(node));
    case Tag::SQLValueFunction: return value_function(*as<SQLValueFunction>(node));
    case Tag::RangeTableSample: return sample(*as<RangeTableSample>(node));
    case Tag::DefElem: return option(*as<DefElem>(node));
    case Tag::MergeWhenClause: return merge_action(*as<MergeWhenClause>(node));
    // Its names are aliases of FROM, not relations.
    case Tag::LockingClause: return raise(ActionKind::write);
    case Tag::VariableSetStmt: return setting(*as<VariableSetStmt>(node));
    case Tag::A_Expr:
      // Of BETWEEN the name is its keyword; it compares with >= and <=.
      if (as<A_Expr>(node)->kind < AEXPR_BETWEEN) operator_named(as<A_Expr>(node)->name);
      break;
    case Tag::A_Indirection:
      for (const Node* part : cells(as<A_Indirection>(node)->indirection)) {
        if (part != nullptr && part->type == Tag::String) field_or_call(string_of(part));
      }
      break;
    case Tag::SubLink: operator_named(as<SubLink>(node)->operName); break;
    case Tag::SortBy: operator_named(as<SortBy>(node)->useOp); break;
    case Tag::JoinExpr: {
      const std::size_t first = ranges_.size();
      fields(node);
      for (const Node* name : cells(as<JoinExpr>(node)->usingClause)) joined_by(string_of(name), first);
      // By an alias of the join its columns and rows are used without a table's name; NATURAL compares
      // whatever columns have one name.
      if (as<JoinExpr>(node)->alias != nullptr || as<JoinExpr>(node)->isNatural) every_column(first);
      return;
    }
    case Tag::RangeFunction: range_function(*as<RangeFunction>(node)); break;
    case Tag::StatsElem:
    case Tag::VacuumRelation:
    case Tag::PublicationTable: columns_named(node); break;
    case Tag::IndexElem:
      columns_named(node);
      operator_class(as<IndexElem>(node)->opclass);
      break;
    case Tag::CreateOpClassItem: operator_class_item(*as<CreateOpClassItem>(node)); break;
    case Tag::PartitionElem:
      columns_named(node);
      operator_class(as<PartitionElem>(node)->opclass);
      break;
    case Tag::Constraint:
      columns_named(node);
      for (const Node* pair : cells(as<Constraint>(node)->exclusions)) {  // an element and its operator
        if (pair == nullptr || pair->type != Tag::List) continue;
        for (const Node* part : cells(reinterpret_cast<const List*>(pair))) {
          if (part != nullptr && part->type == Tag::List) operator_named(reinterpret_cast<const List*>(part));
        }
      }
      [[fallthrough]];
    case Tag::TableLikeClause: {  // the tables in them are referred to
      Use outer = std::exchange(use_, Use::read);
      fields(node);
      use_ = outer;
      return;
    }
    case Tag::TypeName:
      // table.column%TYPE
      if (as<TypeName>(node)->pct_type)
        relation_in_list(reinterpret_cast<const Node*>(as<TypeName>(node)->names), 1, Use::read);
      break;
    case Tag::PublicationObjSpec:  // all tables of a schema
      if (as<PublicationObjSpec>(node)->pubobjtype != PUBLICATIONOBJ_TABLE) reaches_further();
      break;
    case Tag::TypeCast: type_runs(as<TypeCast>(node)->typeName); break;
    case Tag::XmlSerialize: type_runs(as<XmlSerialize>(node)->typeName); break;
    case Tag::RangeTableFuncCol: type_runs(as<RangeTableFuncCol>(node)->typeName); break;
    default: break;
  }
  const NodeDecision* decision = find_decision(node->type);
  if (decision != nullptr && decision->part == Part::statement) {
    statement(node, Wrapper::nested);
  } else if (decision != nullptr && decision->part == Part::clause) {
    fields(node);
  } else {
    raise(ActionKind::admin);
    unknown_code();
  }
}

void Walk::fields(const Node* at) {
  const NodeKind* kind = find_kind(at->type);
  if (kind == nullptr || kind->fields == nullptr) return unknown_code();
  for (const Field* field = kind->fields; field->kind != FieldKind::end; ++field) {
    const char* place = reinterpret_cast<const char*>(at) + field->offset;
    switch (field->kind) {
      case FieldKind::node:
      case FieldKind::typed_node: node(*reinterpret_cast<const Node* const*>(place)); break;
      case FieldKind::list: node(*reinterpret_cast<const Node* const*>(place)); break;
      default: break;
    }
  }
}

void Walk::list(const List* list) {
  for (const Node* cell : cells(list)) node(cell);
}

void Walk::relation(const RangeVar* relation, Use use) {
  if (relation == nullptr || relation->relname == nullptr) return;
  std::string_view name = relation->relname;
  bool cte = use == Use::read && relation->schemaname == nullptr && !visible_ctes_.empty() &&
             visible_ctes_.contains(name);
  std::string_view alias = relation->alias == nullptr ? name : view(relation->alias->aliasname);
  const bool temporary = relation->relpersistence == 't' || is_temporary(view(relation->schemaname));
  if (use == Use::write && temporary) no_shadow(name);
  if (use == Use::write) target_ = name;
  ranges_.add(alias, cte ? std::string_view() : name);
  // Columns that have other names here: which, only the table tells.
  const bool renames = relation->alias != nullptr && length(relation->alias->colnames) > 0;
  if (renames && !cte) every_column(ranges_.size() - 1);
  if (!cte) relation_named(view(relation->schemaname), name, use);
}

// Unqualified, it could be in any schema of the search path: public, and pg_catalog, which is searched before
// the path, when it has a relation of that name. The schema named as the user is the session's to know.
void Walk::relation_named(std::string_view schema, std::string_view name, Use use) {
  bool catalog = is_catalog_relation(name) && (schema.empty() || schema == "pg_catalog");
  // Unqualified, a name of the catalogue can be a temporary view's: pg_temp comes first.
  bool certain = (schema == "pg_catalog" && is_catalog_relation(name)) || schema == "information_schema";
  if (use == Use::write || !certain) may_change_settings();
  if (catalog) classify(catalog_relation_classes(name));
  if (use == Use::write) ++written_;
  if (catalog && name == "pg_settings") names_pg_settings_ = true;
  if (catalog && holds_values_of_tables(name)) reads_open_ = true;
  if (schema == "pg_toast" || name.starts_with("pg_toast_")) reaches_further();  // a part of another table
  if (schema.empty()) by_path();
  // The path of whoever calls it, or of its own SET clause.
  if (schema.empty() && in_later_body_ && !catalog) reaches_further();
  NameSet& used = use == Use::read ? reads_ : writes_;
  for (NameSet* names : {&tables_, &used}) {
    names->add(name);
    if (!schema.empty()) names->add(schema, name);
    if (schema.empty()) {
      const std::vector<std::string>& path = path_of(options_.search_path).schemas;
      for (const std::string& searched : path) names->add(searched, name);
      // Where nothing else is searched: so that who demands something of every qualified name asks of this
      // one.
      if (path.empty() && made_in_.empty() && !catalog) names->add("pg_temp", name);
    }
    if (schema.empty() && !made_in_.empty()) names->add(made_in_, name);
    if (schema.empty() && catalog) names->add("pg_catalog", name);
  }
  if (use == Use::write && (catalog || schema == "pg_catalog" || schema == "pg_toast")) {
    classify(class_admin);
    if (name == "pg_settings") {
      classify(class_settings);
      guard(ReadingGuard::refused);
    }
  }
}

// A name as DROP and COMMENT have it: a list of strings, of which the last `skip_last` name something in it.
void Walk::relation_in_list(const Node* names, std::size_t skip_last, Use use) {
  std::vector<std::string_view> parts;
  if (names != nullptr && names->type == Tag::List) {
    for (const Node* part : cells(reinterpret_cast<const List*>(names))) parts.push_back(string_of(part));
  }
  if (parts.size() <= skip_last) return;
  parts.resize(parts.size() - skip_last);
  relation_named(parts.size() > 1 ? parts[parts.size() - 2] : std::string_view(), parts.back(), use);
}

// A name was met that has no schema.
void Walk::by_path() {
  names_by_path_ = true;
  if (path_of(options_.search_path).certain) return;
  reaches_further();
  functions_open_ = true;
}

void Walk::unknown_code() {
  open_ = true;
  may_change_settings();
  classify(class_unknown_code);
}

Statement Walk::finish(std::string_view verb) {
  Statement done;
  auto listed = [this](NameSet& names, bool open = false) { return NameList{names.take(), open_ || open}; };
  done.facets.verb = std::string(verb);
  done.facets.verbs = listed(verbs_);
  done.facets.tables = listed(tables_, reads_open_);
  done.facets.reads = listed(reads_, reads_open_);
  done.facets.writes = listed(writes_, writes_open_);
  if (options_.asked.columns)
    done.facets.columns = listed(columns_, columns_open_);
  else
    done.facets.columns = Unknown::not_asked;
  done.facets.functions = listed(functions_, functions_open_);
  done.facets.classes = NameList{names_of_classes(classes_), open_};
  done.facets.unbounded = unbounded_;
  done.facets.copy = copy_;
  if (options_.asked.literals)
    done.facets.literals = NameList{std::move(literals_), open_};
  else
    done.facets.literals = Unknown::not_asked;
  done.kind = std::max(statement_kind_, kind_of_classes(classes_));
  done.effect = effect_;
  done.name = std::move(name_);
  done.outlives_transaction = outlives_transaction_;
  done.enters_copy_in = copy_in_;
  done.enters_copy_out = copy_out_;
  done.runs_unread_code = open_;
  done.may_change_settings = may_change_settings_;
  done.path = path_;
  done.names_by_path = names_by_path_;
  done.reading = reading_;
  return done;
}

}  // namespace clawpatrol::sql
