#include "daemon/tls/client_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "daemon/tls/session.h"

namespace clawpatrol::tls {

namespace {

// A key of less than 112 bits of security (RSA of 2,048) is refused anywhere in the chain.
constexpr int security_level = 2;

struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

Error failed(const char* what) {
  return Error{0, std::string(what) + ": " + take_error()};
}

bool add_roots(SSL_CTX* context, std::string_view pem) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (pem.empty()) return X509_STORE_set_default_paths(store) == 1;
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                BIO_free);
  std::size_t added = 0;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    added += X509_STORE_add_cert(store, certificate) == 1;
    X509_free(certificate);
  }
  ERR_clear_error();  // the end of the text is one
  return added > 0;
}

// A key under a passphrase would ask for it on the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Bio reader_of(std::string_view pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

// The first certificate is the client's own.
bool show_identity(SSL_CTX* context, const ClientIdentity& identity) {
  Bio certificates = reader_of(identity.certificates), keys = reader_of(identity.key);
  X509* own = PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr);
  bool ready = own && SSL_CTX_use_certificate(context, own) == 1;
  X509_free(own);
  while (ready) {
    X509* above = PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr);
    if (!above) break;
    ready = SSL_CTX_add1_chain_cert(context, above) == 1;
    X509_free(above);
  }
  if (!ready) return false;
  ERR_clear_error();  // the end of the text is one
  EVP_PKEY* key = PEM_read_bio_PrivateKey(keys.get(), nullptr, no_passphrase, nullptr);
  ready = key && SSL_CTX_use_PrivateKey(context, key) == 1;
  EVP_PKEY_free(key);
  return ready;
}

}  // namespace

std::string take_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "";
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "error " + std::to_string(code);
}

std::expected<std::shared_ptr<const ClientContext>, Error> ClientContext::create(Verify verify,
                                                                                 std::string_view roots,
                                                                                 ClientIdentity identity) {
  std::unique_ptr<SSL_CTX, ContextFree> context(SSL_CTX_new(TLS_client_method()));
  if (!context) return std::unexpected(failed("cannot make a TLS context"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_security_level(context.get(), security_level);
  // A buffer is held while there is something in it, and not by every connection that rests.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context.get(), verify == Verify::nothing ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (verify != Verify::nothing && !add_roots(context.get(), roots))
    return std::unexpected(failed("cannot read the certificates that vouch for a server"));
  if (!identity.certificates.empty() && !show_identity(context.get(), identity))
    return std::unexpected(failed("cannot read the client's certificate and its key"));
  Session::keep_sessions(context.get());
  return std::shared_ptr<const ClientContext>(new ClientContext(context.release(), verify));
}

ClientContext::~ClientContext() {
  SSL_CTX_free(context_);
}

}  // namespace clawpatrol::tls
