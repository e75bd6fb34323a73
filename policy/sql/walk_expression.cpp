#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "policy/sql/settings.h"
#include "policy/sql/tokens.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

bool is_text(const TypeName& type) {
  if (type.setof || type.pct_type || length(type.typmods) > 0 || length(type.arrayBounds) > 0) return false;
  auto [schema, leaf] = qualified(type.names);
  bool certain = length(type.names) == 1 || (length(type.names) == 2 && schema == "pg_catalog");
  return certain && leaf == "text";
}

// The text of a string constant that the server takes as it stands: bare or cast to text, since any other
// type can cut it or trim it (varchar(27), bpchar, name). Null for anything else.
const char* string_constant(const Node* node) {
  if (const auto* cast = as<TypeCast>(node)) {
    if (cast->typeName == nullptr || !is_text(*cast->typeName)) return nullptr;
    node = cast->arg;
  }
  const auto* constant = as<A_Const>(node);
  if (constant == nullptr || constant->isnull || constant->val.node.type != Tag::String) return nullptr;
  return constant->val.sval.sval;
}

// Of a function in FROM that returns one value; by its one OUT parameter where it has one.
std::string_view column_of(std::string_view function, std::string_view alias) {
  if (function.starts_with("json") && function.find("_array_elements") != std::string_view::npos)
    return "value";
  return function == "pg_partition_ancestors" ? "relid" : alias;
}

}  // namespace

void Walk::call(const FuncCall& call) {
  called(call.funcname);
  QualifiedName name = qualified(call.funcname);
  if (name.schema.empty() || name.schema == "pg_catalog") {
    if (name.leaf == "set_config") set_config(call);
    if (name.leaf == "nextval" || name.leaf == "setval") sequence(call, Use::write);
    if (name.leaf == "pg_sequence_last_value") sequence(call, Use::read);
  }
  list(call.args);
  list(call.agg_order);
  node(call.agg_filter);
  node(node_of(call.over));
}

// Unqualified, a built-in name is taken for the built-in, as attacks.md 6 has it: an overload of the user's
// for other argument types would be missed, and that is for the database role.
void Walk::called(const List* names) {
  auto [schema, leaf] = qualified(names);
  called(schema, leaf);
}

// What a function is said to return: values of these types are made of what it does return.
void Walk::defined_columns(const List* definitions) {
  for (const Node* column : cells(definitions)) {
    if (const auto* definition = as<ColumnDef>(column)) type_runs(definition->typeName);
  }
}

void Walk::range_function(const RangeFunction& range) {
  defined_columns(range.coldeflist);
  for (const Node* item : cells(range.functions)) {  // pairs: a call, and in ROWS FROM its own definitions
    if (item == nullptr || item->type != Tag::List) continue;
    for (const Node* part : cells(reinterpret_cast<const List*>(item))) {
      if (part != nullptr && part->type == Tag::List) defined_columns(reinterpret_cast<const List*>(part));
    }
  }
  scalar_function(range);
}

// FROM lower('A') x: x is the value itself, and x.name is name(x), except for its one column.
void Walk::scalar_function(const RangeFunction& range) {
  if (range.ordinality || length(range.functions) != 1 || length(range.coldeflist) > 0) return;
  const Node* item = *cells(range.functions).begin();
  const auto* pair =
      item != nullptr && item->type == Tag::List ? reinterpret_cast<const List*>(item) : nullptr;
  if (pair == nullptr || length(pair) == 0) return;
  for (const Node* definitions : cells(pair)) {
    if (definitions != nullptr && definitions->type == Tag::List) return;  // record columns
  }
  const auto* call = as<FuncCall>(*cells(pair).begin());
  QualifiedName name = call == nullptr ? QualifiedName{} : qualified(call->funcname);
  if (is_row_function(name.leaf)) return;
  std::string_view alias = range.alias == nullptr ? name.leaf : view(range.alias->aliasname);
  bool built_in =
      name.schema.empty() ? call == nullptr || is_catalog_function(name.leaf) : name.schema == "pg_catalog";
  std::string_view column = built_in ? column_of(name.leaf, alias) : std::string_view();
  const List* columns = range.alias == nullptr ? nullptr : range.alias->colnames;
  if (length(columns) > 0) column = string_of(*cells(columns).begin());
  if (alias.empty()) {  // the server names it: text, coalesce, ...
    ++unnamed_scalars_;
    return;
  }
  scalars_[alias].push_back(column);
  scalar_order_.push_back(alias);
}

