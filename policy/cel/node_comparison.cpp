// Comparisons of texts, and times in a zone, with what is constant made ready when the condition is compiled.
#include "policy/cel/node.h"

#include <algorithm>

#include "policy/cel/time.h"

namespace clawpatrol::cel {

namespace {

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

}  // namespace

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

}  // namespace clawpatrol::cel
