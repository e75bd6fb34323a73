#include "policy/config/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace clawpatrol::config {
namespace {

constexpr std::size_t most_files = 1000;

class OpenFile {
 public:
  // Non-blocking, so that a FIFO in the directory cannot hang us before it is refused.
  explicit OpenFile(const char* path) : number_(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (number_ >= 0) close(number_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::unexpected<std::string> system_failure() {
  return std::unexpected(std::string(std::strerror(errno)));
}

}  // namespace

std::expected<std::string, std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  OpenFile file(path.c_str());
  struct stat info{};
  if (file.number() < 0 || fstat(file.number(), &info) != 0) return system_failure();
  if (!S_ISREG(info.st_mode)) return std::unexpected("not a regular file");
  std::string text;
  char block[16384];
  while (text.size() <= limit) {
    ssize_t count = read(file.number(), block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_failure();
    if (count == 0) return text;
    text.append(block, static_cast<std::size_t>(count));
  }
  return std::unexpected(fmt::format("larger than {} bytes", limit));
}

std::expected<std::vector<std::filesystem::path>, std::string> toml_files_of(
    const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  std::filesystem::directory_iterator entries(directory, failure);
  if (failure == std::errc::no_such_file_or_directory) return files;
  for (auto end = std::filesystem::directory_iterator(); !failure && entries != end;
       entries.increment(failure)) {
    std::filesystem::path path = entries->path();
    if (path.extension() == ".toml" && !path.filename().native().starts_with('.'))
      files.push_back(std::move(path));
    if (files.size() > most_files) return std::unexpected(fmt::format("more than {} files", most_files));
  }
  if (failure) return std::unexpected(failure.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace clawpatrol::config
