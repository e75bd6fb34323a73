#include "daemon/credentials/http/finder.h"

#include <algorithm>
#include <bit>

namespace clawpatrol::credentials {

using State = Patterns::State;

Finder::Finder(const Patterns& patterns)
    : patterns_(patterns), mask_(std::bit_ceil(patterns.longest() + 1) - 1) {}

void Finder::restart() {
  together_ = true;
  lanes_[0].state = Patterns::root;
}

void Finder::feed(std::string_view bytes, std::vector<Found>& found) {
  if (patterns_.empty()) {
    position_ += bytes.size();
    return;
  }
  while (!bytes.empty()) {
    std::size_t used = 1;
    if (together_)
      used = feed_plain(bytes, found);
    else
      feed_lanes(static_cast<unsigned char>(bytes[0]), found);
    bytes.remove_prefix(used);
  }
}

namespace {

constexpr std::size_t block = 64;

// Written so that the compiler makes vectors of it.
bool has_special(const unsigned char* data) {
  unsigned char any = 0;
  for (std::size_t i = 0; i < block; ++i) {
    const unsigned char c = data[i];
    any |= static_cast<unsigned char>((c == '%') | (c == '\\') | (c == '&') | (c == '\r') | (c == '\n'));
  }
  return any != 0;
}

}  // namespace

// The first place from `from` to `to` from which a pattern or an escape may begin, else `to`.
std::size_t Finder::skip_bytes(std::string_view bytes, std::size_t from, std::size_t to) const {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t last = std::min(to, bytes.size() - 1);
  std::size_t i = from;
  while (i < last && !patterns_.may_begin(data[i], data[i + 1])) ++i;
  return i < last || i == to || patterns_.may_begin(data[i]) ? i : to;
}

// The same up to the end. Where nothing can be an escape, only every few bytes are looked at.
std::size_t Finder::skip(std::string_view bytes, std::size_t from) const {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t stride = patterns_.stride();
  std::size_t sure = from;  // nothing begins before
  for (std::size_t at = from; at + block + 1 <= bytes.size(); at += block) {
    bool plain = !has_special(data + at);
    for (std::size_t i = at; plain && i < at + block; i += stride)
      plain = !patterns_.may_be_within(data[i], data[i + 1]);
    if (plain) {
      // Unless it reaches into what comes.
      sure = at + block - std::min(block, 2 * stride);
      continue;
    }
    const std::size_t begin = skip_bytes(bytes, sure, at + block);
    if (begin < at + block) return begin;
    sure = at + block;
  }
  return skip_bytes(bytes, sure, bytes.size());
}

// While nothing is escaped. Returns how much it has taken, which is all unless the readings part.
std::size_t Finder::feed_plain(std::string_view bytes, std::vector<Found>& found) {
  Lane& lane = lanes_[0];
  State state = lane.state;
  const std::uint64_t begin = position_;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (state == Patterns::root && (i = skip(bytes, i)) == bytes.size()) break;
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (Unescape::is_special(byte)) {
      lane.state = state;
      position_ = begin + i;
      split_lanes();
      return i;
    }
    state = patterns_.step(state, byte);
    for (const auto* end = patterns_.ends(state); end; end = patterns_.next(*end))
      found.push_back({end, begin + i + 1 - end->size, begin + i + 1});
  }
  lane.state = state;
  position_ = begin + bytes.size();
  return bytes.size();
}

void Finder::split_lanes() {
  together_ = false;
  const State state = lanes_[0].state;
  const std::size_t depth = patterns_.depth(state);
  for (Lane& lane : lanes_) {
    lane.state = state;
    lane.count = depth;
    lane.unescape.reset();
    lane.branched = 0;
    lane.begins.resize(mask_ + 1);
    for (std::size_t i = 0; i < depth; ++i) lane.begins[i] = position_ - depth + i;
  }
}

