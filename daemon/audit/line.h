// What a line of the audit log looks like (docs/formats.md). It has exactly one spelling.
//
//   {"v":1,"seq":17,"prev":"0123456789abcdef",BODY}
//   {"v":1,"seq":18,"prev":"0123456789abcdef",BODY,"mac":"0123456789abcdef0123456789abcdef"}    ends a group
//
// The first line of a segment is a group of its own, whose body is a SegmentStart.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/audit/chain.h"

namespace clawpatrol::audit {

struct Line {
  std::uint64_t seq = 0;
  std::string_view prev;  // 16 digits
  std::string_view body;
  std::string_view covered;  // what its link covers
  std::optional<Mac> mac;    // ends a group
};

std::optional<Line> parse_line(std::string_view text);  // without its newline

void append_line_start(std::string& out, std::uint64_t seq, const std::array<char, 16>& prev);
// Closes a group's last line, newline included.
void append_line_end(std::string& out, const Mac& mac);

// The MAC that a line ends with, if any, whatever else stands in the line.
std::optional<Mac> group_end(std::string_view text);

// A body that would break the line, or read as the end of a group.
bool is_unwritable(std::string_view body);

// Why a segment was begun.
enum class Origin : std::uint8_t {
  started,    // there was no log
  rotated,    // the one before was full
  recovered,  // the daemon was started again
  replaced,   // writing or syncing the one before failed
};

struct SegmentStart {
  Origin origin = Origin::started;
  std::int64_t time_unix_ns = 0;
  Boot boot{};
  std::string key_id;
  std::string previous;         // file name of the segment before; empty for the first
  Mac head{};                   // of the last group that counts in it; zero for the first
  std::uint64_t abandoned = 0;  // bytes behind that group which do not count
  std::uint64_t oldest = 0;     // sequence number that the oldest segment kept begins with
  std::string cause;            // of `replaced`
};

std::string_view name_of(Origin origin);
std::string segment_start_body(const SegmentStart& start);
std::optional<SegmentStart> parse_segment_start(std::string_view body);

std::string segment_name(std::uint64_t first_seq);                       // audit-00000000000000000001.jsonl
std::optional<std::uint64_t> parse_segment_name(std::string_view name);  // the sequence number

}  // namespace clawpatrol::audit
