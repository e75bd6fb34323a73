#include "daemon/netd/operator_door.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "daemon/netd/log.h"

namespace clawpatrol::netd {
namespace {

constexpr std::string_view stranger =
    R"({"v":1,"ok":false,"code":"forbidden","error":"cannot ask clawpatrol-netd: permission denied",)"
    R"("hint":"Run this as root or as a member of the group clawpatrol."})"
    "\n";
constexpr std::string_view crowded =
    R"({"v":1,"ok":false,"error":"clawpatrol-netd has too many callers at once","hint":"Try again in a moment."})"
    "\n";

// Without waiting for what it wants.
void turn_away(const Fd& caller, std::string_view why) {
  (void)::send(caller.get(), why.data(), why.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

constexpr std::size_t max_unread = 4 << 20;  // a whole `list` fits; past it the caller does not read

}  // namespace

OperatorDoor::~OperatorDoor() {
  if (listener_) poller_.forget(listener_.get());
  for (const auto& [fd, conversation] : conversations_) poller_.forget(fd);
}

std::expected<void, Error> OperatorDoor::open(const std::filesystem::path& path) {
  Admitted operators;
  if (group_ != static_cast<gid_t>(-1)) operators.group = group_;
  auto listener = listen_on(path, SOCK_STREAM, operators);
  if (!listener) return std::unexpected(listener.error());
  listener_ = std::move(*listener);
  poller_.watch(listener_.get(), POLLIN, [this](short) { accept_one(); });
  return {};
}

void OperatorDoor::accept_one() {
  Fd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!caller) return;
  auto who = caller_of(caller.get());
  if (!who) return;
  bool member = group_ != static_cast<gid_t>(-1) &&
                std::find(who->groups.begin(), who->groups.end(), group_) != who->groups.end();
  if (who->uid != 0 && !member) {
    log_line("refused at the operator's socket: uid {}", who->uid);
    return turn_away(caller, stranger);
  }
  if (conversations_.size() >= max_callers) return turn_away(caller, crowded);
  int fd = caller.get();
  conversations_[fd] = {std::move(caller), who->uid, {}, {}, std::chrono::steady_clock::now()};
  poller_.watch(fd, POLLIN, [this, fd](short events) { on_ready(fd, events); });
}

void OperatorDoor::drop(int fd) {
  poller_.forget(fd);
  conversations_.erase(fd);
}

void OperatorDoor::on_ready(int fd, short events) {
  auto at = conversations_.find(fd);
  if (at == conversations_.end()) return;
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !read_lines(at->second)) return drop(fd);
  if (!write_answers(at->second)) return drop(fd);
  short wanted = at->second.out.empty() ? POLLIN : static_cast<short>(POLLIN | POLLOUT);
  poller_.watch(fd, wanted, [this, fd](short ready) { on_ready(fd, ready); });
}

bool OperatorDoor::read_lines(Conversation& conversation) {
  char buffer[max_line];
  ssize_t size = ::recv(conversation.fd.get(), buffer, sizeof buffer, 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  conversation.in.append(buffer, static_cast<std::size_t>(size));
  std::size_t newline;
  while ((newline = conversation.in.find('\n')) != std::string::npos && newline <= max_line) {
    std::string line = conversation.in.substr(0, newline);
    conversation.in.erase(0, newline + 1);
    conversation.out += answer_(line, conversation.uid) + "\n";
    conversation.since = std::chrono::steady_clock::now();
    if (conversation.out.size() > max_unread) return false;
  }
  return conversation.in.size() <= max_line;
}

bool OperatorDoor::write_answers(Conversation& conversation) {
  while (!conversation.out.empty()) {
    ssize_t size =
        ::send(conversation.fd.get(), conversation.out.data(), conversation.out.size(), MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    conversation.out.erase(0, static_cast<std::size_t>(size));
  }
  return true;
}

void OperatorDoor::close_idle(std::chrono::steady_clock::time_point now) {
  std::vector<int> idle;
  for (const auto& [fd, conversation] : conversations_)
    if (now - conversation.since > patience) idle.push_back(fd);
  for (int fd : idle) drop(fd);
}

}  // namespace clawpatrol::netd
