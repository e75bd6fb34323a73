// Goes through one segment, checks what can be checked, and goes on behind damage from the next MAC.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/chain.h"
#include "daemon/audit/findings.h"
#include "daemon/audit/line.h"

namespace clawpatrol::audit {

// The end of a group.
struct Committed {
  std::uint64_t seq = 0;
  Mac mac{};
  std::uint64_t offset = 0;  // of the byte behind it
};

class SegmentScan {
 public:
  // `last_seq`: where the next segment says that this one ends; nothing for the newest.
  SegmentScan(const Key& key, std::string file, std::uint64_t first_seq,
              std::optional<std::uint64_t> last_seq);

  // Lines in order; `offset` is that of the byte behind the line.
  void add(std::string_view text, std::uint64_t offset);
  // Once, after the last line. `torn` counts the bytes behind it.
  void finish(std::uint64_t torn);

  const std::optional<SegmentStart>& start() const { return start_; }
  const std::optional<Committed>& verified() const { return verified_; }  // the last group whose MAC is right
  const std::optional<Committed>& claimed() const { return claimed_; }    // the last group, right or not
  std::vector<Finding>& findings() { return findings_; }                  // by line, once finished
  std::uint64_t lines() const { return counted_; }
  std::uint64_t groups() const { return groups_; }
  std::uint64_t tail_bytes() const { return tail_bytes_; }  // behind where the segment ends

 private:
  void take(std::string_view text, std::uint64_t offset, std::uint64_t number);
  bool ended() const;
  void add_start(const std::optional<Line>& line);
  void add_tail(std::string_view text);
  void settle_unreadable(const Line* next);
  bool out_of_place(const Line& line);
  void check_link(const Line& line);
  void end_group(const Line& line, std::uint64_t offset);
  void lose_chain();
  void report(FindingKind kind, std::uint64_t line, std::uint64_t seq, std::string what);

  struct Gap {
    std::uint64_t line = 0, first = 0, last = 0;  // sequence numbers missing before that line
    bool found_later = false;
  };

  // A line out of order: what it means shows in the line after it.
  struct Held {
    std::string text;
    std::uint64_t offset = 0, number = 0;
  };

  const Key& key_;
  Chain chain_;
  std::string file_;
  std::optional<std::uint64_t> last_seq_;
  std::optional<SegmentStart> start_;
  std::uint64_t expected_;  // sequence number of the next line
  std::optional<Held> held_;
  std::uint64_t read_ = 0;    // lines, the held one included
  std::uint64_t number_ = 0;  // of the line at hand
  std::uint64_t counted_ = 0, groups_ = 0, tail_bytes_ = 0;
  std::uint64_t group_start_ = 1;  // first line of the group at hand
  std::uint64_t reported_ = 0;     // last line that a change was reported of
  bool chain_known_ = true;        // the link before the line at hand is certain
  bool mac_checked_ = true;        // our key, and a first line that says which boot
  bool in_group_ = false;
  std::optional<Mac> recomputed_;  // where the group before had another MAC than it should
  std::uint64_t unreadable_ = 0;   // lines just before the one at hand that are none of ours
  std::vector<Gap> gaps_;
  std::optional<Committed> verified_, claimed_;
  std::vector<Finding> findings_;
};

}  // namespace clawpatrol::audit
