#include "daemon/netd/service_manager.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace clawpatrol::netd {
namespace {

constexpr int first_held = 3;  // sd_listen_fds(3)
constexpr unsigned most_held = 64;

std::string taken_from_environment(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value ? value : "";
  ::unsetenv(name);
  return text;
}

}  // namespace

std::vector<std::string> held_names(std::string_view count, std::string_view names) {
  unsigned size = 0;
  auto [end, problem] = std::from_chars(count.data(), count.data() + count.size(), size);
  if (problem != std::errc() || end != count.data() + count.size() || size > most_held) return {};
  std::vector<std::string> each;
  for (unsigned i = 0; i < size; ++i) {
    const std::size_t colon = std::min(names.find(':'), names.size());
    each.emplace_back(names.substr(0, colon));
    names.remove_prefix(std::min(colon + 1, names.size()));
  }
  return each;
}

ServiceManager ServiceManager::from_environment() {
  ServiceManager made;
  made.socket_ = taken_from_environment("NOTIFY_SOCKET");
  const std::string process = taken_from_environment("LISTEN_PID");
  const std::string count = taken_from_environment("LISTEN_FDS");
  const std::string names = taken_from_environment("LISTEN_FDNAMES");
  if (process != std::to_string(::getpid())) return made;
  int fd = first_held;
  for (std::string& name : held_names(count, names)) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    made.held_.emplace_back(std::move(name), Fd(fd++));
  }
  return made;
}

void ServiceManager::notify(std::string_view state) const {
  send(state, -1);
}

// FDPOLL=0: a listener whose peer is gone, or a link, has nothing to say by which systemd could judge it.
void ServiceManager::keep(const std::string& name, int fd) const {
  send(fmt::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", name), fd);
}

void ServiceManager::forget(const std::string& name) const {
  send(fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name), -1);
}

Fd ServiceManager::take(std::string_view name) {
  auto at = std::ranges::find_if(held_, [&](const auto& held) { return held.first == name; });
  if (at == held_.end()) return {};
  Fd fd = std::move(at->second);
  held_.erase(at);
  return fd;
}

void ServiceManager::forget_untaken() {
  for (const auto& [name, fd] : held_) forget(name);
  held_.clear();
}

void ServiceManager::send(std::string_view text, int fd) const {
  sockaddr_un address{};
  if (socket_.size() < 2 || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  Fd from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  (void)::sendmsg(from.get(), &message, MSG_NOSIGNAL);
}

}  // namespace clawpatrol::netd
