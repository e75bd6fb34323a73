#include "daemon/gateway/tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/control/message.h"
#include "daemon/credentials/process_secrets.h"
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/token_fetch.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {
namespace {

using credentials::ObtainedToken;
using credentials::Secret;

// How often it is looked whether a token is due; a request that finds one does not wait for this.
constexpr auto tick = std::chrono::seconds(1);
// A server may say a token for a while after it ended.
constexpr auto echo_time = std::chrono::minutes(10);
constexpr std::size_t most_earlier = 8;
// Of a token that a server does not take: an agent can make a server say so as often as it likes.
constexpr auto least_doubted = std::chrono::minutes(1);

Error stopping() {
  return Error{ECANCELED, "the gateway is shutting down"};
}

Error not_given(std::string_view name, std::string_view why) {
  return Error{0, fmt::format("cannot use credential '{}': no token: {}", name, why)};
}

}  // namespace

struct Tokens::Fetch {
  CredentialConfig config;
  Origin origin;
  std::string peer;  // who asked; "": it was due
  Flow errand{0};
};

struct Tokens::Wait {
  explicit Wait(Ring& its_ring) : ring(its_ring), arrived(its_ring) {}
  Ring& ring;
  Event arrived;
  bool done = false;
  Result result = std::unexpected(Error{});
};

Tokens::Tokens(Shared& shared, Options options) : shared_(shared), options_(std::move(options)) {}

credentials::Moment Tokens::now() const {
  return options_.now ? options_.now() : Moment{Clock::now(), now_unix_ns()};
}

Tokens::Origin Tokens::origin_of(const CredentialConfig& config) const {
  return {.type = config.type,
          .source = *config.tokens,
          .placeholder = config.placeholder,
          .version = shared_.credentials->version(config.name)};
}

// ---- asking
// ---------------------------------------------------------------------------------------------------

Task<Tokens::Result> Tokens::give(Ring& ring, std::string peer, CredentialConfig config) {
  std::shared_ptr<Wait> wait;
  {
    std::lock_guard lock(mutex_);
    Origin origin = origin_of(config);
    if (origin.version == 0) co_return std::unexpected(not_given(config.name, "no value is set"));
    if (stopping_ || !worker_) co_return std::unexpected(stopping());
    Entry& entry = entries_[config.name];
    follow(entry, config, std::move(origin));
    entry.used = true;
    const Moment at = now();
    const bool may_try = !entry.fetch && at.steady >= entry.not_before;
    if (entry.token && entry.life.usable(at)) {
      if (may_try && entry.life.due(at)) begin(entry, "");
      co_return entry.token;
    }
    if (!entry.fetch && !may_try) co_return std::unexpected(not_given(config.name, entry.problem));
    if (!entry.fetch) begin(entry, std::move(peer));
    wait = std::make_shared<Wait>(ring);
    entry.waiting.push_back(wait);
  }
  const Deadline deadline = Deadline::after(options_.wait);
  while (!wait->done) {
    const bool in_time = co_await wait->arrived.wait(deadline);
    if (!in_time) break;
  }
  if (!wait->done)
    co_return std::unexpected(not_given(config.name, "the token server did not answer in time"));
  co_return wait->result;
}

// What another value, or another server, gave is given no more.
void Tokens::follow(Entry& entry, const CredentialConfig& config, Origin origin) {
  entry.config = config;
  if (entry.origin == origin) return;
  put_aside(entry);
  entry.origin = std::move(origin);
  entry.unkept.reset();
  entry.failures = 0;
  entry.not_before = {};
  entry.problem.clear();
  if (entry.fetch) entry.fetch->errand.ask_to_close("its value, or where its tokens come from, has changed");
  answer(entry,
         std::unexpected(not_given(config.name, "its value, or where its tokens come from, has changed")));
}

void Tokens::put_aside(Entry& entry) {
  if (!entry.token) return;
  const auto left = std::max(entry.life.left(now()), std::chrono::nanoseconds::zero());
  const auto ends = Clock::now() + left;
  entry.earlier.push_back({std::move(entry.token), ends, ends + echo_time});
  entry.token = nullptr;
  // One that has ended makes room; one that is good never does.
  if (entry.earlier.size() <= most_earlier) return;
  auto ended = std::ranges::find_if(entry.earlier, has_ended);
  if (ended != entry.earlier.end()) entry.earlier.erase(ended);
}

bool Tokens::has_ended(const Earlier& earlier) {
  return earlier.ends <= Clock::now();
}

std::vector<credentials::Sent> Tokens::sent(const std::vector<const CredentialConfig*>& credentials) const {
  std::vector<credentials::Sent> all;
  std::lock_guard lock(mutex_);
  for (const CredentialConfig* config : credentials) {
    auto found = config->tokens ? entries_.find(config->name) : entries_.end();
    if (found == entries_.end()) continue;
    if (found->second.token) all.push_back({config, found->second.token});
    for (const Earlier& earlier : found->second.earlier)
      if (earlier.until > Clock::now()) all.push_back({config, earlier.value});
  }
  return all;
}

void Tokens::doubt(const std::string& name, std::uint64_t token) {
  const Moment at = now();
  std::lock_guard lock(mutex_);
  auto found = entries_.find(name);
  if (found == entries_.end() || stopping_) return;
  Entry& entry = found->second;
  const bool known = entry.token && entry.token->token == token && !entry.fetch;
  const auto good =
      entry.earlier.size() - static_cast<std::size_t>(std::ranges::count_if(entry.earlier, has_ended));
  if (good >= most_earlier) return;
  if (known && credentials::passed(entry.life.asked, at) >= least_doubted && at.steady >= entry.not_before)
    begin(entry, "");
}

void Tokens::forget(const std::string& name) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(name);
  if (found == entries_.end()) return;
  follow(found->second, CredentialConfig(found->second.config), Origin());
}

