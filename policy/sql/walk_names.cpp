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

}  // namespace clawpatrol::sql
