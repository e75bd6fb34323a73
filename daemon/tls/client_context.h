// What the gateway demands of a server that it speaks TLS with. TLS 1.2 and 1.3 (RFC 5246, RFC 8446), no
// renegotiation, no compression, keys of at least 112 bits of security; a name counts only as a subject
// alternative name (RFC 9525), never as the common name.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/ring/error.h"

struct ssl_ctx_st;

namespace clawpatrol::tls {

enum class Verify : std::uint8_t {
  full,     // the chain and the name
  chain,    // the chain alone
  nothing,  // encryption against who only listens
};

// In PEM: the client's own certificate before those that vouch for it, and its key. Empty: none.
struct ClientIdentity {
  std::string_view certificates{}, key{};
};

// Immutable once made; shared by the sessions of any thread.
class ClientContext {
 public:
  // `roots`: certificates in PEM that vouch for the server; empty: the system's. `identity`: how the client
  // proves who it is, where it is asked.
  static std::expected<std::shared_ptr<const ClientContext>, Error> create(Verify verify,
                                                                           std::string_view roots,
                                                                           ClientIdentity identity = {});
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  Verify verify() const { return verify_; }
  ssl_ctx_st* get() const { return context_; }

 private:
  ClientContext(ssl_ctx_st* context, Verify verify) : context_(context), verify_(verify) {}
  ssl_ctx_st* context_;
  Verify verify_;
};

// The oldest of OpenSSL's errors on this thread, which are then forgotten; "" where there is none.
std::string take_error();

}  // namespace clawpatrol::tls
