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

struct Lookups::State {
  struct Job {
    std::string name;
    std::shared_ptr<Waiter> waiter;
  };
  struct Share {
    std::deque<Job> waiting;
    std::size_t running = 0;
  };

  explicit State(Options its_options) : options(std::move(its_options)) {}

  bool add(std::uint32_t peer_id, Job job);
  // The next job, peers in turn; nothing: stopping.
  std::optional<std::pair<std::uint32_t, Job>> next();
  void finish(std::uint32_t peer_id, Job job, Resolved resolved);
  void give_up(Waiter& waiter);

  const Options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint32_t, Share> shares;
  std::uint32_t last_served = 0;
  bool stopping = false;                  // being destroyed
  std::atomic<bool> given_up_all{false};  // by stop()

 private:
  std::map<std::uint32_t, Share>::iterator next_share();
};

bool Lookups::State::add(std::uint32_t peer_id, Job job) {
  std::lock_guard lock(mutex);
  Share& share = shares[peer_id];
  std::erase_if(share.waiting, [](const Job& other) { return other.waiter->given_up; });
  if (share.waiting.size() >= options.waiting_per_peer) return false;
  share.waiting.push_back(std::move(job));
  changed.notify_one();
  return true;
}

// The first peer after the one served last that waits and has not used up its share.
std::map<std::uint32_t, Lookups::State::Share>::iterator Lookups::State::next_share() {
  auto may_run = [this](const auto& entry) {
    return !entry.second.waiting.empty() && entry.second.running < options.running_per_peer;
  };
  auto after = shares.upper_bound(last_served);
  auto found = std::find_if(after, shares.end(), may_run);
  if (found != shares.end()) return found;
  found = std::find_if(shares.begin(), after, may_run);
  return found == after ? shares.end() : found;
}

std::optional<std::pair<std::uint32_t, Lookups::State::Job>> Lookups::State::next() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    auto found = next_share();
    if (found == shares.end()) {
      changed.wait(lock);
      continue;
    }
    last_served = found->first;
    Share& share = found->second;
    Job job = std::move(share.waiting.front());
    share.waiting.pop_front();
    ++share.running;
    return std::pair(found->first, std::move(job));
  }
  return std::nullopt;
}

void Lookups::State::finish(std::uint32_t peer_id, Job job, Resolved resolved) {
  std::lock_guard lock(mutex);
  if (stopping) return;
  auto share = shares.find(peer_id);
  if (--share->second.running == 0 && share->second.waiting.empty()) shares.erase(share);
  changed.notify_one();
  // Under the lock: a ring whose task has given up is not touched.
  if (job.waiter->given_up) return;
  Ring& ring = job.waiter->ring;
  ring.post([waiter = std::move(job.waiter), resolved = std::move(resolved)]() mutable {
    waiter->result = std::move(resolved);
    waiter->done.notify();
  });
}

void Lookups::State::give_up(Waiter& waiter) {
  std::lock_guard lock(mutex);
  waiter.given_up = true;
}

Lookups::Lookups(Options options) : state_(std::make_shared<State>(std::move(options))) {
  for (std::size_t i = 0; i < state_->options.threads; ++i) std::thread(serve, state_).detach();
}

Lookups::~Lookups() {
  std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->shares.clear();
  state_->changed.notify_all();
}

void Lookups::serve(std::shared_ptr<State> state) {
  while (auto next = state->next()) {
    Resolved resolved = state->options.ask(next->second.name);
    state->finish(next->first, std::move(next->second), std::move(resolved));
  }
}

void Lookups::stop() {
  state_->given_up_all = true;
}

Task<Resolved> Lookups::resolve(Ring& ring, std::uint32_t peer_id, std::string name, Deadline deadline) {
  auto waiter = std::make_shared<Waiter>(ring);
  if (!state_->add(peer_id, {std::move(name), waiter})) co_return Resolved{Resolved::Outcome::crowded};
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
