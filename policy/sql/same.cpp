#include "policy/sql/same.h"

#include <cstring>

namespace clawpatrol::sql {

using namespace tree;

namespace {

template <class T>
const T& at(const Node* node, const Field& field) {
  return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(node) + field.offset);
}

template <class T>
bool equal(const Node* a, const Node* b, const Field& field) {
  return at<T>(a, field) == at<T>(b, field);
}

bool same_lists(const List* a, const List* b, Columns columns, int& work) {
  if (length(a) != length(b)) return false;
  auto other = cells(b).begin();
  for (const Node* cell : cells(a)) {
    if (!same(cell, *other, columns, work)) return false;
    ++other;
  }
  return true;
}

bool same_fields(const Node* a, const Node* b, Tag tag, Columns columns, int& work);

bool same_field(const Node* a, const Node* b, const Field& field, Columns columns, int& work) {
  switch (field.kind) {
    case FieldKind::node:
    case FieldKind::typed_node:
      return same(at<const Node*>(a, field), at<const Node*>(b, field), columns, work);
    case FieldKind::list:
      return same_lists(at<const List*>(a, field), at<const List*>(b, field), columns, work);
    case FieldKind::embedded:
      return same_fields(&at<Node>(a, field), &at<Node>(b, field), field.type, columns, work);
    case FieldKind::text: return view(at<const char*>(a, field)) == view(at<const char*>(b, field));
    case FieldKind::boolean: return equal<bool>(a, b, field);
    case FieldKind::character: return equal<char>(a, b, field);
    case FieldKind::int16: return equal<std::int16_t>(a, b, field);
    case FieldKind::int64: return equal<std::int64_t>(a, b, field);
    case FieldKind::enumeration:
    case FieldKind::uint32: return equal<std::uint32_t>(a, b, field);
    case FieldKind::int32:
      return std::strcmp(field.name, "location") == 0 || equal<std::int32_t>(a, b, field);
    case FieldKind::end: break;
  }
  return false;
}

bool same_fields(const Node* a, const Node* b, Tag tag, Columns columns, int& work) {
  const NodeKind* kind = find_kind(tag);
  if (kind == nullptr || kind->fields == nullptr) return false;
  for (const Field* field = kind->fields; field->kind != FieldKind::end; ++field)
    if (!same_field(a, b, *field, columns, work)) return false;
  return true;
}

// The last two parts, of which the first can be absent.
struct ColumnName {
  const Node* relation = nullptr;
  const Node* column = nullptr;
};
ColumnName name_of(const ColumnRef& column) {
  ColumnName name;
  for (const Node* part : cells(column.fields)) name = {name.column, part};
  return name;
}

bool same_columns(const ColumnRef& a, const ColumnRef& b, int& work) {
  const ColumnName one = name_of(a), other = name_of(b);
  if (!same(one.column, other.column, Columns::of_one_relation, work)) return false;
  return one.relation == nullptr || other.relation == nullptr ||
         same(one.relation, other.relation, Columns::of_one_relation, work);
}

}  // namespace

bool same(const Node* a, const Node* b, Columns columns, int& work) {
  if (a == nullptr || b == nullptr) return a == b;
  if (--work < 0 || a->type != b->type) return false;
  if (a->type == Tag::List)
    return same_lists(reinterpret_cast<const List*>(a), reinterpret_cast<const List*>(b), columns, work);
  const auto* constant = as<A_Const>(a);
  if (constant != nullptr) {
    const auto* other = as<A_Const>(b);
    if (constant->isnull || other->isnull) return constant->isnull == other->isnull;
    return same(&constant->val.node, &other->val.node, columns, work);
  }
  const auto* column = as<ColumnRef>(a);
  if (column != nullptr && columns == Columns::of_one_relation)
    return same_columns(*column, *as<ColumnRef>(b), work);
  // Within a subquery a column is that of a relation of its own.
  if (a->type == Tag::SelectStmt) columns = Columns::of_several;
  return same_fields(a, b, a->type, columns, work);
}

}  // namespace clawpatrol::sql
