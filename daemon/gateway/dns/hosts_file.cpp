// hosts(5): lines of an address and its names, apart by blanks; a number sign begins a comment.
#include "daemon/gateway/dns/hosts_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

namespace clawpatrol {
namespace {

constexpr std::size_t most_names = 100'000;

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return made;
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

bool HostsFile::has(std::string_view name) {
  std::lock_guard lock(mutex_);
  struct stat now{};
  if (::stat(path_.c_str(), &now) != 0) now = {};
  if (!same_file(now, read_as_)) {
    read_as_ = now;
    read();
  }
  return names_.contains(lower(name));
}

void HostsFile::read() {
  names_.clear();
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line) && names_.size() < most_names;) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    words >> word;  // the address
    while (words >> word) names_.insert(lower(word));
  }
}

}  // namespace clawpatrol
