// A connection to a server as one exchange uses it, whichever version of HTTP it speaks.
#pragma once

#include <memory>
#include <string>

#include "daemon/gateway/http/http1_upstream.h"
#include "daemon/gateway/http/pool.h"
#include "daemon/gateway/upstream_places.h"

namespace clawpatrol::http {

// Which version a server is to speak, as it suits the agent.
enum class Speaks : std::uint8_t {
  http1,         // nothing else will do: an upgrade, clear text
  http1_rather,  // HTTP/2 with a server that takes nothing else
  http2_rather,
  http2,  // clear text, where the agent knows that the server does
};

class UpstreamUse {
 public:
  // Of HTTP/1.1: all of the connection, and the peer's place at the endpoint.
  UpstreamUse(std::unique_ptr<Http1Upstream> connection, UpstreamPlaces::Place place);
  // Of HTTP/2: a share in one that others use too, and that outlives this.
  UpstreamUse(std::unique_ptr<UpstreamExchange> exchange, std::string address);

  UpstreamExchange& exchange() { return http1_ ? http1_->exchange() : *http2_; }
  bool is_whole() const { return http1_ != nullptr; }
  const std::string& address() const { return http1_ ? http1_->address() : address_; }

  // Where no head of a response could be read: whether the request, of which no body was sent, may be sent on
  // a new connection. The server has not looked at it, or may have ended an idle connection as it came.
  bool may_be_sent_again(const RequestHead& head, const Error& error) const;
  // The exchange is over: where another may follow, it may be anybody's with the same key.
  void give_back(UpstreamPool& pool, const PoolKey& key);

 private:
  std::unique_ptr<Http1Upstream> http1_;
  std::optional<UpstreamPlaces::Place> place_;
  std::unique_ptr<UpstreamExchange> http2_;
  std::string address_;
};

}  // namespace clawpatrol::http
