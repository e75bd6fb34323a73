#include "daemon/gateway/tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/control/message.h"
#include "daemon/credentials/http/kept_tokens.h"
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

bool is_refreshed(const CredentialConfig& config) {
  return config.type == CredentialType::oauth2 && config.tokens->grant == OAuthGrant::refresh_token;
}

// As the clock of the wall stands now.
std::int64_t unix_seconds(const credentials::Moment& moment, const credentials::Moment& now) {
  const auto age = std::chrono::duration_cast<std::chrono::nanoseconds>(now.steady - moment.steady);
  return (now.unix_ns - age.count()) / 1'000'000'000;
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

Tokens::Tokens(Shared& shared, Options options) : shared_(shared), options_(std::move(options)) {
  for (const std::string& name : shared_.credentials->with_tokens()) restore(name);
}

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
    if (!entry.unread.empty()) co_return std::unexpected(not_given(config.name, entry.unread));
    follow(entry, config, std::move(origin));
    entry.used = true;
    const Moment at = now();
    const bool may_try = !entry.fetch && at.steady >= entry.not_before;
    if (entry.held.value && entry.held.life.usable(at)) {
      if (may_try && entry.held.life.due(at)) begin(entry, "");
      co_return entry.held.value;
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
  if (!entry.held.value) return;
  const Moment at = now();
  entry.earlier.push_back(std::exchange(entry.held, {}));
  // One that has ended makes room; one that is good never does.
  if (entry.earlier.size() <= most_earlier) return;
  const auto newest = std::prev(entry.earlier.end());
  auto ended =
      std::find_if(entry.earlier.begin(), newest, [&](const Held& each) { return has_ended(each, at); });
  if (ended != newest) entry.earlier.erase(ended);
}

std::expected<std::vector<credentials::Sent>, Error> Tokens::sent(
    const std::vector<const CredentialConfig*>& credentials) const {
  std::vector<credentials::Sent> all;
  std::lock_guard lock(mutex_);
  for (const CredentialConfig* config : credentials) {
    auto found = entries_.find(config->name);
    if (found == entries_.end()) continue;
    const Entry& entry = found->second;
    if (!entry.unread.empty())
      return std::unexpected(
          Error{EBADMSG, fmt::format("cannot use credential '{}': {}", config->name, entry.unread)});
    if (entry.held.value) all.push_back({config, entry.held.value});
    for (const Held& each : entry.earlier) all.push_back({config, each.value});
  }
  return all;
}

void Tokens::doubt(const std::string& name, std::uint64_t token) {
  const Moment at = now();
  std::lock_guard lock(mutex_);
  auto found = entries_.find(name);
  if (found == entries_.end() || stopping_) return;
  Entry& entry = found->second;
  const bool known = entry.held.value && entry.held.value->token == token && !entry.fetch;
  const auto good =
      std::ranges::count_if(entry.earlier, [&](const Held& each) { return !has_ended(each, at); });
  if (static_cast<std::size_t>(good) >= most_earlier) return;
  if (known && credentials::passed(entry.held.life.asked, at) >= least_doubted &&
      at.steady >= entry.not_before)
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
  Report report{.held = entry.held.value && entry.held.life.usable(now()),
                .fetching = entry.fetch != nullptr,
                .problem = entry.unread.empty() ? entry.problem : entry.unread};
  if (report.held) report.ends_unix = entry.held.life.ends_unix();
  return report;
}

// ---- what servers may still say
// -----------------------------------------------------------------------------------

// By the steady clock, here and below: that of the wall may be set while the process runs.
bool Tokens::has_ended(const Held& held, const Moment& at) {
  return at.steady - held.life.asked.steady >= held.life.lifetime;
}

// No server says how long a refresh token is good. The one that came last is the next to be shown.
bool Tokens::may_be_said(const Held& held, bool newest, const Moment& at) {
  const bool lasts = newest && !held.value->refresh_token.empty();
  const auto good = lasts ? credentials::longest_token_lifetime : held.life.lifetime;
  return at.steady - held.life.asked.steady < good + echo_time;
}

void Tokens::drop_outlived(Entry& entry, const Moment& at) {
  const Held* newest = entry.held.value ? &entry.held : nullptr;
  if (!newest && !entry.earlier.empty()) newest = &entry.earlier.back();
  auto outlived = [&](const Held& each) { return !may_be_said(each, &each == newest, at); };
  if (entry.held.value && outlived(entry.held)) entry.held = {};
  std::erase_if(entry.earlier, outlived);
}

// What the process before this one gave. One that was asked for in the future counts as asked for now.
void Tokens::restore(const std::string& name) {
  auto kept = shared_.credentials->tokens(name);
  std::optional<std::vector<credentials::KeptToken>> tokens;
  if (kept) tokens = credentials::read_kept_tokens(kept->reveal());
  const Moment at = now();
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[name];
  entry.filed = true;
  entry.unread.clear();
  if (!tokens) {
    entry.unread = fmt::format(
        "its tokens of before the start cannot be read: {} (remove the file once they have ended or are "
        "revoked)",
        kept ? "the file is not of this program's form" : kept.error().what);
    return;
  }
  for (const credentials::KeptToken& each : *tokens) {
    credentials::Value value;
    value.token = ++given_out_;
    value.secret = Secret(each.token);
    value.refresh_token = Secret(each.refresh_token);
    const auto age = std::max(std::chrono::nanoseconds(at.unix_ns) - std::chrono::seconds(each.asked_unix),
                              std::chrono::nanoseconds::zero());
    entry.earlier.push_back({.value = std::make_shared<const credentials::Value>(std::move(value)),
                             .life = {{at.steady - age, at.unix_ns - age.count()}, each.lifetime}});
  }
  drop_outlived(entry, at);
}

// Of the worker's thread, as whatever changes a file.
void Tokens::tend_files() {
  const Moment at = now();
  std::vector<std::string> unread, outlived;
  {
    std::lock_guard lock(mutex_);
    for (auto& [name, entry] : entries_) {
      drop_outlived(entry, at);
      if (!entry.unread.empty())
        unread.push_back(name);
      else if (entry.filed && !entry.fetch && !entry.held.value && entry.earlier.empty()) {
        entry.filed = false;
        outlived.push_back(name);
      }
    }
  }
  for (const std::string& name : unread) restore(name);
  // What cannot be removed is read, and dropped, by the next process.
  for (const std::string& name : outlived) static_cast<void>(shared_.credentials->keep_tokens(name, ""));
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
    const bool wanted = !stopping_ && entry.held.value && entry.used && !entry.fetch &&
                        at.steady >= entry.not_before && entry.held.life.due(at);
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
    tend_files();
    (void)co_await changed.wait(Deadline::after(tick));
    std::lock_guard lock(mutex_);
    going_on = !stopping_;
  }
  co_await fetches.join();
  changed_ = nullptr;
  fetches_ = nullptr;
}

