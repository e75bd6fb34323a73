// The gateway as far as tokens need it, before a server that a test plays itself.
#pragma once

#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "daemon/audit/budget.h"
#include "daemon/credentials/http/base64.h"
#include "daemon/gateway/tokens.h"
#include "daemon/gateway/unix_time.h"
#include "daemon/gateway/worker_thread.h"
#include "tests/daemon/gateway/token_server.h"
#include "tests/temporary_directory.h"

namespace clawpatrol::lab {

using namespace std::chrono_literals;

inline const std::string client_secret = "the-clients-s3cret";

inline std::int64_t today() {
  return now_unix_ns() / 1'000'000'000;
}

inline std::string http_answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}
inline std::string granted(const std::string& token, int seconds = 3600, const std::string& more = "") {
  return http_answer("200 OK", R"({"access_token":")" + token + R"(","token_type":"Bearer","expires_in":)" +
                                   std::to_string(seconds) + more + "}");
}

inline std::string basic(const std::string& secret) {
  return "Authorization: Basic " + credentials::base64_encoded("me:" + secret) + "\r\n";
}

// Something that a server waits for before it answers.
class Gate {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    wake_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    wake_.notify_all();
    wake_.wait_for(lock, 10s, [this] { return open_; });
  }
  void until_somebody_waits() {
    std::unique_lock lock(mutex_);
    REQUIRE(wake_.wait_for(lock, 10s, [this] { return waiting_ > 0; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = false;
  int waiting_ = 0;
};

struct Given {
  std::string token, problem;
  Tokens::Value value = nullptr;
};

// The gateway, as far as tokens need it: a store, an audit log, and two threads.
class Desk {
 public:
  explicit Desk(Tokens::Options options = {}) : options_(std::move(options)) {
    audit::Options log{};
    log.directory = directory_ / "audit";
    log.key_file = directory_ / "audit.key";
    log.segment_bytes = 64 << 20;
    log.keep_bytes = 1 << 30;
    log.warn = [](journal::Message, std::string_view) {};
    shared_.audit = std::move(*audit::Log::open(log));
    shared_.audit_budget = std::make_unique<audit::PeerBudget>(audit::PeerBudget::Options{});
    start();
  }
  ~Desk() {
    stop();
    shared_.tokens = nullptr;
    shared_.audit = nullptr;
  }
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  // As another process would find what this one left.
  void start_again() {
    end();
    start();
  }
  // A process that is no more.
  void end() {
    if (!shared_.tokens) return;
    stop();
    shared_.tokens = nullptr;
    shared_.credentials = nullptr;
  }
  void stop() {
    if (!errands_) return;
    shared_.tokens->stop();
    REQUIRE(errands_->finish(Clock::now() + 5s));
    REQUIRE(agents_->finish(Clock::now() + 5s));
    errands_ = nullptr;
    agents_ = nullptr;
  }

  CredentialConfig config(const TokenServer& server,
                          OAuthGrant grant = OAuthGrant::client_credentials) const {
    CredentialConfig config;
    config.name = "c";
    config.type = CredentialType::oauth2;
    config.placeholder = "{{c}}";
    config.tokens = TokenSource{.url = "https://127.0.0.1/token",
                                .host = "127.0.0.1",
                                .port = server.port(),
                                .path = "/token",
                                .ca = server.ca(),
                                .grant = grant,
                                .client_id = "me"};
    return config;
  }
  void set(const std::string& value = client_secret) {
    REQUIRE(shared_.credentials->set("c", value));
    tokens().forget("c");
  }
  std::future<Given> ask(const CredentialConfig& config) {
    auto promise = std::make_shared<std::promise<Given>>();
    Worker& agents = agents_->worker();
    agents.ring().post([this, &agents, promise, config] {
      agents.flows().spawn(asking(tokens(), agents.ring(), config, promise));
    });
    return promise->get_future();
  }
  Given give(const CredentialConfig& config) { return ask(config).get(); }
  // What would be looked for in a response, tokens alone.
  std::vector<std::string> looked_for(const CredentialConfig& config) {
    const auto sent = tokens().sent({&config});
    if (!sent) return {"error: " + sent.error().what};
    std::vector<std::string> texts;
    for (const credentials::Sent& each : *sent) {
      texts.emplace_back(each.value->secret.reveal());
      if (!each.value->refresh_token.empty()) texts.emplace_back(each.value->refresh_token.reveal());
    }
    return texts;
  }
  std::filesystem::path tokens_file() const { return directory_ / "credentials" / "c.tokens"; }
  bool is_filed() const { return std::filesystem::exists(tokens_file()); }

  Tokens& tokens() { return *shared_.tokens; }
  Shared& shared() { return shared_; }
  const std::filesystem::path& directory() const { return directory_; }
  std::string log() const {
    std::stringstream text;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "audit"))
      text << std::ifstream(entry.path()).rdbuf();
    return text.str();
  }

 private:
  static Task<void> asking(Tokens& tokens, Ring& ring, CredentialConfig config,
                           std::shared_ptr<std::promise<Given>> promise) {
    auto given = co_await tokens.give(ring, "tester", std::move(config));
    if (given)
      promise->set_value({std::string((*given)->secret.reveal()), "", *given});
    else
      promise->set_value({"", given.error().what});
  }
  void start() {
    shared_.credentials = std::move(*credentials::Store::open(directory_ / "credentials"));
    errands_ = std::move(*WorkerThread::create(shared_, 0));
    agents_ = std::move(*WorkerThread::create(shared_, 1));
    shared_.tokens = std::make_unique<Tokens>(shared_, options_);
    tokens().serve_on(errands_->worker());
    errands_->start();
    agents_->start();
  }

  tests::TemporaryDirectory made_;
  std::filesystem::path directory_ = made_.path;
  Tokens::Options options_;
  Shared shared_;
  std::unique_ptr<WorkerThread> errands_, agents_;
};

// A clock that a test moves; the tokens' thread reads it.
struct Hands {
  std::atomic<std::int64_t> steady_s{0}, wall_s{0};
  Tokens::Options options() {
    Tokens::Options made;
    made.now = [this] {
      return credentials::Moment{Clock::time_point(std::chrono::hours(10)) + std::chrono::seconds(steady_s),
                                 (1'000'000 + wall_s) * 1'000'000'000};
    };
    return made;
  }
  void move(std::int64_t seconds) {
    steady_s += seconds;
    wall_s += seconds;
  }
};

// No file grows while it lasts.
class FullDisk {
 public:
  FullDisk() {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

inline bool comes(const std::function<bool()>& condition) {
  for (int tries = 0; tries < 500; ++tries) {
    if (condition()) return true;
    ::poll(nullptr, 0, 20);
  }
  return false;
}

}  // namespace clawpatrol::lab
