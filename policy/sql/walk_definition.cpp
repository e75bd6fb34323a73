#include <string>
#include <utility>

#include "policy/sql/settings.h"
#include "policy/sql/tokens.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

// Objects that no relation is part of.
bool is_code(ObjectType type) {
  switch (type) {
    case OBJECT_AGGREGATE:
    case OBJECT_CAST:
    case OBJECT_COLLATION:
    case OBJECT_CONVERSION:
    case OBJECT_DOMAIN:
    case OBJECT_DOMCONSTRAINT:
    case OBJECT_FUNCTION:
    case OBJECT_LANGUAGE:
    case OBJECT_OPCLASS:
    case OBJECT_OPERATOR:
    case OBJECT_OPFAMILY:
    case OBJECT_PROCEDURE:
    case OBJECT_ROUTINE:
    case OBJECT_STATISTIC_EXT:
    case OBJECT_TSCONFIGURATION:
    case OBJECT_TSDICTIONARY:
    case OBJECT_TSPARSER:
    case OBJECT_TSTEMPLATE:
    case OBJECT_TYPE: return true;
    default: return false;
  }
}

bool cascades(const AlterTableStmt& alter) {
  for (const Node* item : cells(alter.cmds)) {
    const auto* command = as<AlterTableCmd>(item);
    if (command == nullptr || command->behavior == DROP_CASCADE) return true;
  }
  return false;
}

bool sets_foreign_options(const AlterTableCmd& command) {
  return command.subtype == AT_GenericOptions || command.subtype == AT_AlterColumnGenericOptions;
}

// Whether a statement changes relations, or what is shared by all, beyond those that it names. `named`: it
// names one that it changes.
bool changes_more(const Node* node, bool named) {
  switch (node->type) {
    case Tag::DropStmt:  // an index's table is not named
      return !named || as<DropStmt>(node)->behavior == DROP_CASCADE ||
             as<DropStmt>(node)->removeType == OBJECT_INDEX;
    case Tag::ReindexStmt: return !named || as<ReindexStmt>(node)->kind == REINDEX_OBJECT_INDEX;
    case Tag::TruncateStmt:
      return as<TruncateStmt>(node)->restart_seqs || as<TruncateStmt>(node)->behavior == DROP_CASCADE;
    case Tag::AlterTableStmt: return cascades(*as<AlterTableStmt>(node));
    case Tag::AlterDomainStmt: {
      // A new check, NOT NULL and VALIDATE read every table that has the domain.
      const auto& alter = *as<AlterDomainStmt>(node);
      const bool checks = alter.subtype == 'C' || alter.subtype == 'O' || alter.subtype == 'V';
      return checks || alter.behavior == DROP_CASCADE;
    }
    case Tag::RenameStmt: {
      const auto& rename = *as<RenameStmt>(node);
      return rename.behavior == DROP_CASCADE || (!named && !is_code(rename.renameType));
    }
    case Tag::AlterObjectSchemaStmt: return !named && !is_code(as<AlterObjectSchemaStmt>(node)->objectType);
    case Tag::AlterOwnerStmt: {
      ObjectType type = as<AlterOwnerStmt>(node)->objectType;
      return !named && !is_code(type) && type != OBJECT_SCHEMA;
    }
    case Tag::GrantStmt: {
      const auto& grant = *as<GrantStmt>(node);
      if (grant.targtype != ACL_TARGET_OBJECT) return true;
      return !named && !is_code(grant.objtype) && grant.objtype != OBJECT_SCHEMA;
    }
    case Tag::ImportForeignSchemaStmt:
      return as<ImportForeignSchemaStmt>(node)->list_type != FDW_IMPORT_SCHEMA_LIMIT_TO;
    // What makes or changes something that is no relation, and reaches none.
    case Tag::AlterCollationStmt:
    case Tag::AlterEnumStmt:
    case Tag::AlterFunctionStmt:
    case Tag::AlterOpFamilyStmt:
    case Tag::AlterOperatorStmt:
    case Tag::AlterStatsStmt:
    case Tag::AlterTSConfigurationStmt:
    case Tag::AlterTSDictionaryStmt:
    case Tag::AlterTypeStmt:
    case Tag::CommentStmt:
    case Tag::CompositeTypeStmt:
    case Tag::CreateAmStmt:
    case Tag::CreateCastStmt:
    case Tag::CreateConversionStmt:
    case Tag::CreateDomainStmt:
    case Tag::CreateEnumStmt:
    case Tag::CreateFunctionStmt:
    case Tag::CreateOpClassStmt:
    case Tag::CreateOpFamilyStmt:
    case Tag::CreatePLangStmt:
    case Tag::CreateRangeStmt:
    case Tag::CreateSchemaStmt:
    case Tag::CreateTransformStmt:
    case Tag::DefineStmt:
    case Tag::SecLabelStmt:
    // What changes nothing that lasts.
    case Tag::CallStmt:
    case Tag::CheckPointStmt:
    case Tag::ConstraintsSetStmt:
    case Tag::LockStmt:
    case Tag::ReturnStmt:
    case Tag::NotifyStmt:
    case Tag::UnlistenStmt:
    case Tag::VariableShowStmt: return false;
    default: return !named;
  }
}

}  // namespace

