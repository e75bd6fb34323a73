// Optional values: what selects, replaces and maps them.
#include "policy/cel/node.h"

namespace clawpatrol::cel {

namespace {

class OptionalSelectNode final : public Node {
 public:
  OptionalSelectNode(NodePtr of, std::string_view field) : of_(std::move(of)), field_(field) {}
  Value eval(Frame& frame) const override {
    Value of = of_->eval(frame);
    return of.undecided() ? of : optional_field_of(frame, of, field_);
  }

 private:
  NodePtr of_;
  std::string_view field_;
};

class OrNode final : public Node {
 public:
  OrNode(NodePtr first, NodePtr second, Alternative kind)
      : first_(std::move(first)), second_(std::move(second)), kind_(kind) {}

  Value eval(Frame& frame) const override {
    if (!frame.charge(1)) return out_of_budget();
    Value first = first_->eval(frame);
    if (first.undecided()) return first;
    if (first.kind != Kind::optional) return Value::error(ErrorCode::wrong_type);
    if (first.held) return kind_ == Alternative::optional ? first : *first.held;
    Value second = second_->eval(frame);
    if (kind_ == Alternative::value || second.undecided() || second.kind == Kind::optional) return second;
    return Value::error(ErrorCode::wrong_type);
  }

 private:
  NodePtr first_;
  NodePtr second_;
  Alternative kind_;
};

class OptionalMapNode final : public Node {
 public:
  OptionalMapNode(NodePtr optional, std::size_t slot, NodePtr body, Mapping mapping)
      : optional_(std::move(optional)), slot_(slot), body_(std::move(body)), mapping_(mapping) {}

  Value eval(Frame& frame) const override {
    if (!frame.charge(1)) return out_of_budget();
    Value optional = optional_->eval(frame);
    if (optional.undecided()) return optional;
    if (optional.kind != Kind::optional) return Value::error(ErrorCode::wrong_type);
    if (!optional.held) return optional;
    frame.local(slot_) = *optional.held;
    Value mapped = body_->eval(frame);
    if (mapped.undecided()) return mapped;
    if (mapping_ == Mapping::to_value) return frame.optional(mapped);
    return mapped.kind == Kind::optional ? mapped : Value::error(ErrorCode::wrong_type);
  }

 private:
  NodePtr optional_;
  std::size_t slot_;
  NodePtr body_;
  Mapping mapping_;
};

}  // namespace

NodePtr optional_select_node(NodePtr of, std::string_view field) {
  return std::make_unique<OptionalSelectNode>(std::move(of), field);
}

NodePtr or_node(NodePtr first, NodePtr second, Alternative kind) {
  return std::make_unique<OrNode>(std::move(first), std::move(second), kind);
}

NodePtr optional_map_node(NodePtr optional, std::size_t slot, NodePtr body, Mapping mapping) {
  return std::make_unique<OptionalMapNode>(std::move(optional), slot, std::move(body), mapping);
}

}  // namespace clawpatrol::cel
