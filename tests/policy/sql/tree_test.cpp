// The structures in generated/ against libpg_query itself: for every statement of the corpora the tree, read
// through our table of fields, equals the library's own JSON. A layout that differs would show here.
#include "policy/sql/tree.h"

#include <pg_query.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

namespace clawpatrol::sql::tree {
namespace {

using nlohmann::json;

json dump(const Node* node);

json dump_list(const List* list) {
  json items = json::array();
  for (const Node* cell : cells(list)) items.push_back(dump(cell));
  return items;
}

template <class T>
T at(const void* place) {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

json dump_fields(const char* base, const Field* fields);

json typed(const Node* node, Tag tag) {
  return dump_fields(reinterpret_cast<const char*>(node), find_kind(tag)->fields);
}

// What is zero is left out, as the library does.
void dump_field(json& out, const char* place, const Field& field) {
  switch (field.kind) {
    case FieldKind::node:
      if (at<const Node*>(place) != nullptr) out[field.name] = dump(at<const Node*>(place));
      return;
    case FieldKind::typed_node:
      if (at<const Node*>(place) != nullptr) out[field.name] = typed(at<const Node*>(place), field.type);
      return;
    case FieldKind::embedded: out[field.name] = dump_fields(place, find_kind(field.type)->fields); return;
    case FieldKind::list:
      if (at<const List*>(place) != nullptr) out[field.name] = dump_list(at<const List*>(place));
      return;
    case FieldKind::text:
      if (at<const char*>(place) != nullptr) out[field.name] = at<const char*>(place);
      return;
    case FieldKind::boolean:
      if (at<bool>(place)) out[field.name] = true;
      return;
    case FieldKind::character:
      if (at<char>(place) != 0) out[field.name] = std::string(1, at<char>(place));
      return;
    case FieldKind::enumeration:
      for (const EnumName* name = field.enum_names; name->name != nullptr; ++name) {
        if (name->value == at<std::int32_t>(place)) out[field.name] = name->name;
      }
      return;
    case FieldKind::int16:
      if (at<std::int16_t>(place) != 0) out[field.name] = at<std::int16_t>(place);
      return;
    case FieldKind::int32:
      // A negative Integer is left out by the library's JSON, which walking the tree itself does not suffer.
      if (std::string_view(field.name) == "ival" && at<std::int32_t>(place) < 0) return;
      if (at<std::int32_t>(place) != 0) out[field.name] = at<std::int32_t>(place);
      return;
    case FieldKind::uint32:
      if (at<std::uint32_t>(place) != 0) out[field.name] = at<std::uint32_t>(place);
      return;
    case FieldKind::int64:
      if (at<std::int64_t>(place) != 0) out[field.name] = at<std::int64_t>(place);
      return;
    case FieldKind::end: return;
  }
}

json dump_fields(const char* base, const Field* fields) {
  json out = json::object();
  for (const Field* field = fields; field != nullptr && field->kind != FieldKind::end; ++field) {
    dump_field(out, base + field->offset, *field);
  }
  return out;
}

json dump_constant(const A_Const& constant) {
  json out = json::object();
  if (constant.isnull) {
    out["isnull"] = true;
  } else {
    const char* names[] = {"ival", "fval", "boolval", "sval", "bsval"};
    Tag tags[] = {Tag::Integer, Tag::Float, Tag::Boolean, Tag::String, Tag::BitString};
    for (int i = 0; i < 5; ++i) {
      if (constant.val.node.type == tags[i]) out[names[i]] = typed(&constant.val.node, tags[i]);
    }
  }
  if (constant.location != 0) out["location"] = constant.location;
  return out;
}

std::set<std::string_view> kinds_seen;

json dump(const Node* node) {
  if (node == nullptr) return json::object();
  if (node->type == Tag::List) return {{"List", {{"items", dump_list(reinterpret_cast<const List*>(node))}}}};
  const NodeKind* kind = find_kind(node->type);
  if (kind == nullptr) return "a kind that is not in the table";
  kinds_seen.insert(kind->name);
  if (const auto* constant = as<A_Const>(node)) return {{kind->name, dump_constant(*constant)}};
  if (const auto* boolean = as<Boolean>(node)) return {{kind->name, {{"boolval", boolean->boolval}}}};
  return {{kind->name, typed(node, node->type)}};
}

void compare(const std::string& sql) {
  PgQueryParseResult theirs = pg_query_parse(sql.c_str());
  std::string text = theirs.error == nullptr ? theirs.parse_tree : "";
  pg_query_free_parse_result(theirs);
  if (text.empty()) return;
  Memory memory;
  Outcome outcome = parse(sql.c_str());
  if (outcome.failed) FAIL(sql);
  json expected = json::parse(text);
  json statements = json::array();
  for (const Node* item : cells(outcome.statements)) statements.push_back(typed(item, Tag::RawStmt));
  json& wanted = expected["stmts"];
  if (statements != wanted) {
    INFO(sql);
    INFO("ours   " << statements.dump());
    INFO("theirs " << wanted.dump());
    REQUIRE(json::diff(wanted, statements) == json::array());
  }
}

std::size_t compare_corpus(const char* name) {
  std::ifstream lines(std::string(CLAWPATROL_FIXTURES) + "/postgres/" + name);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    std::string sql = json::parse(line)["sql"];
    if (sql.find('\0') == std::string::npos) compare(sql);
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE(
    "the tree read through our fields equals libpg_query's own JSON for every statement of the corpora") {
  CHECK(compare_corpus("regress15.jsonl") == 14059);
  CHECK(compare_corpus("libpg_query_corpus.jsonl") == 552);
  CHECK(kinds_seen.size() >= 150);
}

}  // namespace clawpatrol::sql::tree
