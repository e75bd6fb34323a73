#include "daemon/gateway/leaves.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>

#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

namespace {

std::string key_of(const std::string& name, tls::KeyKind kind) {
  return (kind == tls::KeyKind::ecdsa ? "e/" : "r/") + name;
}

std::int64_t now_unix() {
  return now_unix_ns() / 1'000'000'000;
}

}  // namespace

Leaves::Leaves(tls::Authority& authority, Limits limits)
    : authority_(authority), limits_(limits), thread_([this] { serve(); }) {}

Leaves::~Leaves() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Leaves::Leaf Leaves::find(const std::string& name, tls::KeyKind kind, std::int64_t now) {
  std::lock_guard lock(mutex_);
  return find_locked(key_of(name, kind), now);
}

bool Leaves::ask(std::uint32_t peer_id, std::string name, tls::KeyKind kind, Clock::time_point now,
                 Done done) {
  {
    std::lock_guard lock(mutex_);
    Asking& asking = asking_[peer_id];
    if (asking.jobs.size() >= limits_.waiting_of_peer || !spend(asking, now)) return false;
    asking.jobs.push_back({std::move(name), kind, std::move(done)});
    ++waiting_;
  }
  wake_.notify_one();
  return true;
}

std::size_t Leaves::size() const {
  std::lock_guard lock(mutex_);
  return kept_.size();
}

bool Leaves::spend(Asking& asking, Clock::time_point now) const {
  const auto one =
      std::chrono::duration_cast<Clock::duration>(std::chrono::seconds(1)) / limits_.per_second_of_peer;
  const Clock::time_point until = std::max(asking.spent_until, now) + one;
  if (until - now > one * limits_.burst_of_peer) return false;
  asking.spent_until = until;
  return true;
}

void Leaves::serve() {
  // Of this thread alone: the rings go first where cores are few. Under systemd the unit forbids it, and does
  // it itself, by this name (ExecStartPost).
  ::prctl(PR_SET_NAME, "cp-leaves", 0, 0, 0);
  ::setpriority(PRIO_PROCESS, 0, 10);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || waiting_ > 0; });
    if (stopping_) return;
    auto next = asking_.upper_bound(served_last_);
    if (next == asking_.end()) next = asking_.begin();
    served_last_ = next->first;
    if (next->second.jobs.empty()) {
      // Nothing to remember of a peer whose bucket is full again.
      if (next->second.spent_until <= Clock::now()) asking_.erase(next);
      continue;
    }
    const std::uint32_t peer_id = next->first;
    Job job = std::move(next->second.jobs.front());
    next->second.jobs.pop_front();
    --waiting_;
    const std::string key = key_of(job.name, job.kind);
    Leaf leaf = find_locked(key, now_unix());  // asked for by another meanwhile
    lock.unlock();
    if (!leaf) leaf = make(job);
    job.done(leaf);
    job.done = nullptr;
    lock.lock();
    if (leaf) keep_locked(key, std::move(leaf), peer_id);
  }
}

Leaves::Leaf Leaves::make(const Job& job) {
  auto issued = authority_.issue(job.name, job.kind, now_unix());
  if (!issued) return nullptr;
  ++made_;
  return std::move(*issued);
}

Leaves::Leaf Leaves::find_locked(const std::string& key, std::int64_t now) {
  auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->leaf->renew_at_unix <= now) return nullptr;
  kept_.splice(kept_.begin(), kept_, found->second);
  return found->second->leaf;
}

void Leaves::keep_locked(const std::string& key, Leaf leaf, std::uint32_t peer_id) {
  if (auto found = by_key_.find(key); found != by_key_.end()) drop_locked(found->second);
  kept_.push_front({key, std::move(leaf), peer_id});
  by_key_[key] = kept_.begin();
  ++kept_of_[peer_id];
  if (kept_.size() > limits_.kept) make_room_locked();
}

void Leaves::drop_locked(std::list<Kept>::iterator kept) {
  if (auto of = kept_of_.find(kept->peer_id); --of->second == 0) kept_of_.erase(of);
  by_key_.erase(kept->key);
  kept_.erase(kept);
}

// A peer that asks for ever-new names pushes out its own: others would have to ask again for theirs, at their
// rate.
void Leaves::make_room_locked() {
  const auto most = std::ranges::max_element(kept_of_, {}, [](const auto& of) { return of.second; });
  const auto oldest = std::ranges::find(kept_.rbegin(), kept_.rend(), most->first, &Kept::peer_id);
  drop_locked(std::prev(oldest.base()));
}

}  // namespace clawpatrol
