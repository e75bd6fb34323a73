// libpg_query's parse tree, walked where it lies. generated/nodes.h has the structures; this has the parse
// that makes one, its lifetime, and what is known of each kind's fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "policy/sql/generated/nodes.h"

namespace clawpatrol::sql::tree {

// The memory of parses: everything parsed since it was made, on this thread, dies with it. They may nest, but
// after the inner one nothing is parsed into the outer.
class Memory {
 public:
  Memory();
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

 private:
  void* context_;
};

struct Outcome {
  const List* statements = nullptr;  // of RawStmt; null for none
  bool failed = false;
  std::string error;
  std::size_t error_position = 0;  // 1-based, in characters
};

// `text` ends in NUL. The tree belongs to the Memory that lives.
Outcome parse(const char* text);

enum class FieldKind : std::uint8_t {
  end,
  node,
  typed_node,
  embedded,
  list,
  text,
  boolean,
  character,
  enumeration,
  int16,
  int32,
  uint32,
  int64,
};

struct EnumName {
  std::int32_t value;
  const char* name;
};

struct Field {
  const char* name;
  std::size_t offset;
  FieldKind kind;
  Tag type;                              // of typed_node and embedded
  const EnumName* enum_names = nullptr;  // of enumeration
};

// A kind of node of the grammar. Without fields: only analysis, planning or PL/pgSQL make it.
struct NodeKind {
  Tag tag;
  const char* name;
  const Field* fields;  // ends with FieldKind::end
};

const NodeKind* find_kind(Tag tag);  // null: not of this grammar
const NodeKind* begin_kinds();
const NodeKind* end_kinds();

template <class T>
const T* as(const Node* node) {
  return node != nullptr && node->type == T::tag ? reinterpret_cast<const T*>(node) : nullptr;
}
template <class T>
const Node* node_of(const T* typed) {
  return reinterpret_cast<const Node*>(typed);
}

// Cells of a List of nodes, null cells too.
struct Cells {
  const ListCell* first;
  const ListCell* last;
  struct Iterator {
    const ListCell* at;
    const Node* operator*() const { return at->node; }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    bool operator==(const Iterator&) const = default;
  };
  Iterator begin() const { return {first}; }
  Iterator end() const { return {last}; }
};
inline Cells cells(const List* list) {
  if (list == nullptr || list->type != Tag::List) return {nullptr, nullptr};
  return {list->elements, list->elements + list->length};
}
inline std::int32_t length(const List* list) {
  return list == nullptr ? 0 : list->length;
}

// The text of a String node, or "" for any other.
inline std::string_view string_of(const Node* node) {
  const String* text = as<String>(node);
  return text == nullptr || text->sval == nullptr ? std::string_view() : std::string_view(text->sval);
}
inline std::string_view view(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// The last two parts of a dotted name; a database before them can only be the current one.
struct QualifiedName {
  std::string_view schema;
  std::string_view leaf;
};
inline QualifiedName qualified(const List* names) {
  QualifiedName name;
  for (const Node* part : cells(names)) {
    name.schema = name.leaf;
    name.leaf = string_of(part);
  }
  return name;
}

}  // namespace clawpatrol::sql::tree