void Walk::forget_scalars(std::size_t count) {
  for (; scalar_order_.size() > count; scalar_order_.pop_back()) {
    auto found = scalars_.find(scalar_order_.back());
    found->second.pop_back();
    if (found->second.empty()) scalars_.erase(found);
  }
}

bool Walk::is_call_of_scalar(std::string_view alias, std::string_view name) const {
  if (alias.empty()) return false;
  if (unnamed_scalars_ > 0 && alias != name) return true;  // its one column has the name of its alias
  auto found = scalars_.empty() ? scalars_.end() : scalars_.find(alias);
  if (found == scalars_.end()) return false;
  // Which of several is meant is not looked into: of two columns at least one has another name.
  bool unknown = false;
  for (std::string_view column : found->second) {
    if (!column.empty() && column != name) return true;
    unknown |= column.empty();
  }
  // The columns of a function of the operator's own are not known here.
  return unknown &&
         (find_function_class(name) != nullptr || (is_catalog_function(name) && !is_safe_function(name)));
}

// (value).name is a field of a composite value, or name(value): which of them, the text does not tell.
void Walk::field_or_call(std::string_view name) {
  called({}, name);
  if (name == "nextval") reaches_further();  // of a sequence that only the value tells
}

// Whether it is the server's own.
bool Walk::function_named(QualifiedName name) {
  const SearchPath& path = path_of(options_.search_path);
  const bool of_catalog = name.schema.empty() ? is_catalog_function(name.leaf) : name.schema == "pg_catalog";
  functions_.add(name.leaf);
  if (!name.schema.empty()) functions_.add(name.schema, name.leaf);
  if (!name.schema.empty()) return of_catalog;
  by_path();
  if (of_catalog) functions_.add("pg_catalog", name.leaf);
  if (!of_catalog || path.hides_catalog) {
    for (const std::string& searched : path.schemas) functions_.add(searched, name.leaf);
  }
  return of_catalog && !path.hides_catalog;
}

void Walk::called(std::string_view schema, std::string_view leaf) {
  if (leaf.empty()) return unknown_code();
  const bool built_in = function_named({schema, leaf});
  if (built_in && is_safe_function(leaf)) return;
  bool vouched = false;
  if (options_.safe_functions != nullptr && !options_.safe_functions->empty()) {
    std::string written = schema.empty() ? std::string(leaf) : fmt::format("{}.{}", schema, leaf);
    // By its mere name the operator vouches for what the path has by default.
    vouched =
        options_.safe_functions->contains(written) && (!schema.empty() || options_.search_path == nullptr);
  }
  const FunctionClass* known = find_function_class(leaf);
  if (known != nullptr) {
    classify(vouched ? static_cast<Classes>(known->classes & ~class_unknown_code) : known->classes);
    raise(known->kind == ActionKind::exec && vouched ? ActionKind::read : known->kind);
    // Sequences, large objects and NOTIFY run no code.
    if (!built_in || (known->classes & ~class_large_object) != 0) may_change_settings();
    if (known->closed && built_in) changes_by_call(*known);
    if (vouched || (known->closed && built_in)) return;
  } else if (vouched) {
    return may_change_settings();
  }
  unknown_code();
}

