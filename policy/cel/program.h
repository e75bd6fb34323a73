// Conditions: the Common Expression Language (google/cel-spec), checked against the facets at load and
// evaluated with three-valued logic over facets that may be unknown and lists that may be open.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/facets.h"

namespace clawpatrol::cel {

// Byte offsets into the text of the condition, so that the caller can map them into the TOML string.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Problem {
  Span span;
  std::string message;  // lower case, no full stop
  std::string hint;     // a sentence, or empty
};

enum class Truth : std::uint8_t { no, yes, unevaluable };

struct Outcome {
  Truth truth = Truth::unevaluable;
  // For unevaluable: the coarse cause that an agent may see, such as `sql.tables: runs code that was not
  // read`, `no such key`, `cost limit`. Never a value.
  std::string cause;
  std::uint64_t cost = 0;
  // For unevaluable: a facet that is pending stands in the way, and once it is known the answer may be
  // another.
  bool pending = false;
};

// A test of a facet by constants.
struct Key {
  enum class Test : std::uint8_t { equals, begins_with };
  struct Text {
    Test test = Test::equals;
    std::string text;
  };
  // The facet's value passes one of `texts`, or none. Of a list: one of its members does, or none, or every
  // one; or there is a member at all.
  enum class Holds : std::uint8_t { some, none, every, has_members };
  FacetId facet = FacetId::count;
  std::string field;  // of an object, such as `target` of sql.copy; else ""
  Holds holds = Holds::has_members;
  std::vector<Text> texts;
};

struct CompileOptions {
  // Families that exist for the endpoints of the rule; a facet outside them is a type error that says so.
  std::vector<FacetFamily> families = {FacetFamily::every, FacetFamily::sql};
};

// A compiled condition of type bool. Immutable; evaluate() may be called from any thread.
class Condition {
 public:
  struct Tree;

  static std::expected<Condition, std::vector<Problem>> compile(std::string_view text,
                                                                const CompileOptions& options);
  Condition(Condition&&) noexcept;
  Condition& operator=(Condition&&) noexcept;
  ~Condition();

  // Cost counts work in the size of values; past `cost_limit` the outcome is unevaluable.
  Outcome evaluate(const Action& action, std::uint64_t cost_limit = 1'000'000) const;

  std::string_view text() const;
  const CompileOptions& options() const;  // as it was compiled with
  // The facets that it reads, without repeats: for lints, and for deciding what waits for Bind parameters.
  const std::vector<FacetId>& facets() const;
  // Tests of which at least one must hold for it to be anything but `no` where every facet that they name is
  // known and no open list; null: there are none. No two of them are `none` of one facet. For finding rules
  // without evaluating all of them.
  const std::vector<Key>* keys() const;

 private:
  explicit Condition(std::unique_ptr<const Tree> tree);
  std::unique_ptr<const Tree> tree_;
};

}  // namespace clawpatrol::cel
