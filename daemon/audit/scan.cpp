#include "daemon/audit/scan.h"

#include <fmt/format.h>

#include <algorithm>

namespace clawpatrol::audit {

namespace {

std::string range(std::uint64_t first, std::uint64_t last) {
  return first == last ? fmt::format("line {}", first) : fmt::format("lines {} to {}", first, last);
}

}  // namespace

std::string_view name_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::changed: return "changed";
    case FindingKind::removed: return "removed";
    case FindingKind::reordered: return "reordered";
    case FindingKind::inserted: return "inserted";
    case FindingKind::cut_tail: return "cut tail";
    case FindingKind::torn_tail: return "torn tail";
    case FindingKind::foreign_key: return "foreign key";
  }
  return "";
}

SegmentScan::SegmentScan(const Key& key, std::string file, std::uint64_t first_seq,
                         std::optional<std::uint64_t> last_seq)
    : key_(key), chain_(key), file_(std::move(file)), last_seq_(last_seq), expected_(first_seq) {}

void SegmentScan::report(FindingKind kind, std::uint64_t line, std::uint64_t seq, std::string what) {
  findings_.push_back(Finding{kind, file_, line, seq, std::move(what)});
}

// Until the group's end nothing more can be said of it.
void SegmentScan::lose_chain() {
  chain_known_ = false;
  recomputed_.reset();
}

void SegmentScan::add(std::string_view text, std::uint64_t offset) {
  ++read_;
  if (held_) {
    Held held = std::move(*held_);
    held_.reset();
    auto next = parse_line(text);
    // The line after it bears the number after the one that it should have: its own number was changed.
    if (next && next->seq == expected_ + unreadable_ + 1) {
      number_ = held.number;
      ++unreadable_;
    } else {
      take(held.text, held.offset, held.number);
    }
  }
  auto line = parse_line(text);
  bool in_place = !line || line->seq == expected_ || line->seq == expected_ + unreadable_;
  if (in_place || read_ == 1 || ended()) return take(text, offset, read_);
  held_ = Held{std::string(text), offset, read_};
}

bool SegmentScan::ended() const {
  return last_seq_ && !in_group_ && expected_ > *last_seq_;
}

void SegmentScan::take(std::string_view text, std::uint64_t offset, std::uint64_t number) {
  number_ = number;
  if (ended()) return add_tail(text);
  std::optional<Line> line = parse_line(text);
  if (number_ == 1) add_start(line);
  if (!line || (last_seq_ && line->seq > *last_seq_)) {
    ++unreadable_;
    return;
  }
  settle_unreadable(&*line);
  if (out_of_place(*line)) return;
  check_link(*line);
  if (chain_known_) chain_.add(line->covered);
  if (!in_group_) group_start_ = number_;
  in_group_ = true;
  ++counted_;
  ++expected_;
  if (line->mac) end_group(*line, offset);
}

void SegmentScan::add_start(const std::optional<Line>& line) {
  if (line) start_ = parse_segment_start(line->body);
  if (!start_) {
    mac_checked_ = chain_known_ = false;
    report(FindingKind::changed, 1, expected_,
           "the first line is not one that begins a segment; no MAC here can be checked");
    reported_ = 1;
    return;
  }
  chain_.go_on_after(start_->head);
  if (start_->key_id == key_.id()) return;
  mac_checked_ = false;
  report(FindingKind::foreign_key, 1, expected_,
         fmt::format("written under key {}, verified with key {}", start_->key_id, key_.id()));
}

// What stands behind the end that the next segment names was never recorded, so nobody was told that it was.
// A whole line with a MAC would have been.
void SegmentScan::add_tail(std::string_view text) {
  tail_bytes_ += text.size() + 1;
  if (group_end(text)) {
    report(FindingKind::changed, number_, 0, "a committed line stands behind the end of the segment");
  }
}

