#include "daemon/netd/daemon_door.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "daemon/netd/door.h"
#include "daemon/netd/log.h"
#include "daemon/netd/request.h"

namespace clawpatrol::netd {

DaemonDoor::DaemonDoor(Poller& poller, std::uint32_t daemon_uid, DaemonRequests requests)
    : poller_(poller), daemon_uid_(daemon_uid), requests_(std::move(requests)) {}

DaemonDoor::~DaemonDoor() {
  if (session_) poller_.forget(session_.get());
  if (waiting_) poller_.forget(waiting_.get());
  if (listener_) poller_.forget(listener_.get());
}

std::expected<void, Error> DaemonDoor::open(const std::filesystem::path& path) {
  auto listener = listen_on(path, SOCK_SEQPACKET, {.user = daemon_uid_, .group = {}});
  if (!listener) return std::unexpected(listener.error());
  listener_ = std::move(*listener);
  poller_.watch(listener_.get(), POLLIN, [this](short) { accept_one(); });
  return {};
}

void DaemonDoor::accept_one() {
  Fd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!caller) return;
  auto who = caller_of(caller.get());
  if (!who || who->uid != daemon_uid_) {
    log_line("refused at the daemon's socket: uid {}", who ? static_cast<long>(who->uid) : -1L);
    return;
  }
  if (!session_ && !waiting_) return begin(std::move(caller));
  if (waiting_) poller_.forget(waiting_.get());  // the newest is the one that lives
  waiting_ = std::move(caller);
  if (!session_) begin_waiting();
}

// From the loop, once it has spoken: whoever ends a session may be in the middle of answering it.
void DaemonDoor::begin_waiting() {
  if (!waiting_) return;
  poller_.watch(waiting_.get(), POLLIN, [this](short) { begin(std::move(waiting_)); });
}

void DaemonDoor::begin(Fd session) {
  session_ = std::move(session);
  greeted_ = false;
  poller_.watch(session_.get(), POLLIN, [this](short events) { on_session(events); });
  log_line("daemon connected");
}

void DaemonDoor::end(std::string_view why) {
  log_line("daemon's session ended: {}", why);
  poller_.forget(session_.get());
  session_.reset();
  queue_.clear();
  told_.clear();
  begin_waiting();
}

void DaemonDoor::on_session(short events) {
  int session = session_.get();
  if (events & POLLOUT) flush();
  while (session_ && session_.get() == session && receive_one()) {
  }
}

