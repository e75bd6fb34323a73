// A daemon that says what a test tells it to, on a socket in a directory of its own; and cpctl run against
// it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "cpctl/cli.h"
#include "daemon/control/server.h"
#include "tests/temporary_directory.h"

namespace clawpatrol::cpctl {

using tests::TemporaryDirectory;

class FakeDaemon {
 public:
  // In a directory of its own, or beside another's socket.
  explicit FakeDaemon(const char* socket = "control.sock", const std::filesystem::path& beside = {}) {
    loop_ = std::move(*control::Loop::create());
    control::Server::Options options;
    options.path = (beside.empty() ? directory.path : beside) / socket;
    options.group = getegid();
    options.stream_tick = std::chrono::milliseconds(2);
    server_ = std::move(*control::Server::listen(
        *loop_, options, [this](const control::Request& request) { return answer(request); }));
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~FakeDaemon() {
    loop_->stop();
    thread_.join();
    server_.reset();
  }

  void on(const std::string& command, std::vector<std::string> lines) {
    std::lock_guard lock(mutex_);
    answers_[command] = control::answer_lines(std::move(lines));
  }
  void on(const std::string& command, control::Answer answer) {
    std::lock_guard lock(mutex_);
    answers_[command] = std::move(answer);
  }
  // Requests so far: the line as read, then "|", then the body.
  std::vector<std::string> seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
  }

  TemporaryDirectory directory;

 private:
  control::Answer answer(const control::Request& request) {
    std::lock_guard lock(mutex_);
    seen_.push_back(request.fields.json() + "|" + std::string(request.body));
    auto found = answers_.find(request.command);
    return found == answers_.end() ? nullptr : found->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, control::Answer> answers_;
  std::vector<std::string> seen_;
  std::unique_ptr<control::Loop> loop_;
  std::unique_ptr<control::Server> server_;
  std::thread thread_;
};

struct Result {
  int status = -1;
  std::string out, err;
};

inline std::string content_of(int fd) {
  std::string text(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
  REQUIRE(pread(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

// With `input` on standard input, and neither output a terminal.
inline Result cpctl(std::vector<std::string> arguments, std::string_view input = "") {
  Fd in(memfd_create("in", MFD_CLOEXEC)), out(memfd_create("out", MFD_CLOEXEC)),
      err(memfd_create("err", MFD_CLOEXEC));
  REQUIRE(write(in.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  lseek(in.get(), 0, SEEK_SET);
  Result result;
  result.status = run(arguments, {in.get(), out.get(), err.get()});
  result.out = content_of(out.get());
  result.err = content_of(err.get());
  return result;
}

inline Result cpctl(const FakeDaemon& daemon, std::vector<std::string> arguments,
                    std::string_view input = "") {
  arguments.insert(arguments.begin(), {"--run", daemon.directory.path.native()});
  return cpctl(std::move(arguments), input);
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace clawpatrol::cpctl
