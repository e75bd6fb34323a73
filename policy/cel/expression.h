// An expression of any type over any variables: what a Condition is made of. Internal to the room and its
// tests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/cel/node.h"
#include "policy/cel/parser.h"
#include "policy/cel/scope.h"

namespace clawpatrol::cel {

class Expression {
 public:
  static std::expected<Expression, std::vector<Problem>> compile(std::string_view text,
                                                                 const Environment& environment,
                                                                 Macros macros = Macros::expand);
  Expression(Expression&&) noexcept;
  ~Expression();

  // The result may refer to the frame and to what the frame refers to.
  Value evaluate(Frame& frame) const;

  const Type& type() const { return *type_; }
  const std::vector<FacetId>& facets() const { return facets_; }
  const std::optional<std::vector<Key>>& keys() const { return keys_; }

 private:
  Expression();
  std::unique_ptr<Arena> constants_;
  std::unique_ptr<TypePool> types_;
  NodePtr root_;
  const Type* type_ = nullptr;
  std::vector<FacetId> facets_;
  std::optional<std::vector<Key>> keys_;
  std::size_t locals_ = 0;
};

}  // namespace clawpatrol::cel
