#include "daemon/gateway/dns/lookups.h"

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "daemon/gateway/dns/hosts_file.h"
#include "daemon/gateway/sockets.h"

namespace clawpatrol {

// Shared by the task that waits and the thread that looks up; `result` is touched on the ring's thread alone.
struct Lookups::Waiter {
  explicit Waiter(Ring& its_ring) : ring(its_ring), done(its_ring) {}
  Ring& ring;
  Event done;
  std::optional<Resolved> result;
  bool given_up = false;  // under the mutex of State: once it is set, the ring may be gone
};

// One name that is asked, or is to be, for all of a peer's tasks that wait for it.
struct Lookups::Job {
  std::string name;
  std::vector<std::shared_ptr<Waiter>> waiters;
};

// Threads and what waits for them. Under the mutex of State.
struct Lookups::Lane {
  struct Share {
    std::deque<std::shared_ptr<Job>> waiting;
    std::vector<std::shared_ptr<Job>> running;
    std::size_t waiters = 0;
  };
  std::size_t threads = 1;
  std::size_t threads_for_first = 0;
  std::size_t busy = 0;
  std::map<std::uint32_t, Share> shares;
  std::uint32_t last_served = 0;
  std::condition_variable changed;
};

struct Lookups::State {
  using Shares = std::map<std::uint32_t, Lane::Share>;

  explicit State(Options its_options) : options(std::move(its_options)) {
    lane.threads = options.threads;
    lane.threads_for_first = std::min(options.threads_for_first, options.threads - 1);
  }

  bool add(std::uint32_t peer_id, const std::string& name, std::shared_ptr<Waiter> waiter);
  // The next job, peers in turn; nothing: stopping.
  std::optional<std::pair<std::uint32_t, std::shared_ptr<Job>>> next(Lane& lane);
  void finish(Lane& lane, std::uint32_t peer_id, const std::shared_ptr<Job>& job, const Resolved& resolved);
  void give_up(Waiter& waiter);

  const Options options;
  HostsFile hosts;
  std::mutex mutex;
  Lane lane, local;                       // the second for names in /etc/hosts, which are answered at once
  bool stopping = false;                  // being destroyed
  std::atomic<bool> given_up_all{false};  // by stop()

