#include "daemon/files/private_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace clawpatrol {

namespace {

// Why what was opened is not private, or nothing.
const char* objection(const struct stat& info, mode_t forbidden) {
  if (info.st_uid != ::geteuid()) return "belongs to another user";
  if ((info.st_mode & forbidden) != 0) return "is open to others than its owner";
  return nullptr;
}

Error objects(const std::filesystem::path& path, const char* why) {
  return Error{EPERM, fmt::format("cannot use '{}': it {}", path.string(), why)};
}

std::expected<void, Error> check_file(int fd, const std::filesystem::path& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0)
    return std::unexpected(os_error(errno, fmt::format("cannot stat '{}'", path.string())));
  if (!S_ISREG(info.st_mode)) return std::unexpected(objects(path, "is not a regular file"));
  // None at all: replaced since we opened it, and still whole.
  if (info.st_nlink > 1) return std::unexpected(objects(path, "has another name as well"));
  if (const char* why = objection(info, 077)) return std::unexpected(objects(path, why));
  return {};
}

}  // namespace

int write_all(int fd, std::string_view bytes, std::size_t& written) {
  written = 0;
  while (written < bytes.size()) {
    ssize_t count = ::write(fd, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return ENOSPC;  // no file system says this; without it we would spin
    written += static_cast<std::size_t>(count);
  }
  return 0;
}

Error PrivateDirectory::failure(int code, std::string_view verb, const std::string& name) const {
  return os_error(code, fmt::format("cannot {} '{}'", verb, (path_ / name).string()));
}

std::expected<PrivateDirectory, Error> PrivateDirectory::open(const std::filesystem::path& path,
                                                              Others others) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return std::unexpected(os_error(errno, fmt::format("cannot make directory '{}'", path.string())));
  }
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::unexpected(os_error(errno, fmt::format("cannot open directory '{}'", path.string())));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) {
    return std::unexpected(os_error(errno, fmt::format("cannot stat '{}'", path.string())));
  }
  mode_t forbidden = others == Others::excluded ? 077 : 022;
  if (const char* why = objection(info, forbidden)) return std::unexpected(objects(path, why));
  return PrivateDirectory(std::move(fd), path);
}

std::expected<void, Error> PrivateDirectory::lock() {
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return std::unexpected(objects(path_, "is in use by another process"));
  return std::unexpected(os_error(errno, fmt::format("cannot lock '{}'", path_.string())));
}

std::expected<std::size_t, Error> PrivateDirectory::read(const std::string& name,
                                                         std::span<char> buffer) const {
  // O_NONBLOCK: a FIFO put in a file's place must not hang us before it is refused.
  Fd file(::openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return std::unexpected(failure(errno, "open", name));
  if (auto checked = check_file(file.get(), path_ / name); !checked) return std::unexpected(checked.error());
  std::size_t size = 0;
  char beyond = 0;
  for (;;) {
    bool full = size == buffer.size();
    ssize_t count =
        ::read(file.get(), full ? &beyond : buffer.data() + size, full ? 1 : buffer.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(failure(errno, "read", name));
    if (count == 0) return size;
    if (full) return std::unexpected(objects(path_ / name, "is too long"));
    size += static_cast<std::size_t>(count);
  }
}

// Writes and syncs a file under a passing name, which it returns.
std::expected<std::string, Error> PrivateDirectory::write_aside(const std::string& name,
                                                                std::string_view bytes) const {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random)
    return std::unexpected(failure(EIO, "name", name));
  std::string aside = fmt::format(".{}.{:016x}.new", name, random);
  Fd file(::openat(fd_.get(), aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return std::unexpected(failure(errno, "make", aside));
  std::size_t written = 0;
  int code = write_all(file.get(), bytes, written);
  if (code == 0 && ::fsync(file.get()) != 0) code = errno;
  if (code == 0) return aside;
  ::unlinkat(fd_.get(), aside.c_str(), 0);
  return std::unexpected(failure(code, "write", aside));
}

std::expected<void, Error> PrivateDirectory::replace(const std::string& name, std::string_view bytes) const {
  auto aside = write_aside(name, bytes);
  if (!aside) return std::unexpected(aside.error());
  if (::renameat(fd_.get(), aside->c_str(), fd_.get(), name.c_str()) != 0) {
    int code = errno;
    ::unlinkat(fd_.get(), aside->c_str(), 0);
    return std::unexpected(failure(code, "replace", name));
  }
  return sync();
}

std::expected<void, Error> PrivateDirectory::create(const std::string& name, std::string_view bytes) const {
  auto aside = write_aside(name, bytes);
  if (!aside) return std::unexpected(aside.error());
  if (::renameat2(fd_.get(), aside->c_str(), fd_.get(), name.c_str(), RENAME_NOREPLACE) != 0) {
    int code = errno;
    ::unlinkat(fd_.get(), aside->c_str(), 0);
    return std::unexpected(failure(code, "make", name));
  }
  return sync();
}

std::expected<void, Error> PrivateDirectory::remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) != 0) return std::unexpected(failure(errno, "remove", name));
  return sync();
}

void PrivateDirectory::remove_leftovers() const {
  auto found = names();
  if (!found) return;
  for (const std::string& name : *found) {
    if (name.starts_with('.') && name.ends_with(".new")) ::unlinkat(fd_.get(), name.c_str(), 0);
  }
}

std::expected<void, Error> PrivateDirectory::sync() const {
  if (::fsync(fd_.get()) == 0) return {};
  return std::unexpected(os_error(errno, fmt::format("cannot sync directory '{}'", path_.string())));
}

std::expected<std::vector<std::string>, Error> PrivateDirectory::names() const {
  Fd copy(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return std::unexpected(os_error(errno, fmt::format("cannot list '{}'", path_.string())));
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), ::closedir);
  if (!stream) return std::unexpected(os_error(errno, fmt::format("cannot list '{}'", path_.string())));
  static_cast<void>(copy.release());  // the stream's from here on
  std::vector<std::string> found;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") found.emplace_back(name);
  }
  if (errno != 0) return std::unexpected(os_error(errno, fmt::format("cannot list '{}'", path_.string())));
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace clawpatrol
