// An agent's connection of HTTP/2: its requests, each with the exchange that answers it.
#pragma once

#include "daemon/gateway/http/http2_connection.h"
#include "daemon/gateway/http/served_flow.h"

namespace clawpatrol::http {

class Http2AgentConnection final : public Http2Connection, public AgentConnection {
 public:
  // `already_received`: what was read from the stream before it was known to be HTTP/2.
  Http2AgentConnection(Ring& ring, Stream& stream, const PeerAccount& account,
                       std::string_view already_received);
  ~Http2AgentConnection() override;

  struct Arrival {
    // Null: the agent sends no more requests, and failure() may say why.
    std::unique_ptr<AgentExchange> exchange;
    // Why the request is none that may be handed on, a literal; "": it may. Its exchange has an empty head,
    // and can still answer, unless nghttp2 has already broken it off.
    std::string_view malformed;
  };
  // In the order in which they came; after go_away() what has come, and then nothing. An exchange must not
  // outlive the connection.
  Task<std::expected<Arrival, Error>> accept(Deadline deadline);
  void go_away() override;
  void leave() override { go_away(); }  // streams that are open go on

 private:
  friend class Http2AgentExchange;
  void arrived(http2::Event& event) override;
  void ended() override { came_.notify(); }

  struct Waiting {
    http2::StreamId id;
    RequestHead head;
    std::string_view malformed;
  };
  std::deque<Waiting> waiting_;
  bool leaving_ = false;
  Event came_;
};

}  // namespace clawpatrol::http
