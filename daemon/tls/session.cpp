#include "daemon/tls/session.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

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

// RFC 7301, 3.1: each name behind its length.
std::string wire_form(const std::vector<std::string>& protocols) {
  std::string out;
  for (const std::string& protocol : protocols) {
    out.push_back(static_cast<char>(protocol.size()));
    out += protocol;
  }
  return out;
}

// So that an error of another connection is not taken for one of this.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

Session& session_of(const SSL* ssl) {
  return *static_cast<Session*>(SSL_get_app_data(ssl));
}

// As our own parser reads names.
std::string folded(const char* name) {
  std::string out = name ? name : "";
  if (out.ends_with('.')) out.pop_back();
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

}  // namespace

// ---- both sides

// Between OpenSSL and the two texts: what is not here yet is asked for again.
const BIO_METHOD* Session::wires() {
  static const BIO_METHOD* made = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "clawpatrol session");
    if (!method) std::abort();  // for want of memory only
    BIO_meth_set_read_ex(method, [](BIO* bio, char* space, std::size_t size, std::size_t* count) {
      Session& session = *static_cast<Session*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      *count = session.take_received({space, size});
      if (*count > 0) return 1;
      if (!session.updates_keys_too_often()) BIO_set_retry_read(bio);
      return 0;
    });
    BIO_meth_set_write_ex(method, [](BIO* bio, const char* bytes, std::size_t size, std::size_t* count) {
      static_cast<Session*>(BIO_get_data(bio))->outgoing_.append(bytes, size);
      *count = size;
      return 1;
    });
    BIO_meth_set_ctrl(method, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP;
    });
    return method;
  }();
  return made;
}

std::size_t Session::take_received(std::span<char> space) {
  if (updates_keys_too_often()) return 0;
  if (incoming_.empty()) {
    const std::size_t count = came_.copy(space.data(), space.size());
    came_.remove_prefix(count);
    taken_ += count;
    return count;
  }
  const std::size_t count = incoming_.copy(space.data(), space.size(), read_);
  taken_ += count;
  read_ += count;
  if (read_ == incoming_.size()) {
    std::string().swap(incoming_);
    read_ = 0;
  }
  return count;
}

// Each costs us as much as thousands of bytes, and its sender next to nothing (RFC 8446, 4.6.3); who needs
// one has sent gigabytes since the last.
bool Session::updates_keys_too_often() const {
  constexpr std::uint64_t free_of_charge = 32, one_in = 64 << 10;  // bytes
  return key_updates_ > free_of_charge + taken_ / one_in;
}

void Session::note_message(int sent, int, int type, const void* bytes, std::size_t size, ssl_st* ssl, void*) {
  if (sent || type != SSL3_RT_HANDSHAKE || size == 0) return;
  if (*static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) ++session_of(ssl).key_updates_;
}

Session::Session(ssl_st* ssl) : ssl_(ssl) {
  BIO* wire = ssl ? BIO_new(wires()) : nullptr;
  if (!wire) std::abort();  // for want of memory only
  BIO_set_data(wire, this);
  BIO_set_init(wire, 1);
  SSL_set_bio(ssl_, wire, wire);
  SSL_set_app_data(ssl_, this);
  SSL_set_msg_callback(ssl_, note_message);
}

// ---- a client

std::unique_ptr<Session> Session::client(const ClientContext& context, Wish wish) {
  std::unique_ptr<Session> session(new Session(SSL_new(context.get())));
  SSL_set_verify(session->ssl_, SSL_get_verify_mode(session->ssl_), note_refused);
  SSL_set_connect_state(session->ssl_);
  session->wish_ = std::move(wish);
  // A name that cannot be expected is one that no server can prove.
  if (!session->want(context))
    session->failure_ = "the server's name cannot be checked: '" + session->wish_.name + "'";
  return session;
}

bool Session::want(const ClientContext& context) {
  const std::string& name = wish_.name;
  if (context.verify() == Verify::full && !expect_name(ssl_, name)) return false;
  // RFC 6066: no addresses in SNI.
  if (!Address::parse(name) && SSL_set_tlsext_host_name(ssl_, name.c_str()) != 1) return false;
  const std::string protocols = wire_form(wish_.protocols);
  // Returns 0 where it succeeds.
  if (!protocols.empty() &&
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size())) != 0)
    return false;
  if (!wish_.sessions) return true;
  KeptSession kept = wish_.sessions->take(wish_.session_key);
  return !kept || SSL_set_session(ssl_, kept.get()) == 1;
}

void Session::keep_sessions(ssl_ctx_st* context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_session);
}

// A copy: OpenSSL spoils its own where a connection ends without close_notify, which no version since TLS 1.1
// asks for.
int Session::on_session(ssl_st* ssl, ssl_session_st* session) {
  Session& self = session_of(ssl);
  if (!self.wish_.sessions || !SSL_SESSION_is_resumable(session)) return 0;
  if (KeptSession copy{SSL_SESSION_dup(session)})
    self.wish_.sessions->keep(self.wish_.session_key, std::move(copy));
  return 0;
}

// Called for each certificate of the chain. Whatever it notes, what was refused stays refused.
int Session::note_refused(int accepted, x509_store_ctx_st* chain) {
  if (accepted) return accepted;
  void* ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
  session_of(static_cast<SSL*>(ssl)).refused_ = subject_of(chain);
  return 0;
}

// ---- a server

