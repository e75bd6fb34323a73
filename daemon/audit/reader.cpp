#include "daemon/audit/reader.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <deque>
#include <ranges>

namespace clawpatrol::audit {

namespace {

constexpr std::size_t batch_bytes = 1 << 20;

// Calls `each` with every whole line of a segment. One pruned meanwhile has none.
template <class Each>
std::expected<void, Error> for_each_line(const std::filesystem::path& path, Each each) {
  auto file = LineFile::open(path);
  if (!file && file.error().code == ENOENT) return {};
  if (!file) return std::unexpected(file.error());
  for (;;) {
    auto line = file->next();
    if (!line) return std::unexpected(line.error());
    if (!*line) return {};
    each(**line);
  }
}

}  // namespace

std::expected<std::vector<std::string>, Error> last_lines(const std::filesystem::path& directory,
                                                          std::size_t count) {
  auto files = list_segments(directory);
  if (!files) return std::unexpected(files.error());
  std::deque<std::string> found;
  for (const SegmentFile& segment : std::views::reverse(*files)) {
    if (found.size() >= count) break;
    std::size_t wanted = count - found.size();
    std::deque<std::string> lines;
    auto read = for_each_line(directory / segment.name, [&](std::string_view line) {
      lines.emplace_back(line);
      if (lines.size() > wanted) lines.pop_front();
    });
    if (!read) return std::unexpected(read.error());
    found.insert(found.begin(), lines.begin(), lines.end());
  }
  return std::vector<std::string>(found.begin(), found.end());
}

std::expected<std::vector<std::string>, Error> find_action(const std::filesystem::path& directory,
                                                           std::string_view id) {
  std::string wanted = fmt::format(R"("id":"{}")", id);
  bool plain = std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
  if (!plain || id.empty())
    return std::vector<std::string>{};  // nothing is called that, and quotes would match elsewhere
  auto files = list_segments(directory);
  if (!files) return std::unexpected(files.error());
  std::vector<std::string> found;
  // All of them: the outcome of a long action stands far behind it.
  for (const SegmentFile& segment : *files) {
    auto read = for_each_line(directory / segment.name, [&](std::string_view line) {
      if (line.find(wanted) != line.npos) found.emplace_back(line);
    });
    if (!read) return std::unexpected(read.error());
  }
  return found;
}

std::expected<std::unique_ptr<Follower>, Error> Follower::open(const std::filesystem::path& directory) {
  Fd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes) return std::unexpected(os_error(errno, "cannot watch the audit log"));
  if (::inotify_add_watch(changes.get(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
    return std::unexpected(os_error(errno, fmt::format("cannot watch '{}'", directory.string())));
  }
  std::unique_ptr<Follower> follower(new Follower(directory, std::move(changes)));
  auto files = list_segments(directory);
  if (!files) return std::unexpected(files.error());
  if (files->empty()) return follower;
  auto file = LineFile::open(directory / files->back().name);
  if (!file) return std::unexpected(file.error());
  follower->file_.emplace(std::move(*file));
  follower->first_seq_ = files->back().first_seq;
  for (;;) {  // to the end of what is there
    auto line = follower->file_->next();
    if (!line) return std::unexpected(line.error());
    if (!*line) return follower;
  }
}

std::expected<std::vector<std::string>, Error> Follower::next(std::chrono::milliseconds longest) {
  auto until = std::chrono::steady_clock::now() + longest;
  std::vector<std::string> lines;
  for (;;) {
    if (auto read = collect(lines); !read) return std::unexpected(read.error());
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (!lines.empty() || left.count() <= 0) return lines;
    wait(left);  // may end early: for what was read already, or for half a line
  }
}

std::expected<void, Error> Follower::collect(std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  while (bytes < batch_bytes) {
    if (file_) {
      auto line = file_->next();
      if (!line) return std::unexpected(line.error());
      if (*line) {
        bytes += (*line)->size();
        lines.emplace_back(**line);
        continue;
      }
    }
    auto moved = move_on();
    if (!moved) return std::unexpected(moved.error());
    if (!*moved) return {};
  }
  return {};
}

// To the next segment, once there is one. It is made only after the last line of this one was written, so
// this one is looked at once more first.
std::expected<bool, Error> Follower::move_on() {
  auto files = list_segments(directory_);
  if (!files) return std::unexpected(files.error());
  auto after = std::find_if(files->begin(), files->end(),
                            [&](const SegmentFile& each) { return each.first_seq > first_seq_; });
  if (after == files->end()) return false;
  if (file_ && !last_look_) {
    last_look_ = true;
    return true;
  }
  auto file = LineFile::open(directory_ / after->name);
  if (!file && file.error().code == ENOENT) return true;  // pruned already; look again
  if (!file) return std::unexpected(file.error());
  file_.emplace(std::move(*file));
  first_seq_ = after->first_seq;
  last_look_ = false;
  return true;
}

void Follower::wait(std::chrono::milliseconds longest) {
  pollfd watched{changes_.get(), POLLIN, 0};
  if (::poll(&watched, 1, static_cast<int>(longest.count())) <= 0) return;
  char events[4096];
  while (::read(changes_.get(), events, sizeof events) > 0) {
  }
}

std::string shown(std::string_view line) {
  std::string text;
  text.reserve(line.size());
  for (char byte : line) {
    if (byte >= 0x20 && byte < 0x7f) {
      text.push_back(byte);
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
  }
  return text;
}

}  // namespace clawpatrol::audit
