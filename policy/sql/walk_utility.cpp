#include <utility>

#include "policy/sql/settings.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

bool is_query(Tag tag) {
  return tag == Tag::SelectStmt || tag == Tag::InsertStmt || tag == Tag::UpdateStmt ||
         tag == Tag::DeleteStmt || tag == Tag::MergeStmt;
}

bool changes_rows(std::string_view verb) {
  return verb != "select" && verb != "execute";
}

// Statements that by themselves change no settings: what is in them can. Of BEGIN and SET, by their kinds.
bool is_inert(Tag tag) {
  switch (tag) {
    case Tag::SelectStmt:
    case Tag::ExplainStmt:
    case Tag::CopyStmt:
    case Tag::TransactionStmt:
    case Tag::VariableSetStmt:
    case Tag::VariableShowStmt:
    case Tag::PrepareStmt:
    case Tag::DeallocateStmt:
    case Tag::DeclareCursorStmt:
    case Tag::ClosePortalStmt:
    case Tag::ListenStmt:
    case Tag::UnlistenStmt:
    case Tag::NotifyStmt:
    case Tag::DiscardStmt:
    case Tag::LockStmt:
    case Tag::CheckPointStmt: return true;
    default: return false;
  }
}

// As the server's defGetBoolean(), and true in doubt.
bool option_is_on(const DefElem& option) {
  if (option.arg == nullptr) return true;
  if (const auto* number = as<Integer>(option.arg)) return number->ival != 0;
  std::string_view text = string_of(option.arg);
  return text != "false" && text != "off";
}

}  // namespace

// Whatever stands around it, a statement's own tables are read or written by its own rules.
std::string_view Walk::statement(const Node* node, Wrapper wrapper) {
  if (node == nullptr) return "other";
  const NodeDecision* decision = find_decision(node->type);
  if (decision == nullptr || decision->part != Part::statement) {
    verb("other");
    raise(ActionKind::admin);
    unknown_code();
    return "other";
  }
  Use outer = use_;
  std::string_view outer_target = std::exchange(target_, {});
  classify(decision->classes);
  if (!is_inert(node->type)) may_change_settings();
  std::string_view final_verb;
  if (is_query(node->type)) {
    use_ = Use::read;
    final_verb = query(node);
  } else {
    use_ = Use::write;
    raise(decision->kind);
    final_verb = utility(node, decision->verb, wrapper);
  }
  use_ = outer;
  target_ = outer_target;
  return final_verb;
}

std::string_view Walk::query(const Node* node) {
  switch (node->type) {
    case Tag::InsertStmt: return insert(*as<InsertStmt>(node));
    case Tag::UpdateStmt: return update(*as<UpdateStmt>(node));
    case Tag::DeleteStmt: return remove(*as<DeleteStmt>(node));
    case Tag::MergeStmt: return merge(*as<MergeStmt>(node));
    default: return select(*as<SelectStmt>(node));
  }
}

std::string_view Walk::utility(const Node* node, std::string_view name, Wrapper wrapper) {
  switch (node->type) {
    case Tag::ExplainStmt: return explain(*as<ExplainStmt>(node));
    case Tag::CopyStmt: return copy(*as<CopyStmt>(node));
    case Tag::CreateTableAsStmt: return create_as(*as<CreateTableAsStmt>(node));
    case Tag::TransactionStmt: return transaction(*as<TransactionStmt>(node), wrapper);
    case Tag::VariableSetStmt: return variable(*as<VariableSetStmt>(node), wrapper);
    case Tag::PrepareStmt: return prepare(*as<PrepareStmt>(node), wrapper);
    case Tag::DeclareCursorStmt: return declare(*as<DeclareCursorStmt>(node), wrapper);
    case Tag::ExecuteStmt:
    case Tag::DeallocateStmt:
    case Tag::FetchStmt:
    case Tag::ClosePortalStmt:
    case Tag::ListenStmt:
    case Tag::DiscardStmt: return session_names(node, name, wrapper);
    default: return definition(node, name);
  }
}

// Of a wrapper only EXPLAIN and CREATE TABLE AS run what EXECUTE names; an effect of a nested statement (a
// rule's action, a function's body) is not this session's.
void Walk::effect(Effect effect, const char* name, Wrapper wrapper) {
  if (wrapper == Wrapper::nested || (wrapper == Wrapper::runs_execute && effect != Effect::execute)) return;
  effect_ = effect;
  name_ = view(name);
}

