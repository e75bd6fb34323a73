#include "daemon/tls/server_context.h"

#include <openssl/ssl.h>

#include "daemon/tls/client_context.h"
#include "daemon/tls/session.h"

namespace clawpatrol::tls {

namespace {

constexpr long ticket_time_s = 2 * 60 * 60;
constexpr const char* groups = "X25519:P-256:P-384";
constexpr const char* tls12_suites = "ECDHE+AESGCM:ECDHE+CHACHA20";

}  // namespace

std::expected<std::shared_ptr<const ServerContext>, Error> ServerContext::create() {
  std::shared_ptr<const ServerContext> made(new ServerContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = made->get();
  if (!context) return std::unexpected(Error{0, "cannot make a TLS context: " + take_error()});
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Tickets alone: nothing is kept here for a client that goes away.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, ticket_time_s);
  SSL_CTX_set_num_tickets(context, 1);
  if (SSL_CTX_set_max_early_data(context, 0) != 1 || SSL_CTX_set_cipher_list(context, tls12_suites) != 1 ||
      SSL_CTX_set1_groups_list(context, groups) != 1)
    return std::unexpected(Error{0, "cannot set up a TLS context: " + take_error()});
  Session::answer_clients(context);
  return made;
}

ServerContext::~ServerContext() {
  SSL_CTX_free(context_);
}

}  // namespace clawpatrol::tls