// Lines that are none of ours: in the place of lines that are missing they were changed, else they were put
// in.
void SegmentScan::settle_unreadable(const Line* next) {
  if (unreadable_ == 0) return;
  std::uint64_t first = number_ - unreadable_ + (next == nullptr ? 1 : 0);
  std::uint64_t last = first + unreadable_ - 1;
  bool inserted = next != nullptr && next->seq == expected_ && first > 1;
  if (inserted) {
    report(FindingKind::inserted, first, 0, fmt::format("{}: not of this log", range(first, last)));
  } else {
    if (reported_ < last)
      report(FindingKind::changed, first, expected_, fmt::format("{}: cannot be read", range(first, last)));
    reported_ = last;
    expected_ += unreadable_;
    if (next != nullptr && next->seq < expected_ && next->seq + unreadable_ > expected_)
      expected_ = next->seq;
    counted_ += unreadable_;
    in_group_ = true;
    lose_chain();
  }
  unreadable_ = 0;
}

// True for a line that has no place in the chain; a gap before one that has is noted.
bool SegmentScan::out_of_place(const Line& line) {
  if (line.seq > expected_) {
    gaps_.push_back(Gap{number_, expected_, line.seq - 1});
    expected_ = line.seq;
    lose_chain();
    return false;
  }
  if (line.seq == expected_) return false;
  for (Gap& gap : gaps_) {
    if (line.seq < gap.first || line.seq > gap.last) continue;
    if (!gap.found_later) {
      report(FindingKind::reordered, number_, line.seq,
             fmt::format("stands behind line {}, which was written after it", gap.line));
    }
    gap.found_later = true;
    return true;
  }
  report(FindingKind::inserted, number_, line.seq, "its number was used before");
  return true;
}

void SegmentScan::check_link(const Line& line) {
  if (!chain_known_) return;
  auto matches = [&] {
    auto prev = chain_.prev();
    return std::equal(prev.begin(), prev.end(), line.prev.begin(), line.prev.end());
  };
  // After a wrong MAC: was the MAC changed, or the lines? The next line's link tells.
  if (recomputed_) {
    chain_.go_on_after(*recomputed_);
    recomputed_.reset();
    if (!matches()) chain_.go_on_after(claimed_->mac);
  }
  if (matches()) return;
  bool starts_group = !in_group_;
  std::uint64_t where = starts_group ? number_ : number_ - 1;
  if (reported_ < where) {
    report(FindingKind::changed, where, starts_group ? line.seq : line.seq - 1,
           "the next link of the chain does not fit it");
    reported_ = where;
  }
  lose_chain();
}

void SegmentScan::end_group(const Line& line, std::uint64_t offset) {
  ++groups_;
  recomputed_.reset();
  if (chain_known_ && mac_checked_) {
    Mac mac = chain_.seal(start_->boot, line.seq);
    if (mac == *line.mac) {
      verified_ = Committed{line.seq, mac, offset};
    } else {
      recomputed_ = mac;
      if (reported_ < group_start_) {
        report(FindingKind::changed, number_, line.seq,
               fmt::format("the MAC over {} is wrong", range(group_start_, number_)));
        reported_ = number_;
      }
    }
  }
  claimed_ = Committed{line.seq, *line.mac, offset};
  chain_.go_on_after(*line.mac);
  chain_known_ = true;
  in_group_ = false;
}

void SegmentScan::finish(std::uint64_t torn) {
  tail_bytes_ += torn;
  if (held_) take(held_->text, held_->offset, held_->number);
  bool unreadable = unreadable_ > 0;
  settle_unreadable(nullptr);
  std::uint64_t next = claimed_ ? claimed_->seq + 1 : expected_;
  if (last_seq_ && expected_ <= *last_seq_) {
    report(FindingKind::cut_tail, number_, expected_,
           fmt::format("the segment went on to seq {}", *last_seq_));
  } else if (last_seq_ && in_group_ && reported_ < group_start_) {
    report(FindingKind::changed, number_, expected_ - 1, "the MAC of the segment's last group is gone");
  }
  if (!last_seq_ && (torn > 0 || (in_group_ && !unreadable))) {
    report(FindingKind::torn_tail, number_ + (torn > 0 ? 1 : 0), next, "the end was never committed");
  }
  for (const Gap& gap : gaps_) {
    if (gap.found_later) continue;
    report(FindingKind::removed, gap.line, gap.first,
           fmt::format("seq {} to {} are missing before this line", gap.first, gap.last));
  }
  std::sort(findings_.begin(), findings_.end(), [](const Finding& left, const Finding& right) {
    return std::pair(left.line, left.kind) < std::pair(right.line, right.kind);
  });
}

}  // namespace clawpatrol::audit
