#include "daemon/gateway/http/http2_upstream.h"

#include <utility>

#include "daemon/credentials/wiped_frees.h"

namespace clawpatrol::http {

class Http2UpstreamExchange final : public UpstreamExchange {
 public:
  explicit Http2UpstreamExchange(Http2Upstream& connection) : connection_(connection) {}
  ~Http2UpstreamExchange() override {
    if (!id_) return;
    connection_.session_.break_off(*id_, NGHTTP2_CANCEL);  // unless it is over
    connection_.let_go(*id_);
  }

  Task<std::expected<void, Error>> send_head(const RequestHead& head, Deadline) override {
    if (broken_off_ || !connection_.takes_requests() || !head.upgrade.empty())
      co_return std::unexpected(not_sent());
    {
      const credentials::WipedFrees wiped;
      id_ = connection_.session_.request(head);
    }
    if (!id_) co_return std::unexpected(not_sent());
    connection_.place_for(*id_);
    connection_.wake_writer();
    co_return std::expected<void, Error>{};
  }
  Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) override {
    if (!id_) co_return std::unexpected(not_sent());
    co_return co_await connection_.send(*id_, bytes, deadline);
  }
  Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) override {
    if (!id_) co_return std::unexpected(not_sent());
    co_return co_await connection_.finish(*id_, trailers, deadline);
  }
  Task<std::expected<ResponseHead, Error>> read_head(Deadline deadline) override {
    if (!id_) co_return std::unexpected(not_sent());
    Http2Connection::Place& place = connection_.places_.find(*id_)->second;
    while (place.heads.empty()) {
      if (connection_.lost_ || place.closed) co_return std::unexpected(connection_.why_closed(place));
      if (!co_await place.changed.wait(deadline))
        co_return std::unexpected(os_error(ETIMEDOUT, "waiting for a response of HTTP/2"));
    }
    co_return connection_.take_head(place);
  }
  Task<std::expected<BodyPart, Error>> read(Deadline deadline) override {
    if (!id_) co_return std::unexpected(not_sent());
    co_return co_await connection_.read(*id_, deadline);
  }
  void break_off() override {
    broken_off_ = true;
    if (id_) connection_.break_off(*id_, NGHTTP2_CANCEL);
  }

 private:
  static Error not_sent() { return {not_processed, "HTTP/2 connection takes no more requests"}; }

  Http2Upstream& connection_;
  std::optional<http2::StreamId> id_;
  bool broken_off_ = false;
};

Http2Upstream::Http2Upstream(Ring& ring, std::unique_ptr<Stream> stream, const PeerAccount& account)
    : Http2Connection(ring, *stream, http2::Role::client, account), owned_(std::move(stream)) {
  begin({});
}

Http2Upstream::~Http2Upstream() = default;

std::unique_ptr<UpstreamExchange> Http2Upstream::open() {
  return std::make_unique<Http2UpstreamExchange>(*this);
}

}  // namespace clawpatrol::http
