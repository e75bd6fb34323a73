// The executable tree. Immutable, shared between threads; everything that changes is in the Frame.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/cel/ast.h"
#include "policy/cel/function.h"
#include "policy/cel/pattern.h"
#include "policy/cel/zone.h"

namespace clawpatrol::cel {

class Node {
 public:
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;
  virtual Value eval(Frame& frame) const = 0;
  virtual const Value* constant() const { return nullptr; }
};

using NodePtr = std::unique_ptr<Node>;

NodePtr constant_node(Value value);
NodePtr facet_node(FacetId id);
NodePtr variable_node(std::size_t index);
NodePtr local_node(std::size_t slot);
// The views of these three outlive the node.
NodePtr select_node(NodePtr of, std::string_view field);
NodePtr optional_select_node(NodePtr of, std::string_view field);  // of.?field
NodePtr present_node(NodePtr of, std::string_view field);
NodePtr call_node(const Function& function, std::vector<NodePtr> arguments);
NodePtr zone_node(const Function& getter, NodePtr timestamp,
                  Zone zone);  // timestamp.getHours('Europe/Berlin')
NodePtr matches_node(NodePtr text, Pattern pattern);
// `of` against a text that the policy has, which outlives the node: most comparisons are.
enum class Comparison : std::uint8_t { equal, unequal };
NodePtr text_node(NodePtr of, std::string_view text, Comparison comparison);
NodePtr in_texts_node(NodePtr needle, Value texts);  // `texts`: a list of strings that outlives the node

// A member of a list, or an entry of a map. An optional one is there only if its optional holds a value.
struct Piece {
  enum class Presence : std::uint8_t { always, optional };
  Presence presence = Presence::always;
  NodePtr key;  // of a map's entry
  NodePtr value;
};
NodePtr list_node(std::vector<Piece> members);
NodePtr map_node(std::vector<Piece> entries);

// && where `decisive` is false, || where it is true: one operand that has that value decides, wherever it
// stands.
NodePtr logical_node(std::vector<NodePtr> operands, bool decisive);
NodePtr conditional_node(NodePtr condition, NodePtr yes, NodePtr no);

// The values of `inits`, in slots from `slot` on, each for those behind it and for the body. One that is
// undecided spreads only from where it is used.
NodePtr bind_node(std::size_t slot, std::vector<NodePtr> inits, NodePtr body);
// The second operand counts only where the first, an optional, holds nothing.
enum class Alternative : std::uint8_t { optional, value };  // a.or(b), a.orValue(b)
NodePtr or_node(NodePtr first, NodePtr second, Alternative kind);
// What an optional holds, put through the body, whose result is an optional itself for optFlatMap.
enum class Mapping : std::uint8_t { to_value, to_optional };
NodePtr optional_map_node(NodePtr optional, std::size_t slot, NodePtr body, Mapping mapping);

// The macros (comprehension.cpp).
enum class Binding : std::uint8_t { one_variable, two_variables };

struct Comprehension {
  NodePtr range;
  std::size_t slot = 0;  // of the first variable; the second has the next
  Binding binding = Binding::one_variable;
};

NodePtr quantifier_node(Comprehension over, NodePtr predicate, bool decisive);  // exists: true, all: false
NodePtr exactly_one_node(Comprehension over, NodePtr predicate);
NodePtr filter_node(Comprehension over, NodePtr predicate);
NodePtr collect_node(Comprehension over, NodePtr predicate, NodePtr transform);        // no predicate: null
NodePtr transform_map_node(Comprehension over, NodePtr predicate, NodePtr transform);  // no predicate: null
// The transform gives maps, whose entries together are the map.
NodePtr transform_entries_node(Comprehension over, NodePtr predicate, NodePtr transform);
NodePtr sort_by_node(Comprehension over, NodePtr key);

// Makes a map of entries, whose keys must be allowed and different.
Value make_map(Frame& frame, std::span<const Entry> entries);

}  // namespace clawpatrol::cel
