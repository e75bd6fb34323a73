#include "daemon/credentials/http/patterns.h"

#include <algorithm>
#include <cassert>

namespace clawpatrol::credentials {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base64url_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The base64 digits that are certain of a text that `before` bytes precede in its group of three: those of
// whose six bits all are the text's. So at most six bits at either end are not found.
Secret base64_of(std::string_view text, std::size_t before, std::string_view digits) {
  const std::size_t begin = (before * 8 + 5) / 6, end = (before + text.size()) * 8 / 6;
  Secret out(end > begin ? end - begin : 0);
  for (std::size_t i = begin; i < end; ++i) {
    const std::size_t bit = i * 6 - before * 8;
    const std::size_t byte = bit / 8;
    unsigned pair = static_cast<unsigned char>(text[byte]) << 8;
    if (byte + 1 < text.size()) pair |= static_cast<unsigned char>(text[byte + 1]);
    out.writable()[i - begin] = digits[pair >> (10 - bit % 8) & 63];
  }
  return out;
}

Secret hex_of(std::string_view text, std::string_view digits) {
  Secret out(text.size() * 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    out.writable()[2 * i] = digits[byte >> 4];
    out.writable()[2 * i + 1] = digits[byte & 15];
  }
  return out;
}

// As a form has it, where a space is a "+".
Secret form_of(std::string_view text) {
  Secret out(text);
  std::ranges::replace(out.writable(), ' ', '+');
  return out;
}

// Six of base64, two of hexadecimal, and the text twice.
constexpr std::size_t most_nodes(std::size_t size) {
  return 6 * (size * 4 / 3 + 2) + 2 * 2 * size + 2 * size;
}

}  // namespace

Patterns::Patterns(std::span<const Needle> needles) {
  std::size_t room = 1;
  for (const Needle& needle : needles) room += most_nodes(needle.text.size());
  memory_ = Secret(room * sizeof(Node));
  used_ = 1;
  nodes()[root].ends = no_pattern;
  for (std::uint32_t i = 0; i < needles.size(); ++i) {
    const std::string_view text = needles[i].text;
    assert(text.size() >= shortest_needle && text.size() <= longest_needle);
    stand_ins_.push_back(needles[i].stand_in);
    add(text, i, Form::plain);
    if (text.contains(' ')) add(form_of(text).reveal(), i, Form::plain);
    add_digits(text, i);
  }
  link();
  note_beginnings();
  stride_ = std::min(shortest_ - 1, longest_stride);
  note_samples();
}

void Patterns::add_digits(std::string_view text, std::uint32_t needle) {
  for (std::string_view digits : {base64_digits, base64url_digits}) {
    for (std::size_t before = 0; before < 3; ++before)
      add(base64_of(text, before, digits).reveal(), needle, Form::digits);
  }
  for (std::string_view digits : {"0123456789abcdef", "0123456789ABCDEF"})
    add(hex_of(text, digits).reveal(), needle, Form::digits);
}

Patterns::State Patterns::grow(State from, unsigned char byte) {
  State* slot = from == root ? &first_[byte] : nullptr;
  if (slot && *slot != root) return *slot;
  for (State child = nodes()[from].child; !slot && child != root; child = nodes()[child].sibling)
    if (nodes()[child].byte == byte) return child;
  const State made = used_++;
  Node& node = nodes()[made];
  node.byte = byte;
  node.depth = static_cast<std::uint16_t>(nodes()[from].depth + 1);
  node.ends = no_pattern;
  node.sibling = nodes()[from].child;
  nodes()[from].child = made;
  if (slot) *slot = made;
  return made;
}

void Patterns::add(std::string_view text, std::uint32_t needle, Form form) {
  if (form == Form::digits && text.size() < shortest_digits) return;
  State state = root;
  for (char c : text) state = grow(state, static_cast<unsigned char>(c));
  if (nodes()[state].ends != no_pattern) return;  // the same in both alphabets, or of two needles
  nodes()[state].ends = static_cast<std::uint32_t>(patterns_.size());
  patterns_.push_back({needle, form, static_cast<std::uint32_t>(text.size())});
  shorter_.push_back(no_pattern);
  longest_ = std::max(longest_, text.size());
  shortest_ = std::min(shortest_, text.size());
}

// Breadth first: where a state fails to is nearer to the root, and so is linked already.
void Patterns::link() {
  std::vector<State> order;
  for (State child = nodes()[root].child; child != root; child = nodes()[child].sibling)
    order.push_back(child);
  for (std::size_t i = 0; i < order.size(); ++i) {
    Node& node = nodes()[order[i]];
    const std::uint32_t behind = nodes()[node.fail].ends;  // of the root for the first: none
    if (node.ends == no_pattern)
      node.ends = behind;
    else
      shorter_[node.ends] = behind;
    for (State child = node.child; child != root; child = nodes()[child].sibling) {
      nodes()[child].fail = step(node.fail, nodes()[child].byte);
      order.push_back(child);
    }
  }
}

// Of an escape only what matters at the beginning: one that stands for something that begins no pattern, such
// as a line end, is as good as two bytes that do not.
void Patterns::note_beginnings() {
  for (State child = nodes()[root].child; child != root; child = nodes()[child].sibling) {
    const unsigned char first = nodes()[child].byte;
    starts_.set(first);
    for (State second = nodes()[child].child; second != root; second = nodes()[second].sibling)
      pairs_.set(first << 8 | nodes()[second].byte);
    for (unsigned char special : {'%', '\\', '&', '\r', '\n'}) pairs_.set(first << 8 | special);
  }
  for (unsigned char second : std::string_view("/\"'"))
    if (starts_[second]) pairs_.set('\\' << 8 | second);
  for (unsigned char second : std::string_view("ux\\")) pairs_.set('\\' << 8 | second);
  for (unsigned char second : std::string_view("0123456789abcdefABCDEF%\\&")) pairs_.set('%' << 8 | second);
  for (unsigned char second : std::string_view("#alqg%\\&")) pairs_.set('&' << 8 | second);
  for (unsigned char escape : {'%', '\\', '&'}) starts_.set(escape);
}

// Breadth first, as deep as the stride goes.
void Patterns::note_samples() {
  std::vector<State> level = {root};
  for (std::size_t depth = 0; depth < stride_; ++depth) {
    std::vector<State> deeper;
    for (State state : level) {
      for (State child = nodes()[state].child; child != root; child = nodes()[child].sibling) {
        deeper.push_back(child);
        for (State next = nodes()[child].child; next != root; next = nodes()[next].sibling)
          samples_.set(nodes()[child].byte << 8 | nodes()[next].byte);
      }
    }
    level = std::move(deeper);
  }
}

}  // namespace clawpatrol::credentials