 private:
  static void drop_abandoned(Lane::Share& share);
  Shares::iterator next_share(Lane& lane);
};

// Names for which nobody waits any more.
void Lookups::State::drop_abandoned(Lane::Share& share) {
  std::erase_if(share.waiting, [&share](const std::shared_ptr<Job>& job) {
    const bool abandoned = std::ranges::all_of(job->waiters, [](const auto& w) { return w->given_up; });
    if (abandoned) share.waiters -= job->waiters.size();
    return abandoned;
  });
}

bool Lookups::State::add(std::uint32_t peer_id, const std::string& name, std::shared_ptr<Waiter> waiter) {
  Lane& its_lane = (options.is_local ? options.is_local(name) : hosts.has(name)) ? local : lane;
  std::lock_guard lock(mutex);
  Lane::Share& share = its_lane.shares[peer_id];
  drop_abandoned(share);
  if (share.waiters >= options.waiters_per_peer) return false;
  auto same = [&name](const std::shared_ptr<Job>& job) { return job->name == name; };
  Job* known = nullptr;
  if (auto found = std::ranges::find_if(share.running, same); found != share.running.end())
    known = found->get();
  else if (auto queued = std::ranges::find_if(share.waiting, same); queued != share.waiting.end())
    known = queued->get();
  if (!known && share.waiting.size() >= options.waiting_per_peer) return false;
  ++share.waiters;
  if (known) return known->waiters.push_back(std::move(waiter)), true;
  // Shared by the queue and the thread that asks.
  share.waiting.push_back(std::make_shared<Job>(Job{name, {std::move(waiter)}}));
  its_lane.changed.notify_one();
  return true;
}

// The first peer after the one served last that waits and has not used up its share.
Lookups::State::Shares::iterator Lookups::State::next_share(Lane& from) {
  const bool few_left = from.busy + from.threads_for_first >= from.threads;
  auto may_run = [&](const auto& entry) {
    const Lane::Share& share = entry.second;
    return !share.waiting.empty() && share.running.size() < (few_left ? 1 : options.running_per_peer);
  };
  auto after = from.shares.upper_bound(from.last_served);
  auto found = std::find_if(after, from.shares.end(), may_run);
  if (found != from.shares.end()) return found;
  found = std::find_if(from.shares.begin(), after, may_run);
  return found == after ? from.shares.end() : found;
}

auto Lookups::State::next(Lane& from) -> std::optional<std::pair<std::uint32_t, std::shared_ptr<Job>>> {
  std::unique_lock lock(mutex);
  while (!stopping) {
    auto found = next_share(from);
    if (found == from.shares.end()) {
      from.changed.wait(lock);
      continue;
    }
    Lane::Share& share = found->second;
    drop_abandoned(share);
    if (share.waiting.empty()) {
      if (share.running.empty()) from.shares.erase(found);
      continue;
    }
    from.last_served = found->first;
    std::shared_ptr<Job> job = std::move(share.waiting.front());
    share.waiting.pop_front();
    share.running.push_back(job);
    ++from.busy;
    return std::pair(found->first, std::move(job));
  }
  return std::nullopt;
}

void Lookups::State::finish(Lane& from, std::uint32_t peer_id, const std::shared_ptr<Job>& job,
                            const Resolved& resolved) {
  std::lock_guard lock(mutex);
  if (stopping) return;
  auto share = from.shares.find(peer_id);
  std::erase(share->second.running, job);
  share->second.waiters -= job->waiters.size();
  if (share->second.running.empty() && share->second.waiting.empty()) from.shares.erase(share);
  --from.busy;
  from.changed.notify_all();  // one more thread may be free for a second lookup of some peer
  for (std::shared_ptr<Waiter>& waiter : job->waiters) {
    // Under the lock: a ring whose task has given up is not touched.
    if (waiter->given_up) continue;
    Ring& ring = waiter->ring;
    ring.post([waiter = std::move(waiter), resolved = resolved]() mutable {
      waiter->result = std::move(resolved);
      waiter->done.notify();
    });
  }
}

void Lookups::State::give_up(Waiter& waiter) {
  std::lock_guard lock(mutex);
  waiter.given_up = true;
}

Lookups::Lookups(Options options) : state_(std::make_shared<State>(std::move(options))) {
  for (std::size_t i = 0; i < state_->lane.threads; ++i)
    std::thread(serve, state_, std::ref(state_->lane)).detach();
  std::thread(serve, state_, std::ref(state_->local)).detach();
}

Lookups::~Lookups() {
  std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  for (Lane* lane : {&state_->lane, &state_->local}) {
    lane->shares.clear();
    lane->changed.notify_all();
  }
}

void Lookups::serve(std::shared_ptr<State> state, Lane& lane) {
  while (auto next = state->next(lane)) {
    Resolved resolved = state->options.ask(next->second->name);
    state->finish(lane, next->first, next->second, resolved);
  }
}

void Lookups::stop() {
  state_->given_up_all = true;
}

Task<Resolved> Lookups::resolve(Ring& ring, std::uint32_t peer_id, std::string name, Deadline deadline) {
  auto waiter = std::make_shared<Waiter>(ring);
  if (!state_->add(peer_id, name, waiter)) co_return Resolved{Resolved::Outcome::crowded};
  constexpr auto stop_check = std::chrono::milliseconds(250);
  while (!waiter->result && Clock::now() < deadline.when() && !state_->given_up_all)
    co_await waiter->done.wait(Deadline::at(std::min(deadline.when(), Clock::now() + stop_check)));
  if (!waiter->result) state_->give_up(*waiter);
  co_return waiter->result ? std::move(*waiter->result) : Resolved{};
}

namespace {

// Names are absolute: the host's search list is not the agent's business. A dot at the end would say so too,
// but /etc/hosts then does not match. glibc keeps these options for each thread; reading resolv.conf each
// time (some 20 us) keeps up with its changes, which glibc leaves alone once a program has set options.
void ask_without_search_list() {
  res_init();
  _res.options &= ~static_cast<unsigned long>(RES_DNSRCH | RES_DEFNAMES);
}

}  // namespace

Resolved ask_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;  // a name without an address of one family is not a name that does not exist
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  ask_without_search_list();
  int problem = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (problem == EAI_NONAME) return {Resolved::Outcome::no_such_name};
  if (problem == EAI_NODATA || problem == EAI_ADDRFAMILY) return {Resolved::Outcome::no_address};
  if (problem != 0) return {Resolved::Outcome::failed};
  Resolved resolved{Resolved::Outcome::found};
  for (addrinfo* entry = found; entry; entry = entry->ai_next) {
    sockaddr_storage raw{};
    std::copy_n(reinterpret_cast<const char*>(entry->ai_addr),
                std::min<std::size_t>(entry->ai_addrlen, sizeof raw), reinterpret_cast<char*>(&raw));
    resolved.addresses.push_back(from_sockaddr(raw).address);
  }
  freeaddrinfo(found);
  return resolved;
}

}  // namespace clawpatrol
