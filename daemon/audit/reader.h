// Reading the log for people: `cpctl audit tail` and `cpctl explain`. Checks nothing; verify.h does.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/line_file.h"
#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::audit {

// The last `count` whole lines, oldest first, across segments.
std::expected<std::vector<std::string>, Error> last_lines(const std::filesystem::path& directory,
                                                          std::size_t count);

// Every line of an action (`"id":"a-…"`), oldest first. Reads the whole log.
std::expected<std::vector<std::string>, Error> find_action(const std::filesystem::path& directory,
                                                           std::string_view id);

// Lines as they are written, across rotation and replacement. What a crash left torn is passed over.
class Follower {
 public:
  // From what is written after this call.
  static std::expected<std::unique_ptr<Follower>, Error> open(const std::filesystem::path& directory);
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // What was written since, at most about 1 MiB at a time; waits for something to come for at most `longest`.
  // Empty when nothing came.
  std::expected<std::vector<std::string>, Error> next(std::chrono::milliseconds longest);

 private:
  Follower(std::filesystem::path directory, Fd changes)
      : directory_(std::move(directory)), changes_(std::move(changes)) {}
  std::expected<void, Error> collect(std::vector<std::string>& lines);
  std::expected<bool, Error> move_on();
  void wait(std::chrono::milliseconds longest);

  std::filesystem::path directory_;
  Fd changes_;  // inotify on the directory
  std::optional<LineFile> file_;
  std::uint64_t first_seq_ = 0;  // of that file; 0: none yet
  bool last_look_ = false;       // the next segment was seen, this one is read to its end
};

// A line for a screen: anything but printable ASCII, which the log itself never holds, as \xNN.
std::string shown(std::string_view line);

}  // namespace clawpatrol::audit
