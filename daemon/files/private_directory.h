// A directory and files that their owner alone can read: keys, credentials, the audit log. A symbolic link,
// another owner or a mode that lets others in is refused, never repaired.
#pragma once

#include <expected>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol {

// What users other than the owner may do with a directory.
enum class Others { excluded, may_list };

// File names given to it are single path components chosen by the program, never by a peer.
class PrivateDirectory {
 public:
  // Makes it (0700, the last component only) if it is absent.
  static std::expected<PrivateDirectory, Error> open(const std::filesystem::path& path,
                                                     Others others = Others::excluded);

  // Excludes every other process (and every other PrivateDirectory of this one) until this is destroyed.
  std::expected<void, Error> lock();

  // Reads a whole file into `buffer` and says how long it is. ENOENT where there is none; one that does not
  // fit is an error.
  std::expected<std::size_t, Error> read(const std::string& name, std::span<char> buffer) const;

  // Puts a file in place whole and durably: a crash leaves the old content or the new.
  std::expected<void, Error> replace(const std::string& name, std::string_view bytes) const;
  // The same for one that must not be there yet: EEXIST.
  std::expected<void, Error> create(const std::string& name, std::string_view bytes) const;
  std::expected<void, Error> remove(const std::string& name) const;
  std::expected<void, Error> sync() const;
  // What a crash within replace() or create() left behind. Only under the lock, and not during either.
  void remove_leftovers() const;

  std::expected<std::vector<std::string>, Error> names() const;  // regular or not; sorted
  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  PrivateDirectory(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  std::expected<std::string, Error> write_aside(const std::string& name, std::string_view bytes) const;
  Error failure(int code, std::string_view verb, const std::string& name) const;

  Fd fd_;
  std::filesystem::path path_;
};

// Goes on after short writes and signals. 0 or an errno; `written` counts what went out either way.
int write_all(int fd, std::string_view bytes, std::size_t& written);

}  // namespace clawpatrol
