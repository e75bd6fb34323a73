// DDL that makes code, names it or runs it unseen.
#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "policy/sql/settings.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

// What CREATE AGGREGATE, OPERATOR and TYPE define calls functions; the other objects of DefineStmt do not.
bool defines_code(ObjectType type) {
  return type == OBJECT_AGGREGATE || type == OBJECT_OPERATOR || type == OBJECT_TYPE ||
         type == OBJECT_TSPARSER || type == OBJECT_TSTEMPLATE;
}

bool is_function(ObjectType type) {
  return type == OBJECT_FUNCTION || type == OBJECT_PROCEDURE || type == OBJECT_ROUTINE ||
         type == OBJECT_AGGREGATE;
}

// Options of definitions whose value is a function's name.
bool names_function(std::string_view option) {
  static constexpr std::string_view names[] = {
      "analyze",      "canonical",  "combinefunc", "deserialfunc", "end",      "finalfunc", "function",
      "gettoken",     "handler",    "headline",    "init",         "input",    "join",      "lexize",
      "lextypes",     "mfinalfunc", "minvfunc",    "msfunc",       "output",   "procedure", "receive",
      "restrict",     "send",       "serialfunc",  "sfunc",        "sfunc1",   "start",     "subscript",
      "subtype_diff", "support",    "typmod_in",   "typmod_out",   "validator"};
  static_assert(std::ranges::is_sorted(names));
  return std::ranges::binary_search(names, option);
}

// Of an aggregate: its initial value is made when it is.
bool names_state_type(std::string_view option) {
  return option == "stype" || option == "stype1" || option == "mstype";
}

// A library's, an extension's script, a foreign data wrapper's: that checks every option and makes the
// commands of IMPORT.
bool runs_code_unseen(Tag tag) {
  switch (tag) {
    case Tag::LoadStmt:
    case Tag::CreateExtensionStmt:
    case Tag::AlterExtensionStmt:
    case Tag::AlterFdwStmt:
    case Tag::CreateForeignServerStmt:
    case Tag::AlterForeignServerStmt:
    case Tag::CreateUserMappingStmt:
    case Tag::AlterUserMappingStmt:
    case Tag::CreateForeignTableStmt:
    case Tag::ImportForeignSchemaStmt: return true;
    default: return false;
  }
}

constexpr std::string_view no_column("\0", 1);  // can be no identifier

}  // namespace

void Walk::function_in(const List* names) {
  if (length(names) > 0) called(names);
}

// A function's name as options have it: a type's, as it seems to the grammar, a list or a string.
void Walk::function_in(const Node* value) {
  if (const auto* type = as<TypeName>(value)) function_in(type->names);
  if (const auto* text = as<String>(value)) called({}, view(text->sval));
  if (value != nullptr && value->type == Tag::List) function_in(reinterpret_cast<const List*>(value));
}

void Walk::functions_in(const List* options) {
  for (const Node* item : cells(options)) {
    const auto* option = as<DefElem>(item);
    if (option == nullptr) continue;
    if (names_function(view(option->defname))) {
      classify(class_code);
      function_in(option->arg);
    }
    if (names_state_type(view(option->defname))) type_runs(as<TypeName>(option->arg));
  }
}

void Walk::function_with_arguments(const Node* object) {
  if (const auto* function = as<ObjectWithArgs>(object)) function_in(function->objname);
}

// Functions that a definition names: what it makes calls them, by a name that need not tell. It may call them
// itself.
void Walk::code_named(const Node* node) {
  if (runs_code_unseen(node->type)) unknown_code();
  switch (node->type) {
    case Tag::DefineStmt: return define(*as<DefineStmt>(node));
    case Tag::CreateRangeStmt: return functions_in(as<CreateRangeStmt>(node)->params);
    case Tag::AlterTypeStmt: return functions_in(as<AlterTypeStmt>(node)->options);
    case Tag::AlterOperatorStmt: return functions_in(as<AlterOperatorStmt>(node)->options);
    case Tag::AlterFunctionStmt: return functions_in(as<AlterFunctionStmt>(node)->actions);
    case Tag::CreateFdwStmt: return functions_in(as<CreateFdwStmt>(node)->func_options);
    case Tag::AlterFdwStmt: return functions_in(as<AlterFdwStmt>(node)->func_options);
    case Tag::CreateCastStmt: return function_with_arguments(node_of(as<CreateCastStmt>(node)->func));
    case Tag::CreateTransformStmt:
      function_with_arguments(node_of(as<CreateTransformStmt>(node)->fromsql));
      return function_with_arguments(node_of(as<CreateTransformStmt>(node)->tosql));
    case Tag::CreateConversionStmt: return function_in(as<CreateConversionStmt>(node)->func_name);
    case Tag::CreateAmStmt: return function_in(as<CreateAmStmt>(node)->handler_name);
    case Tag::CreatePLangStmt:
      function_in(as<CreatePLangStmt>(node)->plhandler);
      function_in(as<CreatePLangStmt>(node)->plinline);
      return function_in(as<CreatePLangStmt>(node)->plvalidator);
    case Tag::CreateTrigStmt: return function_in(as<CreateTrigStmt>(node)->funcname);
    case Tag::CreateEventTrigStmt: return function_in(as<CreateEventTrigStmt>(node)->funcname);
    case Tag::RenameStmt: return function_renamed(*as<RenameStmt>(node));
    case Tag::AlterObjectSchemaStmt: return function_moved(*as<AlterObjectSchemaStmt>(node));
    case Tag::AlterOwnerStmt: return function_given(*as<AlterOwnerStmt>(node));
    case Tag::DoStmt: return do_block(*as<DoStmt>(node));
    default: return;
  }
}

