// A server that has changed to another protocol, without the secret that it was given: what it says is
// overwritten byte for byte, so that frames keep their lengths.
#pragma once

#include <memory>
#include <optional>

#include "daemon/credentials/http/scrub.h"
#include "daemon/gateway/http/exchange.h"

namespace clawpatrol::http {

class CleanUpstream final : public UpstreamExchange {
 public:
  // `patterns` may be null: nothing is looked for. `server` must outlive this.
  CleanUpstream(UpstreamExchange& server, const std::shared_ptr<const credentials::Patterns>& patterns)
      : server_(server) {
    if (patterns) scrubber_.emplace(patterns);
  }

  Task<std::expected<void, Error>> send_head(const RequestHead& head, Deadline deadline) override {
    return server_.send_head(head, deadline);
  }
  Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) override {
    return server_.send(bytes, deadline);
  }
  Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) override {
    return server_.finish(trailers, deadline);
  }
  Task<std::expected<ResponseHead, Error>> read_head(Deadline deadline) override {
    return server_.read_head(deadline);
  }
  Task<std::expected<BodyPart, Error>> read(Deadline deadline) override;
  void break_off() override { server_.break_off(); }

 private:
  UpstreamExchange& server_;
  std::optional<credentials::Scrubber> scrubber_;
  std::string text_;
};

}  // namespace clawpatrol::http