// DDL and what else has no function of its own: the relations that it names are changed by it.
std::string_view Walk::definition(const Node* node, std::string_view name) {
  if (const auto* grant = as<GrantStmt>(node)) name = grant->is_grant ? "grant" : "revoke";
  if (const auto* grant = as<GrantRoleStmt>(node)) name = grant->is_grant ? "grant" : "revoke";
  if (const auto* vacuum = as<VacuumStmt>(node)) name = vacuum->is_vacuumcmd ? "vacuum" : "analyze";
  verb(name);
  plain_strings(node);
  std::size_t before = written_;
  name = definition_parts(node, name);
  if (changes_more(node, written_ > before)) reaches_further();
  if (node->type == Tag::NotifyStmt) writes_open_ = true;  // no relation
  if ((node->type == Tag::ViewStmt || node->type == Tag::RuleStmt) && names_pg_settings_)
    classify(class_settings);
  return name;
}

std::string_view Walk::definition_parts(const Node* node, std::string_view name) {
  type_made(node);
  code_named(node);
  switch (node->type) {
    case Tag::DropStmt: return drop(*as<DropStmt>(node));
    case Tag::CreateFunctionStmt: return create_function(*as<CreateFunctionStmt>(node));
    case Tag::CreateStmt: create_table(*as<CreateStmt>(node)); return name;
    case Tag::CreateForeignTableStmt:
      create_table(as<CreateForeignTableStmt>(node)->base);
      list(as<CreateForeignTableStmt>(node)->options);
      return name;
    case Tag::ConstraintsSetStmt: return name;  // its names are constraints
    case Tag::CompositeTypeStmt:                // its name is a type's
      for (const Node* item : cells(as<CompositeTypeStmt>(node)->coldeflist)) {
        // A type that is not a built-in one can be a table's row.
        const auto* column = as<ColumnDef>(item);
        if (column != nullptr && column->typeName != nullptr && !is_built_in(*column->typeName))
          relation_in_list(node_of(column->typeName->names), 0, Use::read);
        this->node(item);
      }
      return name;
    case Tag::LockStmt: {  // a lock runs no code, whatever it locks
      bool before = may_change_settings_;
      fields(node);
      may_change_settings_ = before;
      return name;
    }
    case Tag::CreateSchemaStmt:
    case Tag::ImportForeignSchemaStmt: elements_of_schema(node); return name;
    case Tag::RenameStmt: renamed(*as<RenameStmt>(node)); break;
    case Tag::AlterObjectSchemaStmt: moved(*as<AlterObjectSchemaStmt>(node)); break;
    case Tag::GrantStmt: granted(*as<GrantStmt>(node)); break;
    case Tag::AlterOwnerStmt: large_object(as<AlterOwnerStmt>(node)->objectType); break;
    case Tag::CreateTrigStmt:
      table_columns(as<CreateTrigStmt>(node)->relation, as<CreateTrigStmt>(node)->columns);
      break;
    case Tag::TruncateStmt: unbounded_ = true; break;
    case Tag::CreateStatsStmt:  // its one table comes behind the columns
      list(as<CreateStatsStmt>(node)->relations);
      list(as<CreateStatsStmt>(node)->exprs);
      return name;
    case Tag::ViewStmt: table_columns(as<ViewStmt>(node)->view, as<ViewStmt>(node)->aliases); break;
    case Tag::CommentStmt: object_named(as<CommentStmt>(node)->objtype, as<CommentStmt>(node)->object); break;
    case Tag::AlterExtensionContentsStmt:
      object_named(as<AlterExtensionContentsStmt>(node)->objtype,
                   as<AlterExtensionContentsStmt>(node)->object);
      break;
    case Tag::SecLabelStmt:
      object_named(as<SecLabelStmt>(node)->objtype, as<SecLabelStmt>(node)->object);
      break;
    case Tag::AlterTableStmt: alter_table(*as<AlterTableStmt>(node)); break;
    default: break;
  }
  fields(node);
  return name;
}

void Walk::alter_table(const AlterTableStmt& alter) {
  for (const Node* item : cells(alter.cmds)) {
    const auto* command = as<AlterTableCmd>(item);
    if (command == nullptr) continue;
    table_column(view(alter.relation->relname), view(command->name));
    if (const auto* definition = as<ColumnDef>(command->def)) {
      type_runs(definition->typeName);
      table_column(view(alter.relation->relname), view(definition->colname));
    }
    if (sets_foreign_options(*command)) {
      classify(class_network);
      unknown_code();  // the wrapper's, which checks them
    }
  }
}

