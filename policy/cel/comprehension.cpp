// The macros that go over a list or a map.
#include "policy/cel/node.h"

namespace clawpatrol::cel {

namespace {

// What a macro ranges over, bound to its variables one after the other.
class Range {
 public:
  Range(Frame& frame, const Comprehension& over)
      : slot_(over.slot), two_(over.binding == Binding::two_variables) {
    range_ = over.range->eval(frame);
    if (range_.kind == Kind::map) {
      entries_ = entries_of(frame, range_);
      size_ = entries_.size();
      if (frame.exhausted()) range_ = out_of_budget();
    } else if (range_.kind == Kind::list) {
      size_ = list_size(range_);
      // Where a member stands in an open list is not known.
      if (two_ && is_open(range_)) range_ = unknown_members(range_);
    } else if (!range_.undecided()) {
      range_ = Value::error(ErrorCode::wrong_type);
    }
  }

  bool undecided() const { return range_.undecided(); }
  Value value() const { return range_; }
  std::size_t size() const { return size_; }
  bool open() const { return range_.kind == Kind::list && is_open(range_); }

  void bind(Frame& frame, std::size_t index) const {
    if (range_.kind == Kind::map) {
      frame.local(slot_) = entries_[index].key;
      if (two_) frame.local(slot_ + 1) = entries_[index].value;
    } else if (two_) {
      frame.local(slot_) = Value::of_int(static_cast<std::int64_t>(index));
      frame.local(slot_ + 1) = list_at(range_, index);
    } else {
      frame.local(slot_) = list_at(range_, index);
    }
  }
  Value first(Frame& frame) const { return frame.local(slot_); }

 private:
  Value range_;
  std::span<const Entry> entries_;
  std::size_t size_ = 0;
  std::size_t slot_;
  bool two_;
};

// A predicate's value: a bool, or undecided.
Value truth(const Node& predicate, Frame& frame) {
  Value value = predicate.eval(frame);
  return value.kind == Kind::boolean || value.undecided() ? value : Value::error(ErrorCode::wrong_type);
}

class QuantifierNode final : public Node {
 public:
  QuantifierNode(Comprehension over, NodePtr predicate, bool decisive)
      : over_(std::move(over)), predicate_(std::move(predicate)), decisive_(decisive) {}

  Value eval(Frame& frame) const override {
    Range range(frame, over_);
    if (range.undecided()) return range.value();
    Value undecided;
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (!frame.charge(1)) return out_of_budget();
      range.bind(frame, i);
      Value value = truth(*predicate_, frame);
      if (value.undecided())
        undecided = undecided.undecided() ? undecided_either(undecided, value) : value;
      else if (value.boolean == decisive_)
        return value;
    }
    if (undecided.undecided()) return undecided;
    return range.open() ? unknown_members(range.value()) : Value::of_bool(!decisive_);
  }

 private:
  Comprehension over_;
  NodePtr predicate_;
  bool decisive_;
};

class ExactlyOneNode final : public Node {
 public:
  ExactlyOneNode(Comprehension over, NodePtr predicate)
      : over_(std::move(over)), predicate_(std::move(predicate)) {}

  Value eval(Frame& frame) const override {
    Range range(frame, over_);
    if (range.undecided()) return range.value();
    if (range.open()) return unknown_members(range.value());
    std::size_t found = 0;
    Value undecided;
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (!frame.charge(1)) return out_of_budget();
      range.bind(frame, i);
      Value value = truth(*predicate_, frame);
      if (value.undecided()) undecided = undecided.undecided() ? undecided_both(undecided, value) : value;
      found += value.is_true();
    }
    return undecided.undecided() ? undecided : Value::of_bool(found == 1);
  }

 private:
  Comprehension over_;
  NodePtr predicate_;
};

class CollectNode final : public Node {
 public:
  // Without a transform it keeps the members themselves: filter.
  CollectNode(Comprehension over, NodePtr predicate, NodePtr transform)
      : over_(std::move(over)), predicate_(std::move(predicate)), transform_(std::move(transform)) {}

  Value eval(Frame& frame) const override {
    Range range(frame, over_);
    if (range.undecided()) return range.value();
    // What is known to be kept is in the result of a filter; a transform could fail on a member that is not
    // known.
    if (range.open() && transform_) return unknown_members(range.value());
    if (!frame.charge(2 + range.size())) return out_of_budget();
    Value* items = frame.arena().make<Value>(range.size());
    std::size_t count = 0;
    Value undecided;
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (!frame.charge(1)) return out_of_budget();
      range.bind(frame, i);
      Value kept = predicate_ ? truth(*predicate_, frame) : Value::of_bool(true);
      if (kept.is_false()) continue;
      if (kept.is_true()) kept = items[count++] = transform_ ? transform_->eval(frame) : range.first(frame);
      if (kept.undecided()) undecided = undecided.undecided() ? undecided_both(undecided, kept) : kept;
    }
    if (undecided.undecided()) return undecided;
    auto* data = new (frame.arena().allocate(sizeof(ListData))) ListData{items, count, range.open()};
    return Value::of_list(data, range.value().facet);
  }

 private:
  Comprehension over_;
  NodePtr predicate_;
  NodePtr transform_;
};

class TransformMapNode final : public Node {
 public:
  TransformMapNode(Comprehension over, NodePtr predicate, NodePtr transform)
      : over_(std::move(over)), predicate_(std::move(predicate)), transform_(std::move(transform)) {}

  Value eval(Frame& frame) const override {
    Range range(frame, over_);
    if (range.undecided()) return range.value();
    if (!frame.charge(2 + 2 * range.size())) return out_of_budget();
    Entry* entries = frame.arena().make<Entry>(range.size());
    std::size_t count = 0;
    Value undecided;
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (!frame.charge(1)) return out_of_budget();
      range.bind(frame, i);
      Value kept = predicate_ ? truth(*predicate_, frame) : Value::of_bool(true);
      if (kept.is_false()) continue;
      Value key = range.first(frame);
      if (kept.is_true()) {
        kept = transform_->eval(frame);
        entries[count++] = {key, kept};
      }
      if (kept.undecided()) undecided = undecided.undecided() ? undecided_both(undecided, kept) : kept;
    }
    if (undecided.undecided()) return undecided;
    auto* data = new (frame.arena().allocate(sizeof(MapData))) MapData{entries, count};
    return Value::of_map(data);  // keys are those of a map, or positions: allowed and different
  }

 private:
  Comprehension over_;
  NodePtr predicate_;
  NodePtr transform_;
};

}  // namespace

NodePtr quantifier_node(Comprehension over, NodePtr predicate, bool decisive) {
  return std::make_unique<QuantifierNode>(std::move(over), std::move(predicate), decisive);
}

NodePtr exactly_one_node(Comprehension over, NodePtr predicate) {
  return std::make_unique<ExactlyOneNode>(std::move(over), std::move(predicate));
}

NodePtr filter_node(Comprehension over, NodePtr predicate) {
  return std::make_unique<CollectNode>(std::move(over), std::move(predicate), nullptr);
}

NodePtr collect_node(Comprehension over, NodePtr predicate, NodePtr transform) {
  return std::make_unique<CollectNode>(std::move(over), std::move(predicate), std::move(transform));
}

NodePtr transform_map_node(Comprehension over, NodePtr predicate, NodePtr transform) {
  return std::make_unique<TransformMapNode>(std::move(over), std::move(predicate), std::move(transform));
}

}  // namespace clawpatrol::cel
