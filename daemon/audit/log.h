// The audit log: one JSON object a line, chained, group-committed before the bytes that it speaks of go upstream.
// Format: docs/formats.md. Threats: attacks.md, 26 and 27.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/ring/error.h"

namespace clawpatrol::audit {

enum class Durability : std::uint8_t {
  handed,  // written to the kernel: survives any crash of ours
  synced,  // fdatasync has returned: survives power loss
};

struct Options {
  std::filesystem::path directory;   // 0700, made if absent
  std::filesystem::path key_file;    // 32 random bytes, 0600, made if absent; MACs the chain
  std::size_t segment_bytes = 64 << 20;
  std::size_t keep_bytes = std::size_t{1} << 30;
  std::size_t reserve_bytes = 64 << 20;
  std::function<void(std::string_view)> warn;  // one line for the journal, any thread
};

// What cpctl and the journal are told.
struct Head {
  std::uint64_t seq = 0;
  std::string mac;       // hexadecimal, of the last group
  std::string boot;      // random id of this run of the daemon
};

// Thread-safe. After a failed write or fsync that file is never written again; every append fails until a new
// segment has been made and synced, which the log tries by itself at most once a second.
class Log {
 public:
  // Verifies the tail of the newest segment, repairs a torn last line by writing a `recovered` line, goes on with
  // the chain.
  static std::expected<std::unique_ptr<Log>, Error> open(Options options);
  ~Log();  // syncs

  // Appends lines as one group: each element is the inside of a JSON object without braces, such as
  // `"id":"a-1","verdict":"allow"`; `v`, `seq` and `prev` are put before it. All of the group is handed to the
  // kernel when this returns a value; the value is the sequence number of its last line.
  std::expected<std::uint64_t, Error> append(std::span<const std::string> lines);

  // Calls `done` from the sync thread once everything up to `seq` is synced (or has failed). Requests of many
  // callers share one fdatasync.
  void sync(std::uint64_t seq, std::function<void(std::expected<void, Error>)> done);

  Head head() const;
  bool healthy() const;      // false while appends fail
  std::uint64_t free_bytes() const;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Appends `text` as a JSON string with its quotes: ASCII only (\uXXXX, control and bidi characters included);
// bytes that are not UTF-8 become \udcXX (lone surrogates, reversible). RFC 8259.
void append_json_string(std::string& out, std::string_view text);

}  // namespace clawpatrol::audit