// What a built-in function changes without being told its name in the text, or in a constant that sequence()
// reads.
void Walk::changes_by_call(const FunctionClass& function) {
  if (function.classes == class_large_object) {
    for (std::string_view name : {"pg_largeobject", "pg_largeobject_metadata"}) {
      for (NameSet* names : {&tables_, function.kind == ActionKind::write ? &writes_ : &reads_}) {
        names->add(name);
        names->add("pg_catalog", name);
      }
    }
    return;
  }
  if (function.name == "nextval" || function.name == "setval") return;
  if (function.name == "pg_notify") {
    writes_open_ = true;  // no relation
  } else if (function.kind >= ActionKind::write && function.classes != class_signal) {
    reaches_further();
  }
}

// nextval('schema.name'): the constant is a name, as the server's regclassin() reads it.
void Walk::sequence(const FuncCall& call, Use use) {
  const Node* argument = length(call.args) == 0 || call.func_variadic ? nullptr : *cells(call.args).begin();
  if (const auto* cast = as<TypeCast>(argument)) {
    QualifiedName type = cast->typeName == nullptr ? QualifiedName{} : qualified(cast->typeName->names);
    bool plain = type.schema.empty() || type.schema == "pg_catalog";
    bool keeps =
        plain && (type.leaf == "regclass" || type.leaf == "text") && length(cast->typeName->arrayBounds) == 0;
    argument = keeps ? cast->arg : nullptr;
  }
  const char* text = string_constant(argument);
  std::optional<std::vector<std::string>> parts = text == nullptr ? std::nullopt : qualified_name(text);
  if (!parts) return reaches_further();
  bool before = may_change_settings_;  // a sequence runs no code
  relation_named(parts->size() > 1 ? (*parts)[parts->size() - 2] : std::string_view(), parts->back(), use);
  may_change_settings_ = before;
}

void Walk::set_config(const FuncCall& call) {
  may_change_settings();
  const Node* name = nullptr;
  const Node* value = nullptr;
  int position = 0;
  for (const Node* argument : cells(call.args)) {
    const auto* named = as<NamedArgExpr>(argument);
    const Node* actual = named == nullptr ? argument : reinterpret_cast<const Node*>(named->arg);
    if (named == nullptr ? position == 0 : view(named->name) == "setting_name") name = actual;
    if (named == nullptr ? position == 1 : view(named->name) == "new_value") value = actual;
    ++position;
  }
  const char* setting_name = call.func_variadic ? nullptr : string_constant(name);
  const char* setting_value = string_constant(value);
  // A cast to text can be to a domain of that name in pg_temp, which cuts what it is given.
  bool cut =
      name != nullptr && name->type == Tag::TypeCast && begins_with_reading_setting(view(setting_name));
  if (setting_name == nullptr || cut) {
    guard(ReadingGuard::refused);
    return raise(ActionKind::admin);
  }
  guard(guard_setting(setting_name, setting_value == nullptr
                                        ? std::nullopt
                                        : std::optional<std::string_view>(setting_value)));
  classify(setting_classes(setting_name));
  PathEffect effect = path_effect(
      setting_name, setting_value == nullptr ? std::nullopt : std::optional<std::string_view>(setting_value));
  if (effect.kind == PathEffect::Kind::set) effect.kind = PathEffect::Kind::add;  // if it is called at all
  path_becomes(effect);
  raise(setting_matters(setting_name) ? ActionKind::admin : ActionKind::session);
}

void Walk::operator_named(const List* names) {
  if (names == nullptr) return;
  auto [schema, leaf] = qualified(names);
  const bool hidden = schema.empty() && path_of(options_.search_path).hides_catalog;
  if (schema.empty()) by_path();
  if ((!schema.empty() && schema != "pg_catalog") || !is_catalog_operator(leaf) || hidden) unknown_code();
}

// Of an index: its functions run for every row. Those that people name are known, if they are built in.
void Walk::operator_class(const List* names) {
  static constexpr std::string_view built_in[] = {
      "array_ops",         "inet_ops",         "int4_ops",  "int8_ops",    "jsonb_ops",
      "jsonb_path_ops",    "name_pattern_ops", "range_ops", "text_ops",    "text_pattern_ops",
      "timestamptz_ops",   "tsvector_ops",     "uuid_ops",  "varchar_ops", "varchar_pattern_ops",
      "bpchar_pattern_ops"};
  if (length(names) == 0) return;
  auto [schema, leaf] = qualified(names);
  const bool known =
      (schema.empty() || schema == "pg_catalog") && std::ranges::find(built_in, leaf) != std::end(built_in);
  if (!known) unknown_code();
}