std::unique_ptr<Session> Session::server(const ServerContext& context, Serving serving) {
  std::unique_ptr<Session> session(new Session(SSL_new(context.get())));
  SSL* ssl = session->ssl_;
  SSL_set_accept_state(ssl);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> bound;
  SHA256(reinterpret_cast<const unsigned char*>(serving.bound_to.data()), serving.bound_to.size(),
         bound.data());
  const bool ready = SSL_set_session_id_context(ssl, bound.data(), bound.size()) == 1 &&
                     SSL_use_certificate(ssl, serving.leaf->certificate.get()) == 1 &&
                     SSL_use_PrivateKey(ssl, serving.leaf->key->get()) == 1;
  if (!ready) session->failure_ = "the certificate cannot be used: " + take_error();
  session->serving_ = std::move(serving);
  return session;
}

void Session::answer_clients(ssl_ctx_st* context) {
  SSL_CTX_set_tlsext_servername_callback(context, on_name);
  SSL_CTX_set_alpn_select_cb(context, on_protocols, nullptr);
}

int Session::on_name(ssl_st* ssl, int* alert, void*) {
  const Session& self = session_of(ssl);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (folded(name) != self.serving_.name) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int Session::on_protocols(ssl_st* ssl, const unsigned char** chosen, unsigned char* size,
                          const unsigned char* offered, unsigned offered_size, void*) {
  const std::string& protocol = session_of(ssl).serving_.protocol;
  const std::string_view list(reinterpret_cast<const char*>(offered), offered_size);
  for (std::size_t at = 0; at < list.size() && !protocol.empty();) {
    const auto length = static_cast<unsigned char>(list[at]);
    if (list.substr(at + 1, length) == protocol) {
      *chosen = offered + at + 1;
      *size = length;
      return SSL_TLSEXT_ERR_OK;
    }
    at += 1 + std::size_t{length};
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// That a handshake that is done is the one that our parser saw begin.
bool Session::agrees() {
  if (!serving_.leaf) return true;
  if (folded(SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name)) == serving_.name &&
      protocol() == serving_.protocol)
    return true;
  failure_ = "TLS failed: the client named something else in its second message";
  return false;
}

// ---- both sides

Session::~Session() {
  SSL_free(ssl_);
}

Session::Result Session::handshake() {
  if (!failure_.empty()) return Result::failed;
  forget_errors();
  const Result result = result_of(SSL_do_handshake(ssl_));
  if (result == Result::done && !agrees()) return Result::failed;
  return result;
}

Session::Result Session::read(std::span<char> space, std::size_t& count) {
  if (!failure_.empty()) return Result::failed;
  forget_errors();
  return result_of(SSL_read_ex(ssl_, space.data(), space.size(), &count));
}

Session::Result Session::read_of(std::string_view encrypted, std::span<char> space, std::size_t& count) {
  came_ = encrypted;
  const Result result = read(space, count);
  incoming_.append(std::exchange(came_, {}));
  return result;
}

bool Session::rests() const {
  return failure_.empty() && !has_unread() && (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) == 0;
}

bool Session::has_unread() const {
  return read_ < incoming_.size() || SSL_has_pending(ssl_) == 1;
}

Session::Result Session::write(std::string_view plain) {
  if (!failure_.empty()) return Result::failed;
  if (plain.empty()) return Result::done;
  std::size_t written = 0;
  forget_errors();
  return result_of(SSL_write_ex(ssl_, plain.data(), plain.size(), &written));
}

void Session::close() {
  if (!failure_.empty() || !SSL_is_init_finished(ssl_)) return;
  SSL_shutdown(ssl_);
  forget_errors();
}

bool Session::ends_by_halves() const {
  return SSL_version(ssl_) >= TLS1_3_VERSION;
}

void Session::knock() {
  if (!failure_.empty() || !serving_.leaf || !ends_by_halves()) return;
  if (SSL_new_session_ticket(ssl_) == 1) SSL_do_handshake(ssl_);
  forget_errors();
}

void Session::take_to_send(std::string& encrypted) {
  if (encrypted.empty())
    encrypted.swap(outgoing_);
  else
    encrypted += outgoing_;
  std::string().swap(outgoing_);
}

std::string Session::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool Session::resumed() const {
  return SSL_session_reused(ssl_) == 1;
}

// RFC 5929, 4.1: with the hash of the certificate's signature, where that is not too weak for it.
std::string Session::end_point() const {
  const X509* certificate =
      serving_.leaf ? serving_.leaf->certificate.get() : SSL_get0_peer_certificate(ssl_);
  int hash = NID_undef;
  if (!certificate ||
      X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr, nullptr, nullptr) != 1)
    return "";
  const EVP_MD* digest = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!digest || X509_digest(certificate, digest, bytes, &size) != 1) return "";
  return {reinterpret_cast<const char*>(bytes), size};
}

std::optional<std::int64_t> Session::server_ends_unix() const {
  const X509* certificate = serving_.leaf ? nullptr : SSL_get0_peer_certificate(ssl_);
  std::tm parts{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return std::nullopt;
  return ::timegm(&parts);
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
  if (updates_keys_too_often()) return "TLS failed: the other side changes its keys without end";
  const long verified = SSL_get_verify_result(ssl_);
  std::string why = take_error();
  const bool checks = SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE;
  if (serving_.leaf || !checks || SSL_is_init_finished(ssl_) || verified == X509_V_OK)
    return "TLS failed: " + (why.empty() ? "the connection ended" : why);
  return std::string("the server's certificate is refused: ") + X509_verify_cert_error_string(verified) +
         refused_;
}

}  // namespace clawpatrol::tls
