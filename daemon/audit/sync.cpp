// The log's one thread: syncs for all who wait, replaces a segment that failed, prunes, and tells heads.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/audit/state.h"

namespace clawpatrol::audit {

using journal::Message;

namespace {

constexpr auto tick = std::chrono::seconds(1);

}  // namespace

void Log::State::run() {
  std::unique_lock lock(mutex);
  tell_head(lock);
  for (;;) {
    check_space(lock);
    if (failed) {
      answer(lock, std::exchange(waiters, {}), std::unexpected(failure));
      if (stopping) return;
      if (failed && SteadyClock::now() >= retry_at) replace_segment(lock);
    } else if (sync_is_due()) {
      sync_once(lock);
      continue;  // whoever came meanwhile shares the next one
    } else if (stopping) {
      return;
    }
    auto longest = std::min<std::chrono::milliseconds>({tick, options.retry_interval, options.head_interval});
    wake.wait_for(lock, longest, [&] {
      if (stopping || look_at_space || !waiters.empty()) return true;
      return failed ? SteadyClock::now() >= retry_at : rotated;
    });
  }
}

bool Log::State::sync_is_due() const {
  if (!waiters.empty() || rotated) return true;
  bool head_is_due = stopping || SteadyClock::now() >= tell_at;
  return head_is_due && (seq > synced_seq || synced_seq > told_seq);
}

// Everything handed to the kernel so far. Appending goes on meanwhile.
void Log::State::sync_once(std::unique_lock<std::mutex>& lock) {
  auto waiting = std::exchange(waiters, {});
  auto segments = unsynced;
  auto pruned =
      std::exchange(to_prune, {});  // not what a rotation adds meanwhile: its first line is not synced yet
  Head reached = head();
  bool with_directory = std::exchange(directory_unsynced, false);
  bool tell = std::exchange(rotated, false) || stopping || SteadyClock::now() >= tell_at;
  if (reached.seq > synced_seq) {
    lock.unlock();
    int code = 0;
    for (const auto& segment : segments) {
      if (code == 0 && ::fdatasync(segment->fd.get()) != 0) code = errno;
    }
    if (code == 0 && with_directory && ::fsync(directory.fd()) != 0) code = errno;
    lock.lock();
    if (code != 0) {
      // A write may have failed meanwhile; its account of what is left behind stands.
      if (!failed)
        fail(os_error(code, fmt::format("cannot sync audit segment '{}'", segments.back()->name)), 0);
      to_prune.insert(to_prune.end(), pruned.begin(), pruned.end());
      for (Waiter& waiter : waiting) waiters.push_back(std::move(waiter));
      return;
    }
    synced_seq = reached.seq;
    synced_head = reached;
    std::erase_if(unsynced, [&](const auto& segment) {
      return segment != current && std::find(segments.begin(), segments.end(), segment) != segments.end();
    });
  }
  std::vector<Waiter> lost, safe;
  for (Waiter& waiter : waiting) {
    bool doubtful = waiter.seq >= doubtful_first && waiter.seq <= doubtful_last;
    (doubtful ? lost : safe).push_back(std::move(waiter));
  }
  answer(lock, std::move(lost),
         std::unexpected(Error{EIO, "cannot sync an audit line: its segment was given up"}));
  answer(lock, std::move(safe), {});
  if (tell) tell_head(lock);
  lock.unlock();
  for (const std::string& name : pruned) ::unlinkat(directory.fd(), name.c_str(), 0);
  lock.lock();
}

void Log::State::answer(std::unique_lock<std::mutex>& lock, std::vector<Waiter> answered,
                        const std::expected<void, Error>& result) {
  if (answered.empty()) return;
  lock.unlock();
  for (Waiter& waiter : answered) waiter.done(result);
  lock.lock();
}

// Holds the lock while the new segment is synced: whoever appends meanwhile would only be refused.
void Log::State::replace_segment(std::unique_lock<std::mutex>& lock) {
  Error why = failure;
  SegmentStart start;
  start.origin = Origin::replaced;
  start.abandoned = abandoned;
  start.cause = why.what.substr(0, why.what.find('\n'));
  std::uint64_t left_behind = abandoned;
  lock.unlock();
  // For what it is worth: nothing in it will be called synced on the strength of this.
  if (current) static_cast<void>(::fdatasync(current->fd.get()));
  lock.lock();
  if (current) kept.push_back({current->name, current->first_seq, current->size + left_behind, unix_ns()});
  auto begun = begin_segment(start, When::now);
  if (!begun) {
    if (current) kept.pop_back();
    retry_at = SteadyClock::now() + options.retry_interval;
    return;
  }
  unsynced.assign(1, current);
  directory_unsynced = false;
  failed = false;
  synced_seq = seq;
  synced_head = head();
  warn(fmt::format("audit log: goes on in '{}' after: {}", current->name, start.cause));
}

// With the lock released: whoever listens may ask the log something.
void Log::State::tell_head(std::unique_lock<std::mutex>& lock) {
  tell_at = SteadyClock::now() + options.head_interval;
  if (synced_head.seq <= told_seq || !options.on_head) {
    told_seq = std::max(told_seq, synced_head.seq);
    return;
  }
  Head head = synced_head;
  told_seq = head.seq;
  lock.unlock();
  options.on_head(head);
  lock.lock();
}

void Log::State::check_space(std::unique_lock<std::mutex>& lock) {
  auto now = SteadyClock::now();
  if (now < check_space_at) return;
  check_space_at = now + tick;
  look_at_space = false;
  const std::size_t reserve = limits.reserve_bytes;
  lock.unlock();
  struct statvfs info{};
  bool known = ::statvfs(options.directory.c_str(), &info) == 0;
  std::uint64_t bytes = std::uint64_t{info.f_bavail} * info.f_frsize;
  bool low = known && bytes < reserve;
  if (known && low != low_space) {
    low_space = low;
    if (low)
      warn(Message::disk_low,
           fmt::format("audit log: {} MiB are left on the disk; when it is full everything is denied",
                       bytes >> 20));
    else
      warn(fmt::format("audit log: {} MiB are free on the disk again", bytes >> 20));
  }
  lock.lock();
  const Pressure space = low ? Pressure::full : Pressure::crowded;
  set_pressure(crowded() ? space : Pressure::none);
}

void Log::State::set_pressure(Pressure next) {
  if (pressure.exchange(next, std::memory_order_relaxed) == next) return;
  constexpr std::string_view young = "it has reached `audit.keep` with lines younger than `audit.keep_for`";
  switch (next) {
    case Pressure::none: return warn("audit log: it is within `audit.keep` again, and denies nobody");
    case Pressure::crowded:
      return warn(Message::audit_crowded,
                  fmt::format("audit log: {}: peers that wrote more than their share are denied", young));
    case Pressure::full:
      return warn(
          Message::audit_full,
          fmt::format("audit log: {}, and the disk is at `audit.reserve`: everything is denied", young));
  }
}

}  // namespace clawpatrol::audit
