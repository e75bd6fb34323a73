// Finds patterns in a stream however it is cut: as they stand, and in text that is escaped once or twice over
// (percent, JSON, HTML), wholly or in part, also where what stands before them makes an escape of how they
// begin
// ("%", and then "aa"). One pass; nothing is allocated but for what is found, and once something is escaped.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/credentials/http/patterns.h"
#include "daemon/credentials/http/unescape.h"

namespace clawpatrol::credentials {

struct Found {
  const Patterns::Pattern* pattern;
  std::uint64_t begin, end;  // of the stream, escapes and all
};

class Finder {
 public:
  explicit Finder(const Patterns& patterns);  // which must outlive this

  // What follows is another stream: nothing goes on from what was fed. Positions count on.
  void restart();

  // Adds what ends in these bytes; the same may be found in more than one reading.
  void feed(std::string_view bytes, std::vector<Found>& found);

  // Nothing that is found later begins before this place. It is behind the end of what was fed by no more
  // than what could still become a pattern.
  std::uint64_t settled() const;
  std::uint64_t position() const { return position_; }
  // How much of a pattern that may still become one has come: its bytes, however they are escaped and
  // whatever line ends are between or behind them, and what is of an escape that is not whole.
  std::uint64_t unfinished() const;

 private:
  // A second reading of a lane, which parted from it at an escape: its first byte stands for itself. What
  // comes behind the escape is the same in both.
  struct Branch {
    Patterns::State state = Patterns::root;
    std::uint64_t parted = 0;  // the lane's count at the escape's end
    std::size_t size = 0;      // of what the escape is but for its first byte
    std::array<std::uint64_t, Unescape::longest_escape> begins{};  // of that
  };
  static constexpr std::size_t most_branches = 4;

  // A reading of the stream: as it stands, and what one Unescape after the other makes of it.
  struct Lane {
    Patterns::State state = Patterns::root;
    std::uint64_t count = 0;            // of the tokens seen
    std::vector<std::uint64_t> begins;  // of the last ones, by count modulo size; empty until readings part
    Unescape unescape;                  // makes the tokens of the next lane
    std::array<Branch, most_branches> branches;
    std::size_t branched = 0;  // how many of them there are, each at the beginning of a pattern
  };
  static constexpr std::size_t readings = 3;

  std::size_t feed_plain(std::string_view bytes, std::vector<Found>& found);
  std::size_t skip(std::string_view bytes, std::size_t from) const;
  std::size_t skip_bytes(std::string_view bytes, std::size_t from, std::size_t to) const;
  void split_lanes();
  void feed_lanes(unsigned char byte, std::vector<Found>& found);
  template <std::size_t I>
  void feed_lane(Token token, bool is_left_out, std::vector<Found>& found);
  void part(Lane& lane, std::span<const Token> escaped, std::vector<Found>& found);
  void feed_branches(Lane& lane, Token token, std::vector<Found>& found);
  void report(const Lane& lane, std::uint64_t end, std::vector<Found>& found);
  void report(const Lane& lane, const Branch& branch, std::uint64_t end, std::vector<Found>& found);
  std::uint64_t begin_of(const Lane& lane, std::size_t tokens_ago) const {
    return lane.begins[(lane.count - tokens_ago) & mask_];
  }
  std::uint64_t begin_of(const Lane& lane, const Branch& branch, std::size_t tokens_ago) const {
    const std::uint64_t shared = lane.count - branch.parted;
    return tokens_ago <= shared ? begin_of(lane, tokens_ago)
                                : branch.begins[branch.size - (tokens_ago - shared)];
  }

  const Patterns& patterns_;
  std::uint64_t position_ = 0;
  std::uint64_t mask_ = 0;
  // All readings are at the same state, of plain bytes: lane 0 stands for all, and its tokens are bytes.
  bool together_ = true;
  std::array<Lane, readings> lanes_;
};

}  // namespace clawpatrol::credentials