bool is_built_in(const TypeName& type) {
  auto [schema, leaf] = qualified(type.names);
  return !type.pct_type && (schema.empty() || schema == "pg_catalog") && is_catalog_type(leaf);
}

// A value of this type is made here, so its input function or a cast to it runs.
void Walk::type_runs(const TypeName* type) {
  if (type == nullptr) return;
  const bool by_path_alone = length(type->names) == 1;
  if (by_path_alone) by_path();
  if (!is_built_in(*type) || (by_path_alone && path_of(options_.search_path).hides_catalog)) unknown_code();
}

void Walk::constant(const A_Const& constant) {
  if (constant.isnull) return;
  switch (constant.val.node.type) {
    case Tag::Integer:
      if (options_.asked.literals) literal(fmt::format_int(constant.val.ival.ival).c_str());
      return;
    case Tag::Float: return literal(view(constant.val.fval.fval));
    case Tag::Boolean: return literal(constant.val.boolval.boolval ? "true" : "false");
    case Tag::String: return literal(view(constant.val.sval.sval));
    case Tag::BitString: return literal(view(constant.val.bsval.bsval));
    default: return unknown_code();
  }
}

void Walk::value_function(const SQLValueFunction& function) {
  switch (function.op) {
    case SVFOP_CURRENT_DATE: return functions_.add("current_date");
    case SVFOP_CURRENT_TIME:
    case SVFOP_CURRENT_TIME_N: return functions_.add("current_time");
    case SVFOP_CURRENT_TIMESTAMP:
    case SVFOP_CURRENT_TIMESTAMP_N: return functions_.add("current_timestamp");
    case SVFOP_LOCALTIME:
    case SVFOP_LOCALTIME_N: return functions_.add("localtime");
    case SVFOP_LOCALTIMESTAMP:
    case SVFOP_LOCALTIMESTAMP_N: return functions_.add("localtimestamp");
    case SVFOP_CURRENT_ROLE:
    case SVFOP_CURRENT_USER:
    case SVFOP_USER: return functions_.add("current_user");
    case SVFOP_SESSION_USER: return functions_.add("session_user");
    case SVFOP_CURRENT_CATALOG: return functions_.add("current_database");
    case SVFOP_CURRENT_SCHEMA: return functions_.add("current_schema");
  }
  unknown_code();
}

void Walk::sample(const RangeTableSample& sample) {
  called(sample.method);
  node(sample.relation);
  list(sample.args);
  node(sample.repeatable);
}

// OWNED BY table.column, SEQUENCE NAME schema.name; OPTIONS (host 'x'), PASSWORD 'x', AS 'body': constants
// that are plain strings in the tree.
void Walk::option(const DefElem& option) {
  const Node* value = option.arg;
  // file_fdw's
  if (view(option.defname) == "program") classify(class_program);
  if (view(option.defname) == "filename") classify(class_file);
  if (value != nullptr && value->type == Tag::List) {
    if (view(option.defname) == "owned_by") {
      if (length(reinterpret_cast<const List*>(value)) > 1) column_in_list(value);  // or NONE
      return relation_in_list(value, 1, Use::write);
    }
    if (view(option.defname) == "sequence_name") return relation_in_list(value, 0, Use::write);
  }
  if (const auto* text = as<String>(value)) return literal(view(text->sval));
  if (value != nullptr && value->type == Tag::List) {
    for (const Node* part : cells(reinterpret_cast<const List*>(value))) {
      if (const auto* text = as<String>(part)) literal(view(text->sval));
    }
  }
  node(value);
}

}  // namespace clawpatrol::sql
