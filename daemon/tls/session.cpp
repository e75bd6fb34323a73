#include "daemon/tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>

#include "policy/address.h"

namespace clawpatrol::tls {

namespace {

// As RFC 2253 writes it, cut: a certificate may say anything.
std::string text_of(const X509_NAME* name) {
  std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  constexpr std::size_t longest = 200;
  return {text, std::min(static_cast<std::size_t>(size), longest)};
}

// The name that the certificate must be for. One in the common name does not count (RFC 9525, 6.4).
bool expect_name(SSL* ssl, const std::string& name) {
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (Address::parse(name)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  return SSL_set1_host(ssl, name.c_str()) == 1;
}

// Of the chain, the certificate that is refused: afterwards nobody knows it any more.
std::string subject_of(X509_STORE_CTX* chain) {
  const X509* certificate = X509_STORE_CTX_get_current_cert(chain);
  if (!certificate) return "";
  return " (" + text_of(X509_get_subject_name(certificate)) + ", issued by " +
         text_of(X509_get_issuer_name(certificate)) + ")";
}

}  // namespace

std::unique_ptr<Session> Session::client(const ClientContext& context, const std::string& name) {
  SSL* ssl = SSL_new(context.get());
  if (!ssl) std::abort();  // for want of memory only
  std::unique_ptr<Session> session(new Session(ssl));
  SSL_set_connect_state(ssl);
  bool ready = context.verify() != Verify::full || expect_name(ssl, name);
  // RFC 6066: no addresses in SNI.
  if (!Address::parse(name)) ready = ready && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  // A name that cannot be expected is one that no server can prove.
  if (!ready) session->failure_ = "the server's name cannot be checked: '" + name + "'";
  return session;
}

Session::Session(ssl_st* ssl) : ssl_(ssl) {
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (!in || !out) std::abort();  // for want of memory only
  SSL_set_bio(ssl_, in, out);
  SSL_set_app_data(ssl_, this);
  SSL_set_verify(ssl_, SSL_get_verify_mode(ssl_), note_refused);
}

// Called for each certificate of the chain. Whatever it notes, what was refused stays refused.
int Session::note_refused(int accepted, x509_store_ctx_st* chain) {
  if (accepted) return accepted;
  void* ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
  auto* session = static_cast<Session*>(SSL_get_app_data(static_cast<SSL*>(ssl)));
  session->refused_ = subject_of(chain);
  return 0;
}

Session::~Session() {
  SSL_free(ssl_);
}

Session::Result Session::handshake() {
  if (!failure_.empty()) return Result::failed;
  ERR_clear_error();
  return result_of(SSL_do_handshake(ssl_));
}

Session::Result Session::read(std::span<char> space, std::size_t& count) {
  if (!failure_.empty()) return Result::failed;
  ERR_clear_error();
  return result_of(SSL_read_ex(ssl_, space.data(), space.size(), &count));
}

Session::Result Session::write(std::string_view plain) {
  if (!failure_.empty()) return Result::failed;
  if (plain.empty()) return Result::done;
  std::size_t written = 0;
  ERR_clear_error();
  return result_of(SSL_write_ex(ssl_, plain.data(), plain.size(), &written));
}

void Session::close() {
  if (!failure_.empty() || !SSL_is_init_finished(ssl_)) return;
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

void Session::received(std::string_view encrypted) {
  const int taken = BIO_write(SSL_get_rbio(ssl_), encrypted.data(), static_cast<int>(encrypted.size()));
  if (taken != static_cast<int>(encrypted.size())) std::abort();  // for want of memory only
}

void Session::take_to_send(std::string& encrypted) {
  char* bytes = nullptr;
  BIO* out = SSL_get_wbio(ssl_);
  const long size = BIO_get_mem_data(out, &bytes);
  if (size > 0) encrypted.append(bytes, static_cast<std::size_t>(size));
  (void)BIO_reset(out);
}

std::size_t Session::to_send() const {
  return BIO_ctrl_pending(SSL_get_wbio(ssl_));
}

Session::Result Session::result_of(int returned) {
  if (returned == 1) return Result::done;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return Result::needs_bytes;
    case SSL_ERROR_ZERO_RETURN: return Result::closed;
    default: failure_ = describe_failure(); return Result::failed;
  }
}

std::string Session::describe_failure() const {
  const long verified = SSL_get_verify_result(ssl_);
  std::string why = take_error();
  const bool checks = SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE;
  if (!checks || SSL_is_init_finished(ssl_) || verified == X509_V_OK)
    return "TLS failed: " + (why.empty() ? "the connection ended" : why);
  return std::string("the server's certificate is refused: ") + X509_verify_cert_error_string(verified) +
         refused_;
}

}  // namespace clawpatrol::tls
