#include "policy/cel/node.h"

#include <algorithm>
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

class MatchesNode final : public Node {
 public:
  MatchesNode(NodePtr text, Pattern pattern) : text_(std::move(text)), pattern_(std::move(pattern)) {}
  Value eval(Frame& frame) const override {
    Value text = text_->eval(frame);
    if (text.undecided()) return text;
    return text.kind == Kind::string ? pattern_.match(frame, text.text())
                                     : Value::error(ErrorCode::wrong_type);
  }

 private:
  NodePtr text_;
  Pattern pattern_;
};

// Membership in a list of constant strings: those of the right length, then a search.
class InTextsNode final : public Node {
 public:
  InTextsNode(NodePtr needle, Value texts) : needle_(std::move(needle)) {
    for (std::size_t i = 0; i < list_size(texts); ++i) texts_.push_back(list_at(texts, i).text());
    std::sort(texts_.begin(), texts_.end(), before);
    texts_.erase(std::unique(texts_.begin(), texts_.end()), texts_.end());
    for (std::string_view text : texts_) lengths_ |= length_bit(text.size());
  }

  Value eval(Frame& frame) const override {
    Value needle = needle_->eval(frame);
    if (needle.undecided()) return needle;
    if (needle.kind != Kind::string) return Value::of_bool(false);
    if (!frame.charge_text(needle.size)) return out_of_budget();
    std::string_view text = needle.text();
    if (!(lengths_ & length_bit(text.size()))) return Value::of_bool(false);
    return Value::of_bool(std::binary_search(texts_.begin(), texts_.end(), text, before));
  }

 private:
  static bool before(std::string_view left, std::string_view right) {
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  }
  static std::uint64_t length_bit(std::size_t length) {
    return std::uint64_t{1} << std::min<std::size_t>(length, 63);
  }

  NodePtr needle_;
  std::vector<std::string_view> texts_;
  std::uint64_t lengths_ = 0;  // which lengths there are
};

class ListNode final : public Node {
 public:
  explicit ListNode(std::vector<NodePtr> members) : members_(std::move(members)) {}

  Value eval(Frame& frame) const override {
    std::size_t count = members_.size();
    if (!frame.charge(2 + count)) return out_of_budget();
    Value* items = frame.arena().make<Value>(count);
    Value undecided;
    for (std::size_t i = 0; i < count; ++i) {
      items[i] = members_[i]->eval(frame);
      if (items[i].undecided())
        undecided = undecided.undecided() ? undecided_both(undecided, items[i]) : items[i];
    }
    if (undecided.undecided()) return undecided;
    return Value::of_list(new (frame.arena().allocate(sizeof(ListData))) ListData{items, count});
  }

 private:
  std::vector<NodePtr> members_;
};

class MapNode final : public Node {
 public:
  explicit MapNode(std::vector<NodePtr> parts) : parts_(std::move(parts)) {}

  Value eval(Frame& frame) const override {
    std::size_t count = parts_.size() / 2;
    if (!frame.charge(2 + 2 * count)) return out_of_budget();
    Entry* entries = frame.arena().make<Entry>(count);
    Value undecided;
    for (std::size_t i = 0; i < count; ++i) {
      entries[i] = {parts_[2 * i]->eval(frame), parts_[2 * i + 1]->eval(frame)};
      for (Value value : {entries[i].key, entries[i].value})
        if (value.undecided()) undecided = undecided.undecided() ? undecided_both(undecided, value) : value;
    }
    return undecided.undecided() ? undecided : make_map(frame, {entries, count});
  }

 private:
  std::vector<NodePtr> parts_;
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

bool may_be_key(Kind kind) {
  return kind == Kind::string || kind == Kind::integer || kind == Kind::uinteger || kind == Kind::boolean;
}

}  // namespace

Value make_map(Frame& frame, std::span<const Entry> entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!may_be_key(entries[i].key.kind)) return Value::error(ErrorCode::bad_key);
    for (std::size_t j = 0; j < i; ++j) {
      if (!frame.charge(1)) return out_of_budget();
      if (equals(frame, entries[i].key, entries[j].key).is_true())
        return Value::error(ErrorCode::repeated_key);
    }
  }
  if (!frame.charge(1)) return out_of_budget();
  return Value::of_map(new (frame.arena().allocate(sizeof(MapData))) MapData{entries.data(), entries.size()});
}

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
    case 1: return std::make_unique<CallNode<1>>(function, std::move(arguments));
    case 2: return std::make_unique<CallNode<2>>(function, std::move(arguments));
    case 3: return std::make_unique<CallNode<3>>(function, std::move(arguments));
    case 4: return std::make_unique<CallNode<4>>(function, std::move(arguments));
    default: return constant_node(Value::error(ErrorCode::undeclared));
  }
}

NodePtr matches_node(NodePtr text, Pattern pattern) {
  return std::make_unique<MatchesNode>(std::move(text), std::move(pattern));
}

NodePtr in_texts_node(NodePtr needle, Value texts) {
  return std::make_unique<InTextsNode>(std::move(needle), texts);
}
NodePtr list_node(std::vector<NodePtr> members) {
  return std::make_unique<ListNode>(std::move(members));
}
NodePtr map_node(std::vector<NodePtr> keys_and_values) {
  return std::make_unique<MapNode>(std::move(keys_and_values));
}

NodePtr logical_node(std::vector<NodePtr> operands, bool decisive) {
  return std::make_unique<LogicalNode>(std::move(operands), decisive);
}

NodePtr conditional_node(NodePtr condition, NodePtr yes, NodePtr no) {
  return std::make_unique<ConditionalNode>(std::move(condition), std::move(yes), std::move(no));
}

}  // namespace clawpatrol::cel
