// What the two directions of a PostgreSQL connection share. Lives on one ring.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/agent_tls.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "daemon/gateway/postgres/login.h"
#include "daemon/gateway/postgres/session.h"
#include "daemon/gateway/receive_buffer.h"
#include "daemon/gateway/sockets.h"
#include "daemon/gateway/stream.h"
#include "daemon/gateway/upstream_places.h"

namespace clawpatrol::postgres {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, Fd agent, ClaimedFlow claimed);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Task<void> serve();

 private:
  // Up to the first ReadyForQuery. False: the connection is over, and the agent has been told.
  Task<bool> log_in(Deadline deadline);
  Task<std::optional<FirstPacket>> first_packet(
      Deadline deadline);  // its views live until the buffer is consumed
  Task<bool> encrypt_agent(Protocols::Offer alpn, Deadline deadline);
  // These answer with what the agent is to be told where the login ends here.
  Task<std::optional<Denial>> start_up(const Startup& startup, Deadline deadline);
  Task<std::optional<Denial>> authenticate_agent(Deadline deadline);
  Task<std::optional<std::string>> password_message(Deadline deadline);
  Task<std::optional<Denial>> log_in_upstream(const LoginPlan& plan, Deadline deadline);
  tls::Wish wish_for_server() const;
  Task<std::optional<Denial>> encrypt_upstream(Stream& server, Deadline deadline);
  Task<std::optional<Denial>> authenticate(class UpstreamLogin& login, Deadline deadline);
  Task<std::optional<Denial>> welcome(const LoginPlan& plan, const UpstreamLogin& login, Deadline deadline);
  Task<std::optional<Denial>> learn_path(Deadline deadline);
  // A whole message of the server, in its buffer until it is consumed; none: the connection is lost.
  Task<std::optional<Frame>> server_message(FrameStream& frames, Deadline deadline);
  Task<void> serve_cancel(std::uint32_t process, std::string key, Deadline deadline);
  Task<void> refuse(Denial denial, Deadline deadline);  // FATAL
  AuditQueue::Commit record();                          // the judge's lines

  Task<void> relay();  // from then on, to the end
  Task<void> pump_agent();
  Task<void> pump_server();
  Deadline idle_deadline() const;
  Task<bool> forward(std::optional<Clock::time_point> judging_since);  // none: nothing was judged
  Task<void> wait_for_server();
  Task<void> say_farewell();
  void note_outcomes();

  bool analyse_elsewhere(std::string text, const sql::Options& options, Judge::Analysed analysed);
  std::optional<Denial> close_asked() const;  // by whoever may end the flow
  void close_now();
  void cut_server();
  bool rests() const;  // between transactions, and for a while
  static Task<void> leave_when_at_rest(std::shared_ptr<Connection> connection);
  void cancel(std::function<void()> done);
  static Task<void> cancel_upstream(std::shared_ptr<Connection> connection, std::function<void()> done);
  void issue_key(std::size_t secret_size);

  Worker& worker_;
  Stream agent_, server_;
  ClaimedFlow claimed_;
  std::shared_ptr<const Policy> policy_;  // at login: limits
  Judge judge_;
  std::unique_ptr<Session> session_;
  ReceiveBuffer from_agent_, from_server_;
  std::vector<std::string> recording_;  // lines of the batch that is being committed
  std::string sending_;
  Event progress_;                  // the server's side has moved, or ended
  std::uint64_t server_turns_ = 0;  // counts what a session that waits may have waited for
  Clock::time_point moved_;         // when a byte last came, from either side
  bool at_first_byte_ = true;       // of the agent
  bool server_done_ = false;
  bool cut_ = false;  // by us
  bool sending_to_agent_ = false;
  std::size_t cancels_ = 0;
  std::optional<UpstreamPlaces::Place> place_;
  SocketAddress server_address_;
  UpstreamContexts::Context server_context_;  // null: without TLS
  std::string server_name_;                   // that the policy claimed the flow by
  std::uint32_t server_process_ = 0;
  std::string server_key_;
  CancelKeys::Key key_;
};

}  // namespace clawpatrol::postgres
