// The executable tree. Immutable, shared between threads; everything that changes is in the Frame.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/cel/ast.h"
#include "policy/cel/function.h"
#include "policy/cel/pattern.h"

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
NodePtr select_node(NodePtr of, std::string_view field);   // the views of these two
NodePtr present_node(NodePtr of, std::string_view field);  // outlive the node
NodePtr call_node(const Function& function, std::vector<NodePtr> arguments);
NodePtr matches_node(NodePtr text, Pattern pattern);
NodePtr in_texts_node(NodePtr needle, Value texts);  // `texts`: a list of strings that outlives the node
NodePtr list_node(std::vector<NodePtr> members);
NodePtr map_node(std::vector<NodePtr> keys_and_values);

// && where `decisive` is false, || where it is true: one operand that has that value decides, wherever it
// stands.
NodePtr logical_node(std::vector<NodePtr> operands, bool decisive);
NodePtr conditional_node(NodePtr condition, NodePtr yes, NodePtr no);

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

// Makes a map of entries, whose keys must be allowed and different.
Value make_map(Frame& frame, std::span<const Entry> entries);

}  // namespace clawpatrol::cel
