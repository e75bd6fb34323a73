// Which way a condition went: for coverage. Every operand of &&, || and ?: is a branch, as is the condition
// as a whole, and each is seen true, seen false, both, or neither. As in a language that stops at what
// decides, an operand behind one that has decided is not looked at; within a macro each operand is, for every
// element.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/cel/program.h"

namespace clawpatrol::cel {

struct Ast;

struct Branch {
  Span span;  // in the text of the condition
  bool seen_true = false;
  bool seen_false = false;
};

class Branches {
 public:
  // Of a condition that compiled. An operand that cannot be evaluated by itself is no branch.
  explicit Branches(std::string_view condition);

  void observe(const Action& action);
  const std::vector<Branch>& all() const { return branches_; }

 private:
  enum class Form : std::uint8_t { plain, all, any, conditional };
  struct Step {
    Form form = Form::plain;
    std::size_t branch = none;
    std::vector<Step> parts;
  };
  // How to ask for one branch; within a macro, whether it is so, and whether it is not, for some element.
  struct Question {
    Condition is;
    std::optional<Condition> is_not;
  };

  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  Step build(const Ast& node, const std::string& before, const std::string& after);
  std::size_t add_branch(Span span, const std::string& before, const std::string& after);
  Truth observe(Step& step, const Action& action);

  std::string text_;
  std::vector<Branch> branches_;
  std::vector<Question> questions_;  // as long as branches_
  Step root_;
};

}  // namespace clawpatrol::cel
