// The audit log: one JSON object a line, chained, group-committed before the bytes that it speaks of go
// upstream. Format: docs/formats.md. Threats: attacks.md, 26 and 27.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/journal/messages.h"
#include "daemon/ring/error.h"
#include "policy/json/text.h"

namespace clawpatrol::audit {

enum class Durability : std::uint8_t {
  handed,  // written to the kernel: survives any crash of ours
  synced,  // fdatasync has returned: survives power loss
};

// The end of a committed group: what cpctl and the journal are told, and what `audit verify --head` looks
// for.
struct Head {
  std::uint64_t seq = 0;
  std::string mac;   // hexadecimal, of the last group
  std::string boot;  // random id of this run of the daemon
  bool operator==(const Head&) const = default;
};

std::string head_text(const Head& head);  // SEQ:BOOT:MAC
std::optional<Head> parse_head(std::string_view text);

// Whether pruning can keep the log within its bounds.
enum class Pressure : std::uint8_t {
  none,
  crowded,  // it is full of lines that are too young to be pruned: who has written more than a share must
            // stop
  full,     // and the disk's reserve is all that is left: everybody must
};

// What may change while the log is open.
struct Limits {
  std::size_t segment_bytes = 64 << 20;
  std::size_t keep_bytes = std::size_t{1}
                           << 30;  // at least the newest two segments are kept, whatever this says
  std::size_t reserve_bytes = 64 << 20;
  std::chrono::nanoseconds keep_for{0};  // no segment with a younger line is pruned
};

struct Options {
  std::filesystem::path directory;  // 0700, made if absent
  std::filesystem::path key_file;   // 32 random bytes, 0600, made if absent; MACs the chain
  std::size_t segment_bytes = 64 << 20;
  std::size_t keep_bytes = std::size_t{1}
                           << 30;  // at least the newest two segments are kept, whatever this says
  std::size_t reserve_bytes = 64 << 20;
  std::chrono::nanoseconds keep_for{0};
  std::function<void(journal::Message, std::string_view)> warn;  // one line for the journal, any thread
  // A head whose lines are synced: when the log opens, rotates and closes, and this often while lines come.
  // Called from the sync thread; belongs in the journal, where whoever cuts the log cannot reach it.
  std::function<void(const Head&)> on_head;
  std::chrono::milliseconds head_interval = std::chrono::minutes(1);
  std::chrono::milliseconds retry_interval = std::chrono::seconds(1);
  std::function<std::int64_t()> unix_ns{};  // for tests
};

// Thread-safe. After a failed write or fsync that file is never written again; every append fails until a new
// segment has been made and synced, which the log tries by itself once in `retry_interval`.
class Log {
 public:
  // Finds the last committed line and goes on with the chain in a new segment, whose first line, `recovered`,
  // says what it found behind that line: nothing, or the torn end of a group that nobody was told is
  // recorded. Refuses a log under another key, and one that another process writes.
  static std::expected<std::unique_ptr<Log>, Error> open(Options options);
  ~Log();  // syncs

  // Appends lines as one group: each element is the inside of a JSON object without braces, such as
  // `"id":"a-1","verdict":"allow"`; `v`, `seq` and `prev` are put before it, and the group's MAC after the
  // last. All of the group is handed to the kernel when this returns a value; the value is the sequence
  // number of its last line. When it returns an error none of the group counts as recorded. A line with a
  // control byte in it (a newline would forge a line) is refused and harms nothing.
  std::expected<std::uint64_t, Error> append(std::span<const std::string> lines);

  // Calls `done` from the sync thread once everything up to `seq` is synced (or has failed). Requests of many
  // callers share one fdatasync.
  void sync(std::uint64_t seq, std::function<void(std::expected<void, Error>)> done);

  Head head() const;               // of the last group handed to the kernel
  std::uint64_t unsynced() const;  // how many lines would not survive a loss of power
  std::uint64_t segment() const;   // sequence number that the segment in use began with
  bool healthy() const;            // false while appends fail
  std::string failure() const;     // why they do; "" while they do not
  std::uint64_t free_bytes() const;
  Pressure pressure() const;  // as of a second ago at most; takes no lock
  std::uint64_t kept_bytes() const;
  std::uint64_t oldest_seq() const;  // that is kept
  void set_limits(const Limits& limits);

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

using clawpatrol::append_json_string;

// Appends a time as a JSON string, RFC 3339 in UTC to the microsecond.
void append_json_time(std::string& out, std::int64_t unix_ns);

}  // namespace clawpatrol::audit
