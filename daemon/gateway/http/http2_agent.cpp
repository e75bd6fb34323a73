#include "daemon/gateway/http/http2_agent.h"

#include <utility>

namespace clawpatrol::http {

// What has been broken off by the agent still costs until its exchange has ended; so exchanges count, not
// streams.
class Http2AgentExchange final : public AgentExchange {
 public:
  Http2AgentExchange(Http2AgentConnection& connection, http2::StreamId id, RequestHead head)
      : connection_(connection), id_(id), head_(std::move(head)) {}
  ~Http2AgentExchange() override {
    if (!connection_.session_.is_finished(id_)) connection_.session_.break_off(id_, NGHTTP2_INTERNAL_ERROR);
    connection_.let_go(id_);
  }

  const RequestHead& head() const override { return head_; }
  Task<std::expected<BodyPart, Error>> read(Deadline deadline) override {
    return connection_.read(id_, deadline);
  }
  // No window holds heads back: who does not read those below 200 is sent no more of them.
  Task<std::expected<void, Error>> send_head(const ResponseHead& head, Deadline deadline) override {
    if (connection_.lost_ || !connection_.session_.is_open(id_))
      co_return std::unexpected(connection_.why_closed(connection_.places_.find(id_)->second));
    connection_.session_.respond(id_, head);
    connection_.wake_writer();
    if (head.status < 200)
      co_return co_await connection_.wait_sent(id_, Http2Connection::most_unsent, deadline);
    co_return std::expected<void, Error>{};
  }
  Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) override {
    return connection_.send(id_, bytes, deadline);
  }
  Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) override {
    return connection_.finish(id_, trailers, deadline);
  }
  void break_off() override { connection_.break_off_answer(id_); }
  bool refuse() override {
    connection_.break_off(id_, NGHTTP2_REFUSED_STREAM);
    return true;
  }
  // Which may have been before anybody accepted it.
  void on_broken_off(std::function<void()> told) override {
    Http2Connection::Place& place = connection_.places_.find(id_)->second;
    place.broken_off = std::move(told);
    if (place.broken_off && connection_.is_broken_off(place)) place.broken_off();
  }

 private:
  Http2AgentConnection& connection_;
  http2::StreamId id_;
  RequestHead head_;
};

Http2AgentConnection::Http2AgentConnection(Ring& ring, Stream& stream, const PeerAccount& account,
                                           std::string_view already_received)
    : Http2Connection(ring, stream, http2::Role::server, account), came_(ring) {
  begin(already_received);
}

// The requests that nobody has accepted.
Http2AgentConnection::~Http2AgentConnection() = default;

void Http2AgentConnection::arrived(http2::Event& event) {
  Waiting waiting;
  if (auto* came = std::get_if<http2::RequestCame>(&event))
    waiting = {came->stream, std::move(came->head), {}};
  else if (auto* refused = std::get_if<http2::RequestRefused>(&event))
    waiting = {refused->stream, {}, refused->why};
  else
    return;
  if (exchanges() >= http2::Limits{}.streams) return session_.break_off(waiting.id, NGHTTP2_REFUSED_STREAM);
  place_for(waiting.id);
  waiting_.push_back(std::move(waiting));
  came_.notify();
}

void Http2AgentConnection::go_away() {
  leaving_ = true;
  Http2Connection::go_away();
  came_.notify();
}

Task<std::expected<Http2AgentConnection::Arrival, Error>> Http2AgentConnection::accept(Deadline deadline) {
  while (waiting_.empty()) {
    if (is_lost() || leaving_) co_return Arrival{};
    if (!co_await came_.wait(deadline))
      co_return std::unexpected(os_error(ETIMEDOUT, "waiting for a request of HTTP/2"));
  }
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  co_return Arrival{std::make_unique<Http2AgentExchange>(*this, next.id, std::move(next.head)),
                    next.malformed};
}

}  // namespace clawpatrol::http