// Without ANALYZE nothing is executed: the kind is read, but for code that the planner may call. What the
// inner statement names is listed as that would use it.
std::string_view Walk::explain(const ExplainStmt& explain) {
  verb("explain");
  bool analyze = false;
  for (const Node* item : cells(explain.options)) {
    const auto* option = as<DefElem>(item);
    analyze |= option == nullptr || (view(option->defname) == "analyze" && option_is_on(*option));
  }
  ActionKind before = statement_kind_;
  std::string_view inner = statement(explain.query, Wrapper::runs_execute);
  if (analyze) return inner;
  statement_kind_ = before;
  return "explain";
}

std::string_view Walk::copy(const CopyStmt& copy) {
  verb("copy");
  copy_.direction = copy.is_from ? "from" : "to";
  copy_.target = copy.is_program ? "program" : copy.filename != nullptr ? "file" : "client";
  if (copy.is_program) classify(class_program);
  if (copy.filename != nullptr && !copy.is_program) classify(class_file);
  if (copy.filename != nullptr) literal(view(copy.filename));
  copy_in_ = copy.is_from && copy.filename == nullptr;
  copy_out_ = !copy.is_from && copy.filename == nullptr;
  if (copy.is_from) raise(ActionKind::write);
  relation(copy.relation, copy.is_from ? Use::write : Use::read);
  std::string_view leaf = copy.relation == nullptr ? std::string_view() : view(copy.relation->relname);
  for (const Node* name : cells(copy.attlist)) {
    columns_.add(string_of(name));
    if (!leaf.empty()) columns_.add(leaf, string_of(name));
  }
  if (!leaf.empty() && length(copy.attlist) == 0) star(leaf);
  std::string_view inner = copy.query == nullptr ? "" : statement(copy.query, Wrapper::none);
  list(copy.options);
  node(copy.whereClause);
  return !inner.empty() && changes_rows(inner) ? inner : "copy";
}

std::string_view Walk::create_as(const CreateTableAsStmt& create) {
  verb("create");
  if (create.into != nullptr) {
    std::size_t ranges = ranges_.size();
    relation(create.into->rel, Use::write);
    ranges_.cut(ranges);  // columns cannot come from it
    table_columns(create.into->rel, create.into->colNames);
    list(create.into->options);
  }
  statement(create.query, Wrapper::runs_execute);
  if (create.objtype == OBJECT_MATVIEW && names_pg_settings_) classify(class_settings);
  return "create";
}

std::string_view Walk::transaction(const TransactionStmt& transaction, Wrapper wrapper) {
  struct Row {
    std::string_view verb;
    Effect effect;
  };
  auto row = [&]() -> Row {
    switch (transaction.kind) {
      case TRANS_STMT_BEGIN:
      case TRANS_STMT_START: return {"begin", Effect::begin};
      case TRANS_STMT_COMMIT: return {"commit", Effect::commit};
      case TRANS_STMT_ROLLBACK: return {"rollback", Effect::rollback};
      case TRANS_STMT_SAVEPOINT: return {"savepoint", Effect::savepoint};
      case TRANS_STMT_RELEASE: return {"release", Effect::release};
      case TRANS_STMT_ROLLBACK_TO: return {"rollback", Effect::rollback_to};
      case TRANS_STMT_PREPARE: return {"prepare", Effect::prepare_transaction};
      case TRANS_STMT_COMMIT_PREPARED: return {"commit", Effect::none};
      case TRANS_STMT_ROLLBACK_PREPARED: return {"rollback", Effect::none};
    }
    return {"other", Effect::none};
  }();
  verb(row.verb);
  // What ends a transaction runs its deferred triggers, or undoes what it SET.
  if (row.effect != Effect::begin && row.effect != Effect::savepoint && row.effect != Effect::release)
    may_change_settings();
  // Another session's work is finished here.
  if (row.effect == Effect::none) {
    raise(ActionKind::write);
    reaches_further();
  }
  if (transaction.gid != nullptr) literal(view(transaction.gid));
  effect(row.effect, transaction.gid != nullptr ? transaction.gid : transaction.savepoint_name, wrapper);
  for (const Node* option : cells(transaction.options)) {
    if (const auto* item = as<DefElem>(option)) node(item->arg);
  }
  return row.verb;
}

