// Which names /etc/hosts has: a lookup of one of them ends at once, whatever other names are waited for.
#pragma once

#include <sys/stat.h>

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

namespace clawpatrol {

// Any thread. Reads the file again when it has changed; a file that cannot be read has no names.
class HostsFile {
 public:
  explicit HostsFile(std::string path = "/etc/hosts") : path_(std::move(path)) {}
  bool has(std::string_view name);

 private:
  void read();

  const std::string path_;
  std::mutex mutex_;
  struct stat read_as_{};
  std::unordered_set<std::string> names_;  // in lower case
};

}  // namespace clawpatrol
