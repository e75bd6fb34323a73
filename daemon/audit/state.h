// The inside of the audit log: log.cpp has the appending side, sync.cpp the thread, segments.cpp the files.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/audit/chain.h"
#include "daemon/audit/line.h"
#include "daemon/audit/log.h"
#include "daemon/files/private_directory.h"

namespace clawpatrol::audit {

using SteadyClock = std::chrono::steady_clock;

struct Segment {
  Fd fd;
  std::string name;
  std::uint64_t first_seq = 0;
  std::uint64_t size = 0;
  std::uint64_t start_size = 0;  // of its first line
};

// A segment that is no longer written.
struct Kept {
  std::string name;
  std::uint64_t first_seq = 0;
  std::uint64_t size = 0;
  std::int64_t ended_unix_ns = 0;  // no line of it is younger
};

struct Waiter {
  std::uint64_t seq = 0;
  std::function<void(std::expected<void, Error>)> done;
};

struct Log::State {
  State(Options given, PrivateDirectory opened, Key loaded);

  // segments.cpp, with the mutex held or before there is a thread.
  enum class When { lazily, now };  // is the new segment synced
  std::expected<void, Error> recover();
  std::expected<void, Error> begin_segment(SegmentStart start, When synced);
  std::expected<Fd, Error> create_segment(const std::string& name, std::string_view first_line);
  std::size_t count_to_prune() const;
  bool crowded() const;
  std::int64_t unix_ns() const;
  std::expected<void, Error> adopt(const std::string& name, bool& unfinished);
  void warn(journal::Message message, std::string_view line) const;
  void warn(std::string_view line) const { warn(journal::Message::ordinary, line); }

  // log.cpp, with the mutex held.
  std::expected<std::uint64_t, Error> append(std::span<const std::string> lines);
  std::expected<void, Error> rotate_for(std::size_t bytes);
  Mac compose(std::span<const std::string> lines);
  void fail(const Error& why, std::uint64_t abandoned);
  Head head() const { return {seq, hexadecimal(mac), hexadecimal(boot)}; }

  // sync.cpp: the thread.
  void run();
  void sync_once(std::unique_lock<std::mutex>& lock);
  void replace_segment(std::unique_lock<std::mutex>& lock);
  void answer(std::unique_lock<std::mutex>& lock, std::vector<Waiter> waiters,
              const std::expected<void, Error>& result);
  void tell_head(std::unique_lock<std::mutex>& lock);
  void check_space(std::unique_lock<std::mutex>& lock);
  void set_pressure(Pressure next);
  bool sync_is_due() const;

  const Options options;
  PrivateDirectory directory;
  const Key key;
  Boot boot{};

  std::atomic<Pressure> pressure{Pressure::none};  // written with the mutex held

  mutable std::mutex mutex;  // guards everything below
  Limits limits;
  Chain chain;
  std::uint64_t seq = 0;  // of the last line
  Mac mac{};              // of the last group
  // Shared with the sync thread, which may still sync a segment that the appending side has left behind.
  std::shared_ptr<Segment> current;
  std::vector<std::shared_ptr<Segment>> unsynced;  // oldest first; the current one last
  bool directory_unsynced = false;
  std::vector<Kept> kept;             // oldest first
  std::vector<std::string> to_prune;  // once the segment that says so is synced
  std::string buffer;

  bool failed = false;
  Error failure;
  std::uint64_t abandoned = 0;  // bytes behind the last group of the file that was given up
  SteadyClock::time_point retry_at;
  // Lines that were handed to the kernel and not synced when a file was given up. Nobody is ever told that
  // one of them is synced.
  std::uint64_t doubtful_first = 1, doubtful_last = 0;

  std::uint64_t synced_seq = 0;
  Head synced_head;
  std::uint64_t told_seq = 0;  // of the last head given out
  SteadyClock::time_point tell_at;
  bool low_space = false;
  SteadyClock::time_point check_space_at;
  bool look_at_space = false;  // now

  std::vector<Waiter> waiters;
  std::condition_variable wake;
  bool rotated = false;
  bool stopping = false;
  std::thread thread;
};

}  // namespace clawpatrol::audit