Task<void> Tokens::run(std::shared_ptr<Fetch> fetch) {
  std::expected<Held, Error> obtained = std::unexpected(Error{0, "it cannot be recorded in the audit log"});
  // As every use of a secret: no record, no use.
  if (record(*fetch, "asked", nullptr)) {
    obtained = co_await obtain(*fetch);
    record(*fetch, obtained ? "done" : "failed", &obtained);
  }
  finish(*fetch, std::move(obtained));
  credentials::forget_registers();
}

Task<std::expected<Tokens::Held, Error>> Tokens::obtain(Fetch& fetch) {
  const CredentialConfig& config = fetch.config;
  auto stored = shared_.credential_values.get(*shared_.credentials, config);
  if (!stored) co_return std::unexpected(stored.error());
  if ((*stored)->version != fetch.origin.version)
    co_return std::unexpected(Error{ESTALE, "its value has changed"});
  if (auto unkept = take_unkept(fetch)) {
    auto kept = keep(fetch, std::move(*unkept));
    if (!kept || kept->life.usable(now())) co_return kept;
  }
  Secret successor;
  if (is_refreshed(config)) {
    auto kept = shared_.credentials->successor(config.name, fetch.origin.version);
    if (!kept) co_return std::unexpected(kept.error());
    successor = std::move(*kept);
  }
  const Moment asked = now();
  auto request =
      credentials::compose_token_request(config, **stored, successor.reveal(), asked.unix_ns / 1'000'000'000);
  if (!request) co_return std::unexpected(Error{0, std::move(request.error())});
  auto token = co_await fetch_token(*worker_, fetch.errand, config, std::move(request->bytes),
                                    Deadline::after(options_.fetch));
  if (!token) co_return std::unexpected(token.error());
  co_return keep(fetch, Obtained{std::move(*token), asked});
}

std::optional<Tokens::Obtained> Tokens::take_unkept(const Fetch& fetch) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[fetch.config.name];
  return entry.origin == fetch.origin ? std::exchange(entry.unkept, {}) : std::nullopt;
}

