#include "policy/cel/node.h"

#include <array>

#include "policy/cel/facet_values.h"

namespace clawpatrol::cel {

namespace {

class ConstantNode final : public Node {
 public:
  explicit ConstantNode(Value value) : value_(value) {}
  Value eval(Frame&) const override { return value_; }
  const Value* constant() const override { return &value_; }

 private:
  Value value_;
};

class FacetNode final : public Node {
 public:
  explicit FacetNode(FacetId id) : read_(facet_reader(id)) {}
  Value eval(Frame& frame) const override { return read_(frame.action()); }

 private:
  FacetReader read_;
};

class VariableNode final : public Node {
 public:
  explicit VariableNode(std::size_t index) : index_(index) {}
  Value eval(Frame& frame) const override { return frame.variable(index_); }

 private:
  std::size_t index_;
};

class LocalNode final : public Node {
 public:
  explicit LocalNode(std::size_t slot) : slot_(slot) {}
  Value eval(Frame& frame) const override { return frame.local(slot_); }

 private:
  std::size_t slot_;
};

class SelectNode final : public Node {
 public:
  SelectNode(NodePtr of, std::string_view field) : of_(std::move(of)), field_(field) {}
  Value eval(Frame& frame) const override {
    Value of = of_->eval(frame);
    return of.undecided() ? of : field_of(frame, of, field_);
  }

 private:
  NodePtr of_;
  std::string_view field_;
};

class PresentNode final : public Node {
 public:
  PresentNode(NodePtr of, std::string_view field) : of_(std::move(of)), field_(field) {}
  Value eval(Frame& frame) const override {
    Value of = of_->eval(frame);
    return of.undecided() ? of : has_field(frame, of, field_);
  }

 private:
  NodePtr of_;
  std::string_view field_;
};

template <std::size_t count>
class CallNode final : public Node {
 public:
  CallNode(const Function& function, std::vector<NodePtr> arguments) : call_(function.call) {
    std::move(arguments.begin(), arguments.end(), arguments_.begin());
  }

  Value eval(Frame& frame) const override {
    if (!frame.charge(1)) return out_of_budget();
    std::array<Value, count> values;
    for (std::size_t i = 0; i < count; ++i) values[i] = arguments_[i]->eval(frame);
    for (std::size_t i = 0; i < count; ++i)
      if (values[i].undecided()) [[unlikely]]
        return undecided_of(values);
    return call_(frame, values);
  }

 private:
  static Value undecided_of(const std::array<Value, count>& values) {
    Value worst;
    for (Value value : values)
      if (value.undecided()) worst = worst.undecided() ? undecided_both(worst, value) : value;
    return worst;
  }

  Value (*call_)(Frame&, Arguments);
  std::array<NodePtr, count> arguments_;
};

class LogicalNode final : public Node {
 public:
  LogicalNode(std::vector<NodePtr> operands, bool decisive)
      : operands_(std::move(operands)), decisive_(decisive) {}

  Value eval(Frame& frame) const override {
    Value undecided;
    for (const NodePtr& operand : operands_) {
      Value value = operand->eval(frame);
      if (value.kind == Kind::boolean) [[likely]] {
        if (value.boolean == decisive_) return value;
        continue;
      }
      if (!value.undecided()) value = Value::error(ErrorCode::wrong_type);
      undecided = undecided.undecided() ? undecided_either(undecided, value) : value;
    }
    return undecided.undecided() ? undecided : Value::of_bool(!decisive_);
  }

 private:
  std::vector<NodePtr> operands_;
  bool decisive_;
};

class ConditionalNode final : public Node {
 public:
  ConditionalNode(NodePtr condition, NodePtr yes, NodePtr no)
      : condition_(std::move(condition)), yes_(std::move(yes)), no_(std::move(no)) {}

  Value eval(Frame& frame) const override {
    Value condition = condition_->eval(frame);
    if (condition.undecided()) return condition;
    if (condition.kind != Kind::boolean) return Value::error(ErrorCode::wrong_type);
    return condition.boolean ? yes_->eval(frame) : no_->eval(frame);
  }

 private:
  NodePtr condition_;
  NodePtr yes_;
  NodePtr no_;
};

class BindNode final : public Node {
 public:
  BindNode(std::size_t slot, std::vector<NodePtr> inits, NodePtr body)
      : slot_(slot), inits_(std::move(inits)), body_(std::move(body)) {}

  Value eval(Frame& frame) const override {
    for (std::size_t i = 0; i < inits_.size(); ++i) frame.local(slot_ + i) = inits_[i]->eval(frame);
    return body_->eval(frame);
  }

 private:
  std::size_t slot_;
  std::vector<NodePtr> inits_;
  NodePtr body_;
};

}  // namespace

NodePtr constant_node(Value value) {
  return std::make_unique<ConstantNode>(value);
}
NodePtr facet_node(FacetId id) {
  return std::make_unique<FacetNode>(id);
}
NodePtr variable_node(std::size_t index) {
  return std::make_unique<VariableNode>(index);
}
NodePtr local_node(std::size_t slot) {
  return std::make_unique<LocalNode>(slot);
}

NodePtr select_node(NodePtr of, std::string_view field) {
  return std::make_unique<SelectNode>(std::move(of), field);
}

NodePtr present_node(NodePtr of, std::string_view field) {
  return std::make_unique<PresentNode>(std::move(of), field);
}

NodePtr call_node(const Function& function, std::vector<NodePtr> arguments) {
  switch (arguments.size()) {
    case 0: return std::make_unique<CallNode<0>>(function, std::move(arguments));
    case 1: return std::make_unique<CallNode<1>>(function, std::move(arguments));
    case 2: return std::make_unique<CallNode<2>>(function, std::move(arguments));
    case 3: return std::make_unique<CallNode<3>>(function, std::move(arguments));
    case 4: return std::make_unique<CallNode<4>>(function, std::move(arguments));
    default: return constant_node(Value::error(ErrorCode::undeclared));
  }
}

NodePtr bind_node(std::size_t slot, std::vector<NodePtr> inits, NodePtr body) {
  return std::make_unique<BindNode>(slot, std::move(inits), std::move(body));
}

NodePtr logical_node(std::vector<NodePtr> operands, bool decisive) {
  return std::make_unique<LogicalNode>(std::move(operands), decisive);
}

NodePtr conditional_node(NodePtr condition, NodePtr yes, NodePtr no) {
  return std::make_unique<ConditionalNode>(std::move(condition), std::move(yes), std::move(no));
}

}  // namespace clawpatrol::cel
