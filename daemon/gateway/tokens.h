// Tokens that the gateway gets for credentials of type oauth2 and github_app: fetched when one is first
// needed, kept in locked memory alone, fetched anew ahead of their end while they are used, one fetch of a
// credential at a time. What a request would be given is what was obtained with the value that the operator
// set last, from where the policy in force says; or it is not sent.
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

  // All that may have been given of these and that a server may still say, beside what is stored. Those
  // without tokens are skipped.
  std::vector<credentials::Sent> sent(const std::vector<const CredentialConfig*>& credentials) const;

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
  struct Earlier {
    Value value;
    Clock::time_point ends, until;  // is good; may still be said
  };
  struct Entry {
    Origin origin = {};
    CredentialConfig config = {};
    Value token = {};
    credentials::TokenLife life = {};
    bool used = false;  // since it was fetched
    std::deque<Earlier> earlier = {};
    std::shared_ptr<Fetch> fetch = {};  // that is at work; null: none
    std::vector<std::shared_ptr<Wait>> waiting = {};
    unsigned failures = 0;
    Clock::time_point not_before = {};
    std::string problem = {};
    std::optional<Obtained> unkept = {};  // whose refresh token could not be written to the disk yet
  };
  using Result = std::expected<Value, Error>;

  Moment now() const;
  Origin origin_of(const CredentialConfig& config) const;
  void follow(Entry& entry, const CredentialConfig& config, Origin origin);
  void put_aside(Entry& entry);
  static bool has_ended(const Earlier& earlier);
  void begin(Entry& entry, std::string peer);
  void begin_due();
  Task<void> keep_fresh(Worker& worker);
  Task<void> run(std::shared_ptr<Fetch> fetch);
  Task<std::expected<Obtained, Error>> obtain(Fetch& fetch);
  std::expected<void, Error> keep_refresh_token(Fetch& fetch, Obtained& obtained);
  void finish(Fetch& fetch, std::expected<Obtained, Error> obtained);
  void take_over(Entry& entry, Fetch& fetch, Obtained obtained);
  void fail(Entry& entry, const Error& error);
  static void answer(Entry& entry, const Result& result);
  bool record(const Fetch& fetch, std::string_view phase,
              const std::expected<Obtained, Error>* outcome) const;

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