Tokens::Report Tokens::report(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(name);
  if (found == entries_.end()) return {};
  const Entry& entry = found->second;
  Report report{.held = entry.token && entry.life.usable(now()),
                .fetching = entry.fetch != nullptr,
                .problem = entry.problem};
  if (report.held) report.ends_unix = entry.life.ends_unix();
  return report;
}

// ---- fetching
// -------------------------------------------------------------------------------------------------

void Tokens::serve_on(Worker& worker) {
  {
    std::lock_guard lock(mutex_);
    worker_ = &worker;
  }
  worker.ring().post([this, &worker] { worker.flows().spawn(keep_fresh(worker)); });
}

void Tokens::stop() {
  std::lock_guard lock(mutex_);
  if (std::exchange(stopping_, true) || !worker_) return;
  for (auto& [name, entry] : entries_) {
    answer(entry, std::unexpected(stopping()));
    if (entry.fetch) entry.fetch->errand.ask_to_close("the gateway is shutting down");
  }
  worker_->ring().post([this] {
    if (changed_) changed_->notify();
  });
}

// With the mutex held, as whatever takes an entry.
void Tokens::begin(Entry& entry, std::string peer) {
  entry.fetch = std::make_shared<Fetch>();
  entry.fetch->config = entry.config;
  entry.fetch->origin = entry.origin;
  entry.fetch->peer = std::move(peer);
  worker_->ring().post([this, fetch = entry.fetch] {
    if (fetches_) fetches_->spawn(run(fetch));
  });
}

// Ahead of time, so that nobody waits: of what is used, and of what the policy in force still has.
void Tokens::begin_due() {
  auto policy = shared_.policy.current();
  const Moment at = now();
  std::lock_guard lock(mutex_);
  for (auto& [name, entry] : entries_) {
    std::erase_if(entry.earlier, [](const Earlier& earlier) { return earlier.until <= Clock::now(); });
    const bool wanted = !stopping_ && entry.token && entry.used && !entry.fetch &&
                        at.steady >= entry.not_before && entry.life.due(at);
    auto configured =
        policy && wanted ? policy->credentials.find(name) : decltype(policy->credentials.find(name))();
    if (!wanted || !policy || configured == policy->credentials.end() || !configured->second.tokens) continue;
    if (origin_of(configured->second) == entry.origin) begin(entry, "");
  }
}

Task<void> Tokens::keep_fresh(Worker& worker) {
  Event changed(worker.ring());
  TaskGroup fetches(worker.ring());
  changed_ = &changed;
  fetches_ = &fetches;
  for (bool going_on = true; going_on;) {
    begin_due();
    (void)co_await changed.wait(Deadline::after(tick));
    std::lock_guard lock(mutex_);
    going_on = !stopping_;
  }
  co_await fetches.join();
  changed_ = nullptr;
  fetches_ = nullptr;
}

Task<void> Tokens::run(std::shared_ptr<Fetch> fetch) {
  std::expected<Obtained, Error> obtained =
      std::unexpected(Error{0, "it cannot be recorded in the audit log"});
  // As every use of a secret: no record, no use.
  if (record(*fetch, "asked", nullptr)) {
    obtained = co_await obtain(*fetch);
    record(*fetch, obtained ? "done" : "failed", &obtained);
  }
  finish(*fetch, std::move(obtained));
  credentials::forget_registers();
}

