#include "daemon/audit/line_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "daemon/audit/line.h"

namespace clawpatrol::audit {

namespace {

constexpr std::size_t block = 1 << 18;
// Far above what the gateway writes; without it a damaged file would be read into memory whole.
constexpr std::size_t longest_line = 64 << 20;

}  // namespace

std::expected<LineFile, Error> LineFile::open(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return std::unexpected(os_error(errno, fmt::format("cannot open '{}'", path.string())));
  return LineFile(std::move(fd), path);
}

std::expected<std::optional<std::string_view>, Error> LineFile::next() {
  for (;;) {
    const char* found =
        static_cast<const char*>(std::memchr(buffer_.data() + searched_, '\n', end_ - searched_));
    if (found != nullptr) {
      std::string_view line(buffer_.data() + begin_,
                            static_cast<std::size_t>(found - buffer_.data()) - begin_);
      begin_ = searched_ = begin_ + line.size() + 1;
      offset_ += line.size() + 1;
      return line;
    }
    searched_ = end_;
    auto more = read_more();
    if (!more) return std::unexpected(more.error());
    if (!*more) return std::nullopt;
  }
}

std::expected<bool, Error> LineFile::read_more() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
  }
  if (end_ > longest_line) {
    return std::unexpected(Error{EFBIG, fmt::format("cannot read '{}': a line has no end", path_.string())});
  }
  if (buffer_.size() < end_ + block) buffer_.resize(std::max(end_ + block, 2 * buffer_.size()));
  for (;;) {
    ssize_t count = ::read(fd_.get(), buffer_.data() + end_, buffer_.size() - end_);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(os_error(errno, fmt::format("cannot read '{}'", path_.string())));
    end_ += static_cast<std::size_t>(count);
    return count > 0;
  }
}

std::expected<std::vector<SegmentFile>, Error> list_segments(const std::filesystem::path& directory) {
  std::vector<SegmentFile> segments;
  std::error_code problem;
  std::filesystem::directory_iterator entries(directory, problem);
  for (; !problem && entries != std::filesystem::directory_iterator(); entries.increment(problem)) {
    std::string name = entries->path().filename();
    if (auto seq = parse_segment_name(name)) segments.push_back({name, *seq});
  }
  if (problem) {
    return std::unexpected(os_error(problem.value(), fmt::format("cannot list '{}'", directory.string())));
  }
  std::sort(segments.begin(), segments.end(), [](const SegmentFile& left, const SegmentFile& right) {
    return left.first_seq < right.first_seq;
  });
  return segments;
}

}  // namespace clawpatrol::audit