void Walk::define(const DefineStmt& define) {
  if (!defines_code(define.kind)) return;
  classify(class_code);
  functions_in(define.definition);
}

// Of an operator class; an operator or function of the operator's own runs whenever the class is used.
void Walk::operator_class_item(const CreateOpClassItem& item) {
  constexpr std::int32_t an_operator = 1, a_function = 2;  // OPCLASS_ITEM_* of PostgreSQL's parsenodes.h
  if (item.name == nullptr) return;
  if (item.itemtype == an_operator) operator_named(item.name->objname);
  if (item.itemtype == a_function) function_in(item.name->objname);
}

// From then on it is called by a name that tells something else.
void Walk::function_renamed(const RenameStmt& rename) {
  if (!is_function(rename.renameType)) return;
  classify(class_code);
  function_with_arguments(rename.object);
  called({}, view(rename.newname));
}

void Walk::function_moved(const AlterObjectSchemaStmt& move) {
  if (!is_function(move.objectType)) return;
  classify(class_code);
  function_with_arguments(move.object);
}

void Walk::function_given(const AlterOwnerStmt& give) {
  const auto* function = as<ObjectWithArgs>(give.object);
  if (function != nullptr && is_function(give.objectType)) function_named(qualified(function->objname));
}

void Walk::do_block(const DoStmt& block) {
  unknown_code();
  std::string_view language = "plpgsql", body;
  for (const Node* item : cells(block.args)) {
    const auto* option = as<DefElem>(item);
    if (option == nullptr) continue;
    if (view(option->defname) == "language") language = string_of(option->arg);
    if (view(option->defname) == "as") body = string_of(option->arg);
  }
  if (mentions_reading_settings(body)) guard(ReadingGuard::refused);
  if (language == "plpgsql") plpgsql_body(body);
}

std::string_view Walk::create_function(const CreateFunctionStmt& create) {
  std::string_view language = create.sql_body == nullptr ? "" : "sql";
  const char* body = nullptr;
  for (const Node* item : cells(create.options)) {
    const auto* option = as<DefElem>(item);
    if (option == nullptr) continue;
    if (view(option->defname) == "language") language = string_of(option->arg);
    if (view(option->defname) == "support") function_in(option->arg);
    if (view(option->defname) != "as" || option->arg == nullptr || option->arg->type != Tag::List) continue;
    for (const Node* part : cells(reinterpret_cast<const List*>(option->arg))) body = as<String>(part)->sval;
  }
  list(create.parameters);
  list(create.options);
  const std::size_t scalars = scalar_order_.size();
  parameters(create.parameters);
  if (create.sql_body != nullptr) {
    node(create.sql_body);
  } else if (language == "sql" && body != nullptr) {
    const bool outer = std::exchange(in_later_body_, true);
    sql_body(body);
    in_later_body_ = outer;
  } else {
    unknown_code();
    if (mentions_reading_settings(view(body))) guard(ReadingGuard::refused);
    if (language == "plpgsql") plpgsql_body(view(body));
  }
  forget_scalars(scalars);
  return "create";
}

// In the body of an SQL function p.name is name(p), or a field of a composite parameter. What it returns has
// no names there.
void Walk::parameters(const List* parameters) {
  for (const Node* item : cells(parameters)) {
    const auto* parameter = as<FunctionParameter>(item);
    if (parameter == nullptr || parameter->name == nullptr || parameter->argType == nullptr) continue;
    if (parameter->mode == FUNC_PARAM_OUT || parameter->mode == FUNC_PARAM_TABLE) continue;
    scalars_[view(parameter->name)].push_back(is_built_in(*parameter->argType) ? no_column
                                                                               : std::string_view());
    scalar_order_.push_back(view(parameter->name));
  }
}

}  // namespace clawpatrol::sql