// Constants that the grammar keeps as plain strings of the statement.
void Walk::plain_strings(const Node* node) {
  const char* text = nullptr;
  if (const auto* notify = as<NotifyStmt>(node)) text = notify->payload;
  if (const auto* comment = as<CommentStmt>(node)) text = comment->comment;
  if (const auto* label = as<SecLabelStmt>(node)) text = label->label;
  if (const auto* load = as<LoadStmt>(node)) text = load->filename;
  if (const auto* space = as<CreateTableSpaceStmt>(node)) text = space->location;
  if (const auto* subscription = as<CreateSubscriptionStmt>(node)) text = subscription->conninfo;
  if (const auto* subscription = as<AlterSubscriptionStmt>(node)) text = subscription->conninfo;
  if (const auto* value = as<AlterEnumStmt>(node)) text = value->newVal;
  if (text != nullptr) literal(view(text));
  const List* texts = nullptr;
  if (const auto* trigger = as<CreateTrigStmt>(node)) texts = trigger->args;
  if (const auto* values = as<CreateEnumStmt>(node)) texts = values->vals;
  for (const Node* item : cells(texts)) literal(string_of(item));
}

std::string_view Walk::drop(const DropStmt& drop) {
  for (const Node* object : cells(drop.objects)) object_named(drop.removeType, object);
  return "drop";
}

void Walk::large_object(ObjectType type) {
  if (type == OBJECT_LARGEOBJECT) classify(class_large_object);
}

// Functions are named, columns are of every table: of thousands each that would be millions.
void Walk::granted(const GrantStmt& grant) {
  constexpr std::int64_t most_pairs = 1000;
  large_object(grant.objtype);
  std::int64_t columns = 0;
  for (const Node* item : cells(grant.privileges)) {
    if (const auto* privilege = as<AccessPriv>(item)) columns += length(privilege->cols);
  }
  const bool few = columns * length(grant.objects) <= most_pairs;
  columns_open_ |= !few;
  for (const Node* object : cells(grant.objects)) {
    if (const auto* function = as<ObjectWithArgs>(object)) function_named(qualified(function->objname));
    for (const Node* item : few ? cells(grant.privileges) : cells(nullptr)) {
      if (const auto* privilege = as<AccessPriv>(item)) table_columns(as<RangeVar>(object), privilege->cols);
    }
  }
}

void Walk::object_named(ObjectType type, const Node* object) {
  large_object(type);
  if (is_relation(type)) return relation_in_list(object, 0, Use::write);
  switch (type) {
    case OBJECT_COLUMN: column_in_list(object); [[fallthrough]];
    case OBJECT_TRIGGER:
    case OBJECT_RULE:
    case OBJECT_POLICY:
    case OBJECT_TABCONSTRAINT: return relation_in_list(object, 1, Use::write);
    default: return;
  }
}

void Walk::create_table(const CreateStmt& create) {
  relation(create.relation, Use::write);
  use_ = Use::read;
  for (const Node* element : cells(create.tableElts)) {
    if (const auto* column = as<ColumnDef>(element)) table_column(target_, view(column->colname));
  }
  list(create.tableElts);
  for (const Node* parent : cells(create.inhRelations)) {  // what is in the table is in its parents too
    relation(as<RangeVar>(parent), Use::write);
    node(parent);
  }
  node(reinterpret_cast<const Node*>(create.partbound));
  node(reinterpret_cast<const Node*>(create.partspec));
  list(create.constraints);
  list(create.options);
}

// SET in any of its homes: of a session, a role, a database, a function, the system.
void Walk::setting(const VariableSetStmt& set) {
  std::string_view name = view(set.name);
  list(set.args);
  if (set.kind == VAR_SET_MULTI) {
    if (name == "SESSION CHARACTERISTICS") classify(class_settings);
    return;
  }
  classify(class_settings);
  classify(setting_classes(name));
  if (set.kind == VAR_RESET_ALL || decides_reading(name)) may_change_settings();
  if (setting_matters(name)) raise(ActionKind::admin);
  // RESET and DEFAULT go back to what the login set, which the gateway decided; FROM CURRENT copies what is.
  if (set.kind != VAR_SET_VALUE) return;
  std::optional<std::string_view> value;
  const auto* only = length(set.args) == 1 ? as<A_Const>(*cells(set.args).begin()) : nullptr;
  if (only != nullptr && !only->isnull && only->val.node.type == Tag::String)
    value = view(only->val.sval.sval);
  if (only != nullptr && !only->isnull && only->val.node.type == Tag::Integer && only->val.ival.ival == 1)
    value = "1";
  guard(guard_setting(name, value));
}

}  // namespace clawpatrol::sql
