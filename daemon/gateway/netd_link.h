// The session with clawpatrol-netd, kept alive: what it hands over goes to the workers, and when it dies it
// is looked for again while everything that it has handed over stays in use.
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/control/loop.h"
#include "daemon/gateway/commands.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/netd_session.h"

namespace clawpatrol {

// Of the control thread.
class NetdLink {
 public:
  struct Receivers {
    std::function<void(std::size_t worker, Fd)> listener;
    std::function<void(Family, Fd)> dns;
    std::function<void(std::vector<Peer>)> peers;
    std::function<void(const SessionOperated&)> operated;
  };
  static constexpr std::chrono::milliseconds retry{100};
  static constexpr std::chrono::seconds statistics_period{1};

  NetdLink(control::Loop& loop, std::filesystem::path socket, std::size_t workers, Receivers receivers);
  ~NetdLink();
  NetdLink(const NetdLink&) = delete;
  NetdLink& operator=(const NetdLink&) = delete;

  void start();
  // This session has handed over its listeners and its peers.
  bool connected() const { return session_.has_value() && complete_; }
  const std::vector<DropCount>& drops() const { return drops_; }
  // The answer comes, and so do the peers before it, when netd has followed, or is gone.
  std::shared_ptr<const NetdAnswer> ask_to_reload();

 private:
  void connect();
  void readable();
  void lost(std::string_view why);
  void take(SessionWelcome& welcome);
  void take(SessionListener& listener);
  void take(SessionDnsSocket& socket);
  void take(SessionKeep& keep);
  void take(SessionPeers& peers);
  void take(SessionStatistics& statistics);
  void take(SessionReloaded& reloaded);
  void take(SessionOperated& operated) { receivers_.operated(operated); }
  void take(SessionClosed& closed);
  void adopt_descriptors();
  void answer_reload(std::string problem);

  control::Loop& loop_;
  std::filesystem::path socket_;
  std::size_t workers_;
  Receivers receivers_;
  std::optional<NetdSession> session_;
  bool complete_ = false;
  bool said_lost_ = false;
  // Of the session that is beginning; the older session's stay until these are all here.
  std::vector<std::pair<std::size_t, Fd>> new_listeners_;
  std::vector<std::pair<Family, Fd>> new_dns_;
  std::vector<Fd> new_kept_;
  std::vector<Fd> kept_;  // links, programs and maps: steering lives while we hold them
  std::vector<DropCount> drops_;
  std::deque<std::shared_ptr<NetdAnswer>> reloads_;  // asked and not answered, in order
  control::Loop::TimerId retry_timer_ = 0;
  control::Loop::TimerId statistics_timer_ = 0;
};

}  // namespace clawpatrol
