// Names that definitions give to types, relations and columns, or use without an expression around them.
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

// pg_temp is searched first: what has a built-in type's name there is what casts and constants mean from then
// on.
void Walk::no_shadow(std::string_view name) {
  if (is_catalog_type(name)) guard(ReadingGuard::refused);
}

// Without a schema it is made where the search path begins, which can be pg_temp.
void Walk::type_named(const List* names) {
  auto [schema, leaf] = qualified(names);
  if (schema.empty() || is_temporary(schema)) no_shadow(leaf);
}

// Names that types get.
void Walk::type_made(const Node* node) {
  switch (node->type) {
    case Tag::CreateDomainStmt: return type_named(as<CreateDomainStmt>(node)->domainname);
    case Tag::CreateEnumStmt: return type_named(as<CreateEnumStmt>(node)->typeName);
    case Tag::CreateRangeStmt: return range_made(*as<CreateRangeStmt>(node));
    case Tag::DefineStmt:
      if (as<DefineStmt>(node)->kind == OBJECT_TYPE) type_named(as<DefineStmt>(node)->defnames);
      return;
    case Tag::CompositeTypeStmt: {
      const RangeVar* name = as<CompositeTypeStmt>(node)->typevar;
      if (name == nullptr) return;
      const bool temporary = name->schemaname == nullptr || is_temporary(view(name->schemaname));
      if (temporary) no_shadow(view(name->relname));
      return;
    }
    case Tag::RenameStmt: {
      // Whether what is renamed is temporary, the text does not always tell.
      const ObjectType type = as<RenameStmt>(node)->renameType;
      if (is_relation(type) || type == OBJECT_TYPE || type == OBJECT_DOMAIN)
        no_shadow(view(as<RenameStmt>(node)->newname));
      return;
    }
    default: return;
  }
}

// It comes with a type of multiranges.
void Walk::range_made(const CreateRangeStmt& range) {
  type_named(range.typeName);
  for (const Node* item : cells(range.params)) {
    const auto* option = as<DefElem>(item);
    if (option == nullptr || view(option->defname) != "multirange_type_name") continue;
    if (const auto* name = as<TypeName>(option->arg)) type_named(name->names);
    if (const auto* name = as<String>(option->arg)) no_shadow(view(name->sval));
  }
}

// The names that relations and columns get.
void Walk::renamed(const RenameStmt& rename) {
  if (rename.relation == nullptr) return;
  std::string_view table = view(rename.relation->relname);
  if (is_relation(rename.renameType))
    relation_named(view(rename.relation->schemaname), view(rename.newname), Use::write);
  if (rename.renameType != OBJECT_COLUMN && rename.renameType != OBJECT_ATTRIBUTE) return;
  table_column(table, view(rename.subname));
  table_column(table, view(rename.newname));
}

void Walk::moved(const AlterObjectSchemaStmt& move) {
  if (move.relation != nullptr && is_relation(move.objectType))
    relation_named(view(move.newschema), view(move.relation->relname), Use::write);
}

// What is unqualified in CREATE SCHEMA and IMPORT is made there.
void Walk::elements_of_schema(const Node* node) {
  if (const auto* create = as<CreateSchemaStmt>(node)) {
    made_in_ = view(create->schemaname);
    const RoleSpec* role = create->authrole;
    if (made_in_.empty() && role != nullptr) made_in_ = view(role->rolename);
  }
  if (const auto* import = as<ImportForeignSchemaStmt>(node)) made_in_ = view(import->local_schema);
  fields(node);
  made_in_ = {};
}

void Walk::table_column(std::string_view table, std::string_view column) {
  if (column.empty() || !options_.asked.columns) return;
  columns_.add(column);
  if (!table.empty()) columns_.add(table, column);
}

void Walk::table_columns(const RangeVar* table, const List* columns) {
  for (const Node* column : cells(columns))
    table_column(table == nullptr ? target_ : view(table->relname), string_of(column));
}

// A name that ends with table and column.
void Walk::column_in_list(const Node* names) {
  if (names == nullptr || names->type != Tag::List) return;
  auto [table, column] = qualified(reinterpret_cast<const List*>(names));
  table_column(table, column);
}

// Columns that stand in a definition by their mere name; those of no table's are of the one that is defined.
void Walk::columns_named(const Node* node) {
  switch (node->type) {
    case Tag::IndexElem: return table_column(target_, view(as<IndexElem>(node)->name));
    case Tag::PartitionElem: return table_column(target_, view(as<PartitionElem>(node)->name));
    case Tag::StatsElem: return table_column(target_, view(as<StatsElem>(node)->name));
    case Tag::VacuumRelation:
      return table_columns(as<VacuumRelation>(node)->relation, as<VacuumRelation>(node)->va_cols);
    case Tag::PublicationTable:
      return table_columns(as<PublicationTable>(node)->relation, as<PublicationTable>(node)->columns);
    case Tag::Constraint: {
      const auto& constraint = *as<Constraint>(node);
      for (const List* columns : {constraint.keys, constraint.including, constraint.fk_attrs})
        table_columns(nullptr, columns);
      return table_columns(constraint.pktable, constraint.pk_attrs);
    }
    default: return;
  }
}

}  // namespace clawpatrol::sql
