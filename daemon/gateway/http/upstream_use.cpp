#include "daemon/gateway/http/upstream_use.h"

#include <algorithm>
#include <array>

namespace clawpatrol::http {
namespace {

bool is_idempotent(std::string_view method) {
  constexpr std::array<std::string_view, 5> methods = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
  return std::ranges::find(methods, method) != methods.end();
}

}  // namespace

UpstreamUse::UpstreamUse(std::unique_ptr<Http1Upstream> connection, UpstreamPlaces::Place place)
    : http1_(std::move(connection)), place_(std::move(place)) {}

UpstreamUse::UpstreamUse(std::unique_ptr<UpstreamExchange> exchange, std::string address)
    : http2_(std::move(exchange)), address_(std::move(address)) {}

bool UpstreamUse::may_be_sent_again(const RequestHead& head, const Error& error) const {
  if (head.has_body) return false;
  if (http2_) return error.code == not_processed;
  return error.code != ETIMEDOUT && http1_->was_used() && !http1_->has_answered() &&
         is_idempotent(head.method);
}

void UpstreamUse::give_back(UpstreamPool& pool, const PoolKey& key) {
  if (http1_) pool.put(key, std::move(http1_));
}

}  // namespace clawpatrol::http
