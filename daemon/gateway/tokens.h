// Tokens that the gateway gets for credentials of type oauth2 and github_app: fetched when one is first
// needed, used from locked memory alone, fetched anew ahead of their end while they are used, one fetch of a
// credential at a time. What a request would be given is what was obtained with the value that the operator
// set last, from where the policy in force says; or it is not sent.
//
// A token is sealed on the disk (Store::keep_tokens) before it is given to anybody, and read again by the
// process that comes after this one: to be looked for in what servers say, never to be given. How long is
// told by the clock of the wall, as it was when the token was written down.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "daemon/credentials/http/token_life.h"
#include "daemon/credentials/http/token_request.h"
#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// Any thread, but for what says otherwise. Fetches are at work on one worker, which serves no agents: keys
// sign there, and files are written.
class Tokens {
 public:
  struct Options {
    Clock::duration wait = std::chrono::seconds(10);   // of a request, for the token that it needs
    Clock::duration fetch = std::chrono::seconds(15);  // all of one
    std::function<credentials::Moment()> now = {};     // for tests; none: the clocks
  };
  explicit Tokens(Shared& shared) : Tokens(shared, Options()) {}
  Tokens(Shared& shared, Options options);

  // Once, before the first give(); the worker outlives it all.
  void serve_on(Worker& worker);
  // Whoever waits is refused, now and later, and fetches end: for the worker's flows to end.
  void stop();

  using Value = std::shared_ptr<const credentials::Value>;
  // A token that is good for a while; waits where there is none yet. Where the last try has failed a moment
  // ago the error, which is for an operator, comes at once. `peer` is who asks, for the audit log. To be
  // awaited on the thread of `ring`.
  Task<std::expected<Value, Error>> give(Ring& ring, std::string peer, CredentialConfig config);

  // All that may have been given of these and that a server may still say, beside what is stored; also of
  // before this process, and of what has no tokens any more. An error, for an operator: what was given before
  // cannot be read, so that nothing which a server says can be searched for it.
  std::expected<std::vector<credentials::Sent>, Error> sent(
      const std::vector<const CredentialConfig*>& credentials) const;

  // A server does not take this token (401), which may have been revoked: the next one is fetched, where this
  // one is more than a minute old, and while few of those before it are still good: who makes a server say so
  // must not push them out of sent(). Until it is there this one is given: the server may have meant
  // something else.
  void doubt(const std::string& name, std::uint64_t token);

  // The credential's value was set or removed: its token is given to nobody any more.
  void forget(const std::string& name);

  struct Report {
    bool held = false, fetching = false;
    std::int64_t ends_unix = 0;  // of the one that is held
    std::string problem;         // why the last try failed; "": it did not
  };
  Report report(const std::string& name) const;

 private:
  using Moment = credentials::Moment;
  struct Origin {
    CredentialType type = CredentialType::oauth2;
    TokenSource source = {};
    std::string placeholder = {};
    std::uint64_t version = 0;  // of what is stored; 0: nothing is
    bool operator==(const Origin&) const = default;
  };
  struct Obtained {
    credentials::ObtainedToken token;
    Moment asked;
  };
  struct Fetch;
  struct Wait;
  struct Held {
    Value value = {};
    credentials::TokenLife life = {};
  };
  struct Entry {
    Origin origin = {};
    CredentialConfig config = {};
    Held held = {};                     // no value: none
    bool used = false;                  // since it was fetched
    std::deque<Held> earlier = {};      // the oldest first
    bool filed = false;                 // something is on the disk
    std::string unread = {};            // why what is there cannot be read; "": it was
    std::shared_ptr<Fetch> fetch = {};  // that is at work; null: none
    std::vector<std::shared_ptr<Wait>> waiting = {};
    unsigned failures = 0;
    Clock::time_point not_before = {};
    std::string problem = {};
    std::optional<Obtained> unkept = {};  // what could not be written to the disk yet
  };
  using Result = std::expected<Value, Error>;

  Moment now() const;
  Origin origin_of(const CredentialConfig& config) const;
  void follow(Entry& entry, const CredentialConfig& config, Origin origin);
  void put_aside(Entry& entry);
  static bool has_ended(const Held& held, const Moment& at);
  static bool may_be_said(const Held& held, bool newest, const Moment& at);
  static void drop_outlived(Entry& entry, const Moment& at);
  void restore(const std::string& name);
  void tend_files();
  void begin(Entry& entry, std::string peer);
  void begin_due();
  Task<void> keep_fresh(Worker& worker);
  Task<void> run(std::shared_ptr<Fetch> fetch);
  Task<std::expected<Held, Error>> obtain(Fetch& fetch);
  std::optional<Obtained> take_unkept(const Fetch& fetch);
  std::expected<Held, Error> keep(const Fetch& fetch, Obtained obtained);
  std::uint64_t next_number();
  std::expected<void, Error> keep_refresh_token(const Fetch& fetch, const credentials::Secret& next);
  std::expected<void, Error> keep_tokens(const std::string& name, const Held& next);
  void finish(Fetch& fetch, std::expected<Held, Error> obtained);
  void take_over(Entry& entry, Held obtained);
  void fail(Entry& entry, const Error& error);
  static void answer(Entry& entry, const Result& result);
  bool record(const Fetch& fetch, std::string_view phase, const std::expected<Held, Error>* outcome) const;

  Shared& shared_;
  const Options options_;
  Worker* worker_ = nullptr;
  Event* changed_ = nullptr;      // of keep_fresh(), while it runs; of the worker's thread
  TaskGroup* fetches_ = nullptr;  // the same
  mutable std::mutex mutex_;      // of what stands below
  std::map<std::string, Entry, std::less<>> entries_;
  std::uint64_t given_out_ = 0;  // numbers of tokens
  std::minstd_rand random_{std::random_device()()};
  bool stopping_ = false;
};

}  // namespace clawpatrol
