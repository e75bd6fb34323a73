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
    Value* items = frame.make<Value>(range.size());
    if (!items) return out_of_budget();
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
    return range.open() ? frame.open_list_of({items, count}, range.value().facet)
                        : frame.list_of({items, count});
  }

 private:
  Comprehension over_;
  NodePtr predicate_;
  NodePtr transform_;
};

// The order of a list's members by what an expression says of each.
class SortByNode final : public Node {
 public:
  SortByNode(Comprehension over, NodePtr key) : over_(std::move(over)), key_(std::move(key)) {}

  Value eval(Frame& frame) const override {
    Range range(frame, over_);
    if (range.undecided()) return range.value();
    if (range.value().kind != Kind::list) return Value::error(ErrorCode::wrong_type);
    if (range.open()) return unknown_members(range.value());
    Value* items = frame.make<Value>(2 * range.size());
    if (!items) return out_of_budget();
    Value* keys = items + range.size();
    Value undecided;
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (!frame.charge(1)) return out_of_budget();
      range.bind(frame, i);
      items[i] = range.first(frame);
      keys[i] = key_->eval(frame);
      if (keys[i].undecided())
        undecided = undecided.undecided() ? undecided_both(undecided, keys[i]) : keys[i];
    }
    return undecided.undecided() ? undecided : sorted(frame, {items, range.size()}, {keys, range.size()});
  }

 private:
  Comprehension over_;
  NodePtr key_;
};

class TransformEntriesNode final : public Node {
 public:
  TransformEntriesNode(Comprehension over, NodePtr predicate, NodePtr transform)
      : over_(std::move(over)), predicate_(std::move(predicate)), transform_(std::move(transform)) {}

  Value eval(Frame& frame) const override {
    Range range(frame, over_);
    if (range.undecided()) return range.value();
    Growing<Entry> all(frame);
    Value undecided;
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (!frame.charge(1)) return out_of_budget();
      range.bind(frame, i);
      Value made = predicate_ ? truth(*predicate_, frame) : Value::of_bool(true);
      if (made.is_false()) continue;
      if (made.is_true()) made = transform_->eval(frame);
      if (made.undecided()) {
        undecided = undecided.undecided() ? undecided_both(undecided, made) : made;
        continue;
      }
      if (made.kind != Kind::map) return Value::error(ErrorCode::wrong_type);
      std::span<const Entry> entries = entries_of(frame, made);
      if (!all.append(entries.data(), entries.size())) return out_of_budget();
    }
    return undecided.undecided() ? undecided : make_map(frame, all.items());
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
    Entry* entries = frame.make<Entry>(range.size());
    if (!entries) return out_of_budget();
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
    return frame.map_of({entries, count});  // keys are those of a map, or positions: allowed and different
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

NodePtr transform_entries_node(Comprehension over, NodePtr predicate, NodePtr transform) {
  return std::make_unique<TransformEntriesNode>(std::move(over), std::move(predicate), std::move(transform));
}

NodePtr sort_by_node(Comprehension over, NodePtr key) {
  return std::make_unique<SortByNode>(std::move(over), std::move(key));
}

}  // namespace clawpatrol::cel
