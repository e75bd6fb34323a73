// Texts to look for in a stream, each as it is and as base64 and hexadecimal write it, in one automaton (Aho
// and Corasick). What it holds can be turned back into the texts, so it lies in locked pages like them.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/credentials/store.h"

namespace clawpatrol::credentials {

inline constexpr std::size_t longest_needle = 8 << 10;
inline constexpr std::size_t shortest_needle = 4;
// A shorter run of base64 or hexadecimal digits would be found where nobody wrote it.
inline constexpr std::size_t shortest_digits = 6;

struct Needle {
  std::string_view text;  // shortest_needle to longest_needle bytes, no control bytes
  std::string stand_in;   // what is put in its place
};

class Patterns {
 public:
  static constexpr std::size_t longest_stride = 7;

  using State = std::uint32_t;
  static constexpr State root = 0;

  enum class Form : std::uint8_t { plain, digits };
  struct Pattern {
    std::uint32_t needle = 0;
    Form form = Form::plain;
    std::uint32_t size = 0;
  };

  // The texts are not kept.
  explicit Patterns(std::span<const Needle> needles);

  State step(State state, unsigned char byte) const {
    for (;;) {
      if (state == root) return first_[byte];
      const Node* nodes = this->nodes();
      for (State child = nodes[state].child; child != root; child = nodes[child].sibling)
        if (nodes[child].byte == byte) return child;
      state = nodes[state].fail;
    }
  }
  // How many bytes of what came last are a pattern, or the beginning of one.
  std::size_t depth(State state) const { return nodes()[state].depth; }
  // How many of them may go on to be one: what has ended, and is the beginning of no longer one, does not.
  std::size_t unfinished(State state) const {
    const Node* nodes = this->nodes();
    while (state != root && nodes[state].child == root) state = nodes[state].fail;
    return nodes[state].depth;
  }
  // The patterns that end here: the first, then the next after each; none.
  const Pattern* ends(State state) const { return pattern(nodes()[state].ends); }
  const Pattern* next(const Pattern& longer) const {
    return pattern(shorter_[static_cast<std::size_t>(&longer - patterns_.data())]);
  }

  // Whether a pattern, or an escape, may begin with these two bytes; with this one.
  bool may_begin(unsigned char first, unsigned char second) const { return pairs_[first << 8 | second]; }
  bool may_begin(unsigned char first) const { return starts_[first]; }

  // Of plain bytes that hold a pattern's first stride() + 1, every window of as many places has one at which
  // these two bytes are found: who looks at every stride()th place misses none.
  bool may_be_within(unsigned char first, unsigned char second) const {
    return samples_[first << 8 | second];
  }
  std::size_t stride() const { return stride_; }

  std::size_t longest() const { return longest_; }
  std::size_t shortest() const { return shortest_; }
  std::string_view stand_in(const Pattern& pattern) const { return stand_ins_[pattern.needle]; }
  bool empty() const { return patterns_.empty(); }

 private:
  static constexpr std::uint32_t no_pattern = ~0u;
  struct Node {
    State child, sibling, fail;
    std::uint32_t ends;  // of patterns_
    std::uint16_t depth;
    unsigned char byte;
  };

  const Node* nodes() const { return reinterpret_cast<const Node*>(memory_.reveal().data()); }
  Node* nodes() { return reinterpret_cast<Node*>(memory_.writable().data()); }
  const Pattern* pattern(std::uint32_t index) const {
    return index == no_pattern ? nullptr : &patterns_[index];
  }
  void add(std::string_view text, std::uint32_t needle, Form form);
  void add_digits(std::string_view text, std::uint32_t needle);
  State grow(State from, unsigned char byte);
  void link();
  void note_beginnings();
  void note_samples();

  Secret memory_;
  std::uint32_t used_ = 0;
  std::array<State, 256> first_{};
  std::vector<Pattern> patterns_;
  std::vector<std::uint32_t> shorter_;  // as long: the next pattern that ends where this one does
  std::vector<std::string> stand_ins_;
  std::bitset<65536> pairs_;
  std::bitset<256> starts_;
  std::bitset<65536> samples_;
  std::size_t longest_ = 0;
  std::size_t shortest_ = longest_needle;
  std::size_t stride_ = 1;
};

}  // namespace clawpatrol::credentials
