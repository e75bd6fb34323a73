// What the gateway's TLS servers have in common: TLS 1.2 and 1.3 with forward secrecy and authenticated
// encryption, no renegotiation, no compression, no early data. Session tickets are sealed with keys of this
// process; which of them a session takes is its own affair (Session::server).
#pragma once

#include <expected>
#include <memory>

#include "daemon/ring/error.h"

struct ssl_ctx_st;

namespace clawpatrol::tls {

// Immutable once made; shared by the sessions of any thread.
class ServerContext {
 public:
  static std::expected<std::shared_ptr<const ServerContext>, Error> create();
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  ssl_ctx_st* get() const { return context_; }

 private:
  explicit ServerContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

}  // namespace clawpatrol::tls
