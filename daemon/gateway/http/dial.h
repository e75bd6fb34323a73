// From a judged request to a connection that it may be sent on.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/http/pool.h"
#include "daemon/gateway/http/served_flow.h"
#include "daemon/gateway/http/upstream_use.h"

namespace clawpatrol::http {

struct DialFailure {
  int status = 502;
  std::string_view type = "unreachable";
  std::string_view told;  // to the agent, a literal
  std::string why;        // for an operator
};

enum class Reuse : std::uint8_t { may_be_used, only_new };

// What the connection is for: the endpoint is of `policy`.
struct Destination {
  // The exchange's, notified when it is not wanted any more: then `unwanted` is true.
  Event& changed;
  const bool& unwanted;

  std::shared_ptr<const Policy> policy;
  const EndpointConfig& endpoint;
  const DestFacets& dest;
  PoolKey key;
  Speaks speaks;
  // Whom the gateway is to the server; null: nobody, as far as TLS is concerned.
  const CredentialConfig* client = nullptr;
  std::shared_ptr<const credentials::Value> certificate = {};  // of `client`
};

using Dialled = std::expected<UpstreamUse, DialFailure>;
// Where the peer has no place left at the endpoint, waits for one, for `limits.upstream_wait`.
Task<Dialled> dial(ServedFlow& flow, const Destination& to, Reuse reuse);

// Without TLS, whatever else is configured.
bool is_clear_text(const EndpointConfig& endpoint);
std::uint16_t scheme_port(const EndpointConfig& endpoint);  // that a Host need not name

}  // namespace clawpatrol::http
