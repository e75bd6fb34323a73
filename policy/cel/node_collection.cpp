// Lists and maps that an expression makes.
#include "policy/cel/node.h"

#include <optional>

namespace clawpatrol::cel {

namespace {

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

NodePtr list_node(std::vector<Piece> members) {
  return std::make_unique<ListNode>(std::move(members));
}
NodePtr map_node(std::vector<Piece> entries) {
  return std::make_unique<MapNode>(std::move(entries));
}

}  // namespace clawpatrol::cel