bool DaemonDoor::receive_one() {
  char bytes[sizeof(Message) + 1];
  alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
  iovec part{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = ::recvmsg(session_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (size < 0) return end(std::strerror(errno)), false;
  if (close_descriptors(message) || (message.msg_flags & MSG_CTRUNC) != 0)
    return end("it sent a descriptor"), false;
  if (size == 0) return end("closed by the daemon"), false;
  auto request = parse_request(std::string_view(bytes, static_cast<std::size_t>(size)));
  if (!request) return end(request.error()), false;
  handle(*request);
  return static_cast<bool>(session_);
}

void DaemonDoor::handle(const Message& message) {
  if (greeted_ == (message.type == MessageType::hello)) return end("hello must come first, and once");
  if (message.type == MessageType::hello) return say_hello(message);
  if (message.type == MessageType::get_statistics) return say_statistics();
  ReloadAnswer reloaded = requests_.reload();
  Message answer;
  answer.type = MessageType::reloaded;
  answer.reloaded.ok = reloaded.done;
  std::string problem = joined(reloaded.problems, sizeof answer.reloaded.problem - 1);
  std::memcpy(answer.reloaded.problem, problem.data(), problem.size());
  if (session_) queue(answer);
}

std::string joined(const std::vector<std::string>& problems, std::size_t limit) {
  std::string text;
  for (std::size_t i = 0; i < problems.size(); i++) {
    std::string more = i + 1 < problems.size() ? fmt::format("; and {} more", problems.size() - i - 1) : "";
    std::string with = text + (i > 0 ? "; " : "") + problems[i];
    if (with.size() + more.size() <= limit) {
      text = std::move(with);
      continue;
    }
    if (i == 0) return problems[0].substr(0, limit);
    return text + fmt::format("; and {} more", problems.size() - i);
  }
  return text;
}

void DaemonDoor::say_hello(const Message& message) {
  auto descriptors = requests_.hello(message.hello.workers);
  if (!descriptors) return end(descriptors.error().what);
  greeted_ = true;
  queue(requests_.welcome());
  for (const HandedDescriptor& handed : *descriptors) {
    Message answer;
    answer.type = MessageType::descriptor;
    answer.descriptor = {handed.role, handed.index};
    if (!session_) return;
    queue(answer, handed.fd);
  }
  say_peers();
}

void DaemonDoor::say_statistics() {
  for (const Drop& drop : requests_.drops()) {
    Message row;
    row.type = MessageType::statistics;
    row.statistics = {drop.peer, drop.reason, drop.packets, drop.bytes};
    if (!session_) return;
    queue(row);
  }
  Message last;
  last.type = MessageType::statistics_end;
  if (session_) queue(last);
}

void DaemonDoor::peers_changed() {
  if (session_ && greeted_) say_peers();
}

void DaemonDoor::operated(PeerOperation operation, std::uint32_t uid, std::string_view name) {
  if (!session_ || !greeted_) return;
  Message message;
  message.type = MessageType::operated;
  message.operated.operation = operation;
  message.operated.uid = uid;
  std::memcpy(message.operated.name, name.data(), std::min(name.size(), sizeof message.operated.name - 1));
  queue(message);
}

namespace {

Message peer_message(const PeerEntry& peer) {
  Message message;
  message.type = MessageType::peer;
  message.peer.change = PeerChange::present;
  message.peer.id = peer.id;
  std::memcpy(message.peer.name, peer.name.data(), std::min(peer.name.size(), sizeof message.peer.name - 1));
  for (std::size_t i = 0; i < peer.addresses.size() && i < max_addresses; i++)
    std::memcpy(message.peer.addresses[i], peer.addresses[i].bytes.data(), 16);
  message.peer.key_fingerprint = peer.key_fingerprint();
  std::memcpy(message.peer.profile, peer.profile.data(),
              std::min(peer.profile.size(), sizeof message.peer.profile - 1));
  return message;
}

}  // namespace

void DaemonDoor::say_peers() {
  std::map<std::uint32_t, std::string> current;
  for (const PeerEntry& peer : requests_.peers()) {
    Message message = peer_message(peer);
    // All that is said of it: what it may is the profile's, which a reload can take away.
    std::string said(reinterpret_cast<const char*>(&message.peer), sizeof message.peer);
    auto told = told_.find(peer.id);
    const bool known = told != told_.end() && told->second == said;
    current[peer.id] = std::move(said);
    if (known) continue;
    if (!session_) return;
    queue(message);
  }
  for (const auto& [id, said] : told_) {
    if (current.contains(id)) continue;
    Message gone;
    gone.type = MessageType::peer;
    gone.peer.change = PeerChange::gone;
    gone.peer.id = id;
    if (!session_) return;
    queue(gone);
  }
  if (!session_) return;
  told_ = std::move(current);
  Message last;
  last.type = MessageType::peers_end;
  queue(last);
}

void DaemonDoor::queue(const Message& message, int descriptor) {
  if (queue_.size() >= max_queued) return end("it does not read");
  Outgoing outgoing{message, {}};
  if (descriptor >= 0) outgoing.descriptor = Fd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (descriptor >= 0 && !outgoing.descriptor) return end("out of descriptors");
  queue_.push_back(std::move(outgoing));
  flush();
}

void DaemonDoor::flush() {
  while (session_ && !queue_.empty()) {
    int sent = send_datagram(session_.get(), &queue_.front().message, sizeof(Message),
                             queue_.front().descriptor.get());
    if (sent == EAGAIN) break;
    if (sent != 0) return end(std::strerror(sent));
    queue_.pop_front();
  }
  if (!session_) return;
  short events = queue_.empty() ? POLLIN : static_cast<short>(POLLIN | POLLOUT);
  poller_.watch(session_.get(), events, [this](short ready) { on_session(ready); });
}

}  // namespace clawpatrol::netd