// On the disk before it is used: the refresh token, since the server may take the one before no more, and the
// token, since a server may say it when this process is no more.
std::expected<Tokens::Held, Error> Tokens::keep(const Fetch& fetch, Obtained obtained) {
  const ObtainedToken& token = obtained.token;
  Held held{.value = {}, .life = {obtained.asked, token.lifetime}};
  auto kept = keep_refresh_token(fetch, token.refresh_token);
  if (kept) {
    // Of copies: what cannot be kept now may be the next time.
    auto value = credentials::token_value(fetch.config, fetch.origin.version, Secret(token.token.reveal()),
                                          Secret(token.refresh_token.reveal()));
    if (!value) return std::unexpected(Error{0, std::move(value.error())});
    value->token = next_number();
    held.value = std::make_shared<const credentials::Value>(std::move(*value));
    kept = keep_tokens(fetch.config.name, held);
  }
  if (kept) return held;
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[fetch.config.name];
  if (entry.origin == fetch.origin) entry.unkept = std::move(obtained);
  return std::unexpected(kept.error());
}

std::uint64_t Tokens::next_number() {
  std::lock_guard lock(mutex_);
  return ++given_out_;
}

std::expected<void, Error> Tokens::keep_refresh_token(const Fetch& fetch, const Secret& next) {
  if (next.empty() || !is_refreshed(fetch.config)) return {};
  auto kept = shared_.credentials->keep_successor(fetch.config.name, fetch.origin.version, next.reveal());
  if (!kept)
    kept.error().what = "the next refresh token, which came with it, cannot be kept: " + kept.error().what;
  return kept;
}

// All that may still be said, and what is about to be given.
std::expected<void, Error> Tokens::keep_tokens(const std::string& name, const Held& next) {
  const Moment at = now();
  std::vector<Held> all;
  {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[name];
    entry.filed = true;
    all.assign(entry.earlier.begin(), entry.earlier.end());
    if (entry.held.value) all.push_back(entry.held);
  }
  std::erase_if(all, [&](const Held& each) { return !may_be_said(each, false, at); });
  all.push_back(next);
  std::vector<credentials::KeptToken> tokens;
  for (const Held& each : all)
    tokens.push_back({.asked_unix = unix_seconds(each.life.asked, at),
                      .lifetime = each.life.lifetime,
                      .token = each.value->secret.reveal(),
                      .refresh_token = each.value->refresh_token.reveal()});
  const Secret bytes = credentials::compose_kept_tokens(tokens);
  auto kept = shared_.credentials->keep_tokens(name, bytes.reveal());
  if (!kept) kept.error().what = "it cannot be kept on the disk: " + kept.error().what;
  return kept;
}

// ---- what comes of it
// -----------------------------------------------------------------------------------------

void Tokens::finish(Fetch& fetch, std::expected<Held, Error> obtained) {
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
    take_over(entry, std::move(*obtained));
  else
    fail(entry, obtained.error());
}

void Tokens::take_over(Entry& entry, Held obtained) {
  put_aside(entry);
  entry.held = std::move(obtained);
  entry.used = false;
  entry.failures = 0;
  entry.not_before = {};
  entry.problem.clear();
  answer(entry, entry.held.value);
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
                    const std::expected<Held, Error>* outcome) const {
  const TokenSource& source = *fetch.config.tokens;
  control::JsonObject line;
  line.add("time", time_text(now_unix_ns())).add("type", "token").add("credential", fetch.config.name);
  line.add("peer", fetch.peer)
      .add("server", fmt::format("{}:{}", source.host, source.port))
      .add("phase", phase);
  if (outcome && *outcome) line.add("ends", time_text((*outcome)->life.ends_unix() * 1'000'000'000));
  if (outcome && !*outcome) line.add("why", outcome->error().what);
  const std::string body = line.text();
  std::string lines[] = {body.substr(1, body.size() - 2)};
  auto appended = shared_.audit->append(lines);
  if (appended) shared_.audit->sync(*appended, [](std::expected<void, Error>) {});
  return appended.has_value();
}

}  // namespace clawpatrol
