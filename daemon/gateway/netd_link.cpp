#include "daemon/gateway/netd_link.h"

#include <fmt/format.h>
#include <poll.h>

#include "daemon/journal/log.h"

namespace clawpatrol {

namespace {

constexpr const char* gone = "clawpatrol-netd does not run, so peers and interfaces are what they were";

}  // namespace

NetdLink::NetdLink(control::Loop& loop, std::filesystem::path socket, std::size_t workers,
                   Receivers receivers)
    : loop_(loop), socket_(std::move(socket)), workers_(workers), receivers_(std::move(receivers)) {}

NetdLink::~NetdLink() {
  if (session_ && session_->fd() >= 0) loop_.forget(session_->fd());
  loop_.cancel(retry_timer_);
  loop_.cancel(statistics_timer_);
}

void NetdLink::start() {
  statistics_timer_ = loop_.every(statistics_period, [this] {
    if (connected()) (void)session_->request_statistics();
  });
  connect();
}

void NetdLink::connect() {
  auto session = NetdSession::connect(socket_);
  if (!session) return lost(session.error().what);
  session_.emplace(std::move(*session));
  if (auto sent = session_->send_hello(static_cast<std::uint32_t>(workers_)); !sent)
    return lost(sent.error().what);
  loop_.watch(session_->fd(), POLLIN, [this](short) { readable(); });
}

void NetdLink::readable() {
  int fd = session_->fd();
  std::vector<SessionEvent> events = session_->on_readable();
  if (session_->fd() < 0) loop_.forget(fd);
  for (SessionEvent& event : events) std::visit([this](auto& one) { take(one); }, event);
}

// Said once; then tried again quietly until there is a session.
void NetdLink::lost(std::string_view why) {
  if (!said_lost_)
    journal::say(
        journal::Message::netd_lost,
        fmt::format("no clawpatrol-netd: {}\nhint: systemctl status clawpatrol-netd; what it has handed "
                    "over stays in use",
                    why));
  said_lost_ = true;
  while (!reloads_.empty()) answer_reload(gone);
  session_.reset();
  complete_ = false;
  new_listeners_.clear();
  new_dns_.clear();
  new_kept_.clear();
  retry_timer_ = loop_.after(retry, [this] { connect(); });
}

void NetdLink::take(SessionWelcome&) {}

void NetdLink::take(SessionListener& listener) {
  if (listener.worker < workers_) new_listeners_.emplace_back(listener.worker, std::move(listener.fd));
}

void NetdLink::take(SessionDnsSocket& socket) {
  new_dns_.emplace_back(socket.v6 ? Family::v6 : Family::v4, std::move(socket.fd));
}

void NetdLink::take(SessionKeep& keep) {
  new_kept_.push_back(std::move(keep.fd));
}

// The first list of peers ends the greeting: from here on this session's listeners are the ones in use.
void NetdLink::take(SessionPeers& peers) {
  receivers_.peers(std::move(peers.peers));
  if (!complete_) adopt_descriptors();
}

void NetdLink::adopt_descriptors() {
  for (auto& [worker, fd] : new_listeners_) receivers_.listener(worker, std::move(fd));
  for (auto& [family, fd] : new_dns_) receivers_.dns(family, std::move(fd));
  // Only now: with the old link gone, the old listeners get nothing more.
  kept_ = std::move(new_kept_);
  new_listeners_.clear();
  new_dns_.clear();
  new_kept_.clear();
  complete_ = true;
  if (said_lost_) journal::say("clawpatrol-netd is back");
  said_lost_ = false;
}

void NetdLink::take(SessionStatistics& statistics) {
  drops_.clear();
  for (const auto& row : statistics.rows)
    drops_.push_back({row.peer_id, std::string(row.reason_text), row.packets, row.bytes});
}

void NetdLink::take(SessionReloaded& reloaded) {
  if (!reloaded.problem.empty())
    journal::say(journal::Message::netd_reload_failed,
                 fmt::format("clawpatrol-netd {}: {}", reloaded.done ? "has reloaded, but" : "did not reload",
                             reloaded.problem));
  answer_reload(std::move(reloaded.problem));
}

void NetdLink::answer_reload(std::string problem) {
  if (reloads_.empty()) return;
  reloads_.front()->problem = std::move(problem);
  reloads_.front()->answered = true;
  reloads_.pop_front();
}

void NetdLink::take(SessionClosed& closed) {
  lost(closed.why);
}

std::shared_ptr<const NetdAnswer> NetdLink::ask_to_reload() {
  auto answer = std::make_shared<NetdAnswer>();
  reloads_.push_back(answer);
  if (!connected() || !session_->request_reload()) {
    reloads_.pop_back();
    answer->problem = gone;
    answer->answered = true;
  }
  return answer;
}

}  // namespace clawpatrol