Task<std::expected<Tokens::Obtained, Error>> Tokens::obtain(Fetch& fetch) {
  const CredentialConfig& config = fetch.config;
  const bool refreshes =
      config.type == CredentialType::oauth2 && config.tokens->grant == OAuthGrant::refresh_token;
  auto stored = shared_.credential_values.get(*shared_.credentials, config);
  if (!stored) co_return std::unexpected(stored.error());
  if ((*stored)->version != fetch.origin.version)
    co_return std::unexpected(Error{ESTALE, "its value has changed"});
  std::expected<Obtained, Error> obtained = std::unexpected(Error{});
  {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[config.name];
    if (entry.unkept && entry.origin == fetch.origin) obtained = std::move(*std::exchange(entry.unkept, {}));
  }
  if (!obtained) {
    Secret successor;
    if (refreshes) {
      auto kept = shared_.credentials->successor(config.name, fetch.origin.version);
      if (!kept) co_return std::unexpected(kept.error());
      successor = std::move(*kept);
    }
    const Moment asked = now();
    auto request = credentials::compose_token_request(config, **stored, successor.reveal(),
                                                      asked.unix_ns / 1'000'000'000);
    if (!request) co_return std::unexpected(Error{0, std::move(request.error())});
    auto token = co_await fetch_token(*worker_, fetch.errand, config, std::move(request->bytes),
                                      Deadline::after(options_.fetch));
    if (!token) co_return std::unexpected(token.error());
    obtained = Obtained{std::move(*token), asked};
  }
  if (refreshes)
    if (auto kept = keep_refresh_token(fetch, *obtained); !kept) co_return std::unexpected(kept.error());
  co_return std::move(obtained);
}

// On the disk before it, or the token that came with it, is used: the server may take the one before no more.
std::expected<void, Error> Tokens::keep_refresh_token(Fetch& fetch, Obtained& obtained) {
  const Secret& next = obtained.token.refresh_token;
  if (next.empty()) return {};
  auto kept = shared_.credentials->keep_successor(fetch.config.name, fetch.origin.version, next.reveal());
  if (kept) return kept;
  kept.error().what = "the next refresh token, which came with it, cannot be kept: " + kept.error().what;
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[fetch.config.name];
  if (entry.origin == fetch.origin) entry.unkept = std::move(obtained);
  return kept;
}

// ---- what comes of it
// -----------------------------------------------------------------------------------------

void Tokens::finish(Fetch& fetch, std::expected<Obtained, Error> obtained) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[fetch.config.name];
  entry.fetch = nullptr;
  const bool stands = shared_.credentials->version(fetch.config.name) == fetch.origin.version;
  if (stopping_) return answer(entry, std::unexpected(stopping()));
  if (entry.origin != fetch.origin) {
    // Who waits has come since, and waits for what is now.
    if (!entry.waiting.empty()) begin(entry, "");
    return;
  }
  if (!stands) return answer(entry, std::unexpected(not_given(fetch.config.name, "its value has changed")));
  if (obtained)
    take_over(entry, fetch, std::move(*obtained));
  else
    fail(entry, obtained.error());
}

void Tokens::take_over(Entry& entry, Fetch& fetch, Obtained obtained) {
  auto value = credentials::token_value(fetch.config, fetch.origin.version, std::move(obtained.token.token),
                                        std::move(obtained.token.refresh_token));
  if (!value) return fail(entry, Error{0, std::move(value.error())});
  put_aside(entry);
  value->token = ++given_out_;
  entry.token = std::make_shared<const credentials::Value>(std::move(*value));
  entry.life = {obtained.asked, obtained.token.lifetime};
  entry.used = false;
  entry.failures = 0;
  entry.not_before = {};
  entry.problem.clear();
  answer(entry, entry.token);
}

void Tokens::fail(Entry& entry, const Error& error) {
  ++entry.failures;
  const double random = static_cast<double>(random_()) / static_cast<double>(std::minstd_rand::max());
  entry.not_before = now().steady + std::chrono::duration_cast<Clock::duration>(
                                        credentials::pause_after(entry.failures, random));
  entry.problem = error.what;
  answer(entry, std::unexpected(not_given(entry.config.name, error.what)));
}

// The wait is of the asking task's ring, and ends there.
void Tokens::answer(Entry& entry, const Result& result) {
  for (std::shared_ptr<Wait>& each : std::exchange(entry.waiting, {})) {
    Ring& ring = each->ring;
    ring.post([wait = std::move(each), result] {
      wait->result = result;
      wait->done = true;
      wait->arrived.notify();
    });
  }
}

bool Tokens::record(const Fetch& fetch, std::string_view phase,
                    const std::expected<Obtained, Error>* outcome) const {
  const TokenSource& source = *fetch.config.tokens;
  control::JsonObject line;
  line.add("time", time_text(now_unix_ns())).add("type", "token").add("credential", fetch.config.name);
  line.add("peer", fetch.peer)
      .add("server", fmt::format("{}:{}", source.host, source.port))
      .add("phase", phase);
  if (outcome && *outcome) {
    const credentials::TokenLife life{(*outcome)->asked, (*outcome)->token.lifetime};
    line.add("ends", time_text(life.ends_unix() * 1'000'000'000));
  }
  if (outcome && !*outcome) line.add("why", outcome->error().what);
  const std::string body = line.text();
  std::string lines[] = {body.substr(1, body.size() - 2)};
  auto appended = shared_.audit->append(lines);
  if (appended) shared_.audit->sync(*appended, [](std::expected<void, Error>) {});
  return appended.has_value();
}

}  // namespace clawpatrol