void Finder::feed_lanes(unsigned char byte, std::vector<Found>& found) {
  const Token token{byte, position_, position_ + 1};
  ++position_;
  feed_lane<0>(token, false, found);
  auto at_rest = [](const Lane& lane) {
    return lane.state == Patterns::root && lane.unescape.idle() && lane.branched == 0;
  };
  together_ = std::ranges::all_of(lanes_, at_rest);
}

template <std::size_t I>
void Finder::feed_lane(Token token, bool is_left_out, std::vector<Found>& found) {
  Lane& lane = lanes_[I];
  if (!is_left_out) {
    lane.begins[lane.count & mask_] = token.begin;
    ++lane.count;
    lane.state = patterns_.step(lane.state, token.byte);
    report(lane, token.end, found);
    if (lane.branched > 0) feed_branches(lane, token, found);
  }
  if constexpr (I + 1 < readings) {
    lane.unescape.feed(
        token, [&](Token next, bool left_out) { feed_lane<I + 1>(next, left_out, found); },
        [&](std::span<const Token> escaped) { part(lanes_[I + 1], escaped, found); });
  }
}

// Where none of it begins a pattern there is nothing to follow. Each branch that goes on is at another
// beginning of a pattern, so that there is room for more than a text is found to need.
void Finder::part(Lane& lane, std::span<const Token> escaped, std::vector<Found>& found) {
  Branch branch{.state = Patterns::root, .parted = lane.count, .size = 0, .begins = {}};
  for (const Token& token : escaped) {
    branch.begins[branch.size++] = token.begin;
    branch.state = patterns_.step(branch.state, token.byte);
    report(lane, branch, token.end, found);
  }
  if (branch.state != Patterns::root && lane.branched < most_branches)
    lane.branches[lane.branched++] = branch;
}

void Finder::feed_branches(Lane& lane, Token token, std::vector<Found>& found) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < lane.branched; ++i) {
    Branch& branch = lane.branches[i];
    branch.state = patterns_.step(branch.state, token.byte);
    report(lane, branch, token.end, found);
    // What began behind the escape is found by the lane itself.
    if (patterns_.depth(branch.state) > lane.count - branch.parted) lane.branches[kept++] = branch;
  }
  lane.branched = kept;
}

void Finder::report(const Lane& lane, std::uint64_t end, std::vector<Found>& found) {
  for (const auto* pattern = patterns_.ends(lane.state); pattern; pattern = patterns_.next(*pattern))
    found.push_back({pattern, begin_of(lane, pattern->size), end});
}

void Finder::report(const Lane& lane, const Branch& branch, std::uint64_t end, std::vector<Found>& found) {
  for (const auto* pattern = patterns_.ends(branch.state); pattern; pattern = patterns_.next(*pattern))
    found.push_back({pattern, begin_of(lane, branch, pattern->size), end});
}

std::uint64_t Finder::unfinished() const {
  std::uint64_t most = 0;
  for (const Lane& lane : lanes_) {
    std::uint64_t come = patterns_.unfinished(lane.state);
    for (std::size_t i = 0; !together_ && i < lane.branched; ++i)
      come = std::max<std::uint64_t>(come, patterns_.unfinished(lane.branches[i].state));
    if (!together_ && !lane.unescape.idle()) come += position_ - lane.unescape.pending_since();
    most = std::max(most, come);
    if (together_) break;
  }
  return most;
}

std::uint64_t Finder::settled() const {
  if (together_) return position_ - patterns_.unfinished(lanes_[0].state);
  std::uint64_t settled = position_;
  for (const Lane& lane : lanes_) {
    if (!lane.unescape.idle()) settled = std::min(settled, lane.unescape.pending_since());
    const std::size_t unfinished = patterns_.unfinished(lane.state);
    if (unfinished > 0) settled = std::min(settled, begin_of(lane, unfinished));
    for (std::size_t i = 0; i < lane.branched; ++i) {
      const Branch& branch = lane.branches[i];
      const std::size_t more = patterns_.unfinished(branch.state);
      if (more > 0) settled = std::min(settled, begin_of(lane, branch, more));
    }
  }
  return settled;
}

}  // namespace clawpatrol::credentials
