#include "policy/cel/node.h"

#include <algorithm>
#include <array>

#include "policy/cel/facet_values.h"
#include "policy/cel/time.h"

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

class ZoneNode final : public Node {
 public:
  ZoneNode(const Function& getter, NodePtr timestamp, Zone zone)
      : getter_(getter), timestamp_(std::move(timestamp)), zone_(std::move(zone)) {}
  Value eval(Frame& frame) const override {
    if (!frame.charge(1)) return out_of_budget();
    Value timestamp = timestamp_->eval(frame);
    return timestamp.undecided() ? timestamp : in_zone_of(getter_, timestamp, zone_);
  }

 private:
  const Function& getter_;
  NodePtr timestamp_;
  Zone zone_;
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

class TextNode final : public Node {
 public:
  TextNode(NodePtr of, std::string_view text, Comparison comparison)
      : of_(std::move(of)), text_(text), same_(comparison == Comparison::equal) {}

  Value eval(Frame& frame) const override {
    if (!frame.charge(1)) return out_of_budget();
    Value value = of_->eval(frame);
    if (value.undecided()) [[unlikely]]
      return value;
    if (value.kind != Kind::string || value.size != text_.size()) return Value::of_bool(!same_);
    if (!frame.charge_text(value.size)) return out_of_budget();
    return Value::of_bool((value.text() == text_) == same_);
  }

 private:
  NodePtr of_;
  std::string_view text_;
  bool same_;
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

// The first of what is undecided, or what tells more.
void note_undecided(Value& seen, Value value) {
  if (value.undecided()) seen = seen.undecided() ? undecided_both(seen, value) : value;
}

// What stands for an optional part: its value, nothing, or why neither is known.
std::optional<Value> unwrapped(const Piece& part, Value value) {
  if (part.presence == Piece::Presence::always || value.undecided()) return value;
  if (value.kind != Kind::optional) return Value::error(ErrorCode::wrong_type);
  return value.held ? std::optional(*value.held) : std::nullopt;
}

class ListNode final : public Node {
 public:
  explicit ListNode(std::vector<Piece> members) : members_(std::move(members)) {}

  Value eval(Frame& frame) const override {
    Value* items = frame.make<Value>(members_.size());
    if (!items) return out_of_budget();
    std::size_t count = 0;
    Value undecided;
    for (const Piece& part : members_) {
      std::optional<Value> item = unwrapped(part, part.value->eval(frame));
      if (!item) continue;
      note_undecided(undecided, *item);
      items[count++] = *item;
    }
    return undecided.undecided() ? undecided : frame.list_of({items, count});
  }

 private:
  std::vector<Piece> members_;
};

class MapNode final : public Node {
 public:
  explicit MapNode(std::vector<Piece> parts) : parts_(std::move(parts)) {}

  Value eval(Frame& frame) const override {
    Entry* entries = frame.make<Entry>(parts_.size());
    if (!entries) return out_of_budget();
    std::size_t count = 0;
    Value undecided;
    for (const Piece& part : parts_) {
      Value key = part.key->eval(frame);
      note_undecided(undecided, key);
      std::optional<Value> value = unwrapped(part, part.value->eval(frame));
      if (!value) continue;
      note_undecided(undecided, *value);
      entries[count++] = {key, *value};
    }
    return undecided.undecided() ? undecided : make_map(frame, {entries, count});
  }

 private:
  std::vector<Piece> parts_;
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
  return frame.map_of(entries);
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

NodePtr optional_select_node(NodePtr of, std::string_view field) {
  return std::make_unique<OptionalSelectNode>(std::move(of), field);
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

NodePtr zone_node(const Function& getter, NodePtr timestamp, Zone zone) {
  return std::make_unique<ZoneNode>(getter, std::move(timestamp), std::move(zone));
}

NodePtr matches_node(NodePtr text, Pattern pattern) {
  return std::make_unique<MatchesNode>(std::move(text), std::move(pattern));
}

NodePtr text_node(NodePtr of, std::string_view text, Comparison comparison) {
  return std::make_unique<TextNode>(std::move(of), text, comparison);
}

NodePtr in_texts_node(NodePtr needle, Value texts) {
  return std::make_unique<InTextsNode>(std::move(needle), texts);
}
NodePtr list_node(std::vector<Piece> members) {
  return std::make_unique<ListNode>(std::move(members));
}
NodePtr map_node(std::vector<Piece> entries) {
  return std::make_unique<MapNode>(std::move(entries));
}

NodePtr bind_node(std::size_t slot, std::vector<NodePtr> inits, NodePtr body) {
  return std::make_unique<BindNode>(slot, std::move(inits), std::move(body));
}

NodePtr or_node(NodePtr first, NodePtr second, Alternative kind) {
  return std::make_unique<OrNode>(std::move(first), std::move(second), kind);
}

NodePtr optional_map_node(NodePtr optional, std::size_t slot, NodePtr body, Mapping mapping) {
  return std::make_unique<OptionalMapNode>(std::move(optional), slot, std::move(body), mapping);
}

NodePtr logical_node(std::vector<NodePtr> operands, bool decisive) {
  return std::make_unique<LogicalNode>(std::move(operands), decisive);
}

NodePtr conditional_node(NodePtr condition, NodePtr yes, NodePtr no) {
  return std::make_unique<ConditionalNode>(std::move(condition), std::move(yes), std::move(no));
}

}  // namespace clawpatrol::cel
