// A connection of ours to a server that speaks HTTP/2, for many exchanges at a time.
#pragma once

#include "daemon/gateway/http/http2_connection.h"

namespace clawpatrol::http {

class Http2Upstream final : public Http2Connection {
 public:
  Http2Upstream(Ring& ring, std::unique_ptr<Stream> stream, const PeerAccount& account);
  ~Http2Upstream() override;

  // Whether one more exchange may begin: the server takes more streams, and has not said that it goes away.
  bool takes_requests() const { return !is_lost() && session_.takes_requests(); }
  // Its send_head() fails with not_processed where the connection takes no more after all. A request that
  // asks for an upgrade cannot go over HTTP/2.
  std::unique_ptr<UpstreamExchange> open();

 private:
  friend class Http2UpstreamExchange;
  void arrived(http2::Event&) override {}
  void ended() override {}

  std::unique_ptr<Stream> owned_;
};

}  // namespace clawpatrol::http