// Of the session's own, not of a body's.
void Walk::path_set(const VariableSetStmt& set) {
  using Kind = PathEffect::Kind;
  const PathEffect of_name = path_effect(view(set.name), "");
  const Kind kind = of_name.kind;
  const bool resets = set.kind == VAR_RESET || set.kind == VAR_SET_DEFAULT;
  if (set.kind == VAR_RESET_ALL || (resets && kind == Kind::set))
    // Outside of a transaction LOCAL does nothing, and what was there at login the text does not tell.
    return path_becomes({.kind = set.is_local ? Kind::uncertain : Kind::reset, .path = {}, .of_role = false});
  if (kind == Kind::none || resets) return;
  std::vector<std::string> names;
  bool literal = set.kind == VAR_SET_VALUE;
  for (const Node* item : cells(set.args)) {
    const auto* constant = as<A_Const>(item);
    literal &= constant != nullptr && !constant->isnull && constant->val.node.type == Tag::String;
    if (literal) names.emplace_back(view(constant->val.sval.sval));
  }
  if (!literal) return path_becomes({.kind = Kind::uncertain, .path = {}, .of_role = of_name.of_role});
  // LOCAL does nothing outside of a transaction.
  path_becomes({.kind = set.is_local ? Kind::add : kind,
                .path = path_from_names(std::move(names)),
                .of_role = of_name.of_role});
}

std::string_view Walk::verb_of(const VariableSetStmt& set) {
  return set.kind == VAR_RESET || set.kind == VAR_RESET_ALL ? "reset" : "set";
}

std::string_view Walk::variable(const VariableSetStmt& set, Wrapper wrapper) {
  const std::string_view name = verb_of(set);
  verb(name);
  setting(set);
  if (wrapper == Wrapper::none) path_set(set);
  return name;
}

std::string_view Walk::prepare(const PrepareStmt& prepare, Wrapper wrapper) {
  verb("prepare");
  effect(Effect::prepare, prepare.name, wrapper);
  for (const Node* type : cells(prepare.argtypes)) type_runs(as<TypeName>(type));
  bool before = may_change_settings_;
  std::string_view inner = statement(prepare.query, Wrapper::nested);
  // Only EXECUTE runs it, which counts by itself; but constants are read by the input functions of their
  // types.
  may_change_settings_ = before || open_;
  return inner;
}

std::string_view Walk::declare(const DeclareCursorStmt& declare, Wrapper wrapper) {
  verb("declare");
  effect(Effect::declare_cursor, declare.portalname, wrapper);
  constexpr std::int32_t with_hold = 0x20;  // CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h
  outlives_transaction_ = declare.options & with_hold;
  return statement(declare.query, Wrapper::nested);
}

std::string_view Walk::session_names(const Node* node, std::string_view name, Wrapper wrapper) {
  if (const auto* fetch = as<FetchStmt>(node)) {
    name = fetch->ismove ? "move" : "fetch";
    effect(Effect::fetch, fetch->portalname, wrapper);
  } else if (const auto* execute = as<ExecuteStmt>(node)) {
    effect(Effect::execute, execute->name, wrapper);
  } else if (const auto* deallocate = as<DeallocateStmt>(node)) {
    effect(deallocate->name == nullptr ? Effect::deallocate_all : Effect::deallocate, deallocate->name,
           wrapper);
  } else if (const auto* close = as<ClosePortalStmt>(node)) {
    effect(close->portalname == nullptr ? Effect::close_all_cursors : Effect::close_cursor, close->portalname,
           wrapper);
  } else if (const auto* listen = as<ListenStmt>(node)) {
    effect(Effect::listen, listen->conditionname, wrapper);
  } else if (const auto* discard = as<DiscardStmt>(node)) {
    if (discard->target == DISCARD_ALL) {
      effect(Effect::discard_all, nullptr, wrapper);
      path_becomes({.kind = PathEffect::Kind::reset, .path = {}, .of_role = false});
      may_change_settings();
    }
  }
  verb(name);
  if (const auto* execute = as<ExecuteStmt>(node)) list(execute->params);
  return name;
}

}  // namespace clawpatrol::sql
