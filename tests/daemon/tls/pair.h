// A client of OpenSSL's own before the gateway's side of TLS, without sockets.
#pragma once

#include <openssl/rand.h>

#include <functional>
#include <string>
#include <vector>

#include "daemon/tls/authority.h"
#include "daemon/tls/session.h"
#include "tests/daemon/tls/authority.h"

namespace clawpatrol::tls {

inline std::int64_t now() {
  return std::time(nullptr);
}

// The client that a test drives by hand.
class Client : public End {
 public:
  explicit Client(const std::string& roots) : End(TLS_client_method()) {
    SSL_CTX* context = context_.get();
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
      static_cast<Client*>(SSL_get_app_data(ssl))->session.reset(SSL_SESSION_dup(session));
      return 0;
    });
    std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(roots.data(), static_cast<int>(roots.size())), BIO_free);
    TestCertificate root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get());
  }
  SSL_CTX* context() { return context_.get(); }
  // A connection; the one before is forgotten, its session is not.
  SSL* begin(const std::string& name, const std::string& protocols = "") {
    begin_anew();
    SSL_set_app_data(ssl(), this);
    SSL_set_connect_state(ssl());
    if (!name.empty()) {
      SSL_set_tlsext_host_name(ssl(), name.c_str());
      SSL_set1_host(ssl(), name.c_str());
    }
    if (!protocols.empty())
      SSL_set_alpn_protos(ssl(), reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
    if (session) SSL_set_session(ssl(), session.get());
    return ssl();
  }

  KeptSession session;  // the last that a server has given
};

// A client that hides the name that it wants (RFC 9849), and says in the clear, as its server name, that of
// whoever is to uncover it: only the holder of a key can tell its ClientHello from this one.
class HiddenName {
 public:
  // Before its first connection; outlives it.
  explicit HiddenName(Client& client) {
    // encrypted_client_hello of type outer (0): HKDF-SHA256, AES-128-GCM, config_id, enc<2>, payload<2>.
    extension_ = std::string("\0\0\1\0\1\x2a\0\x20", 8) + drawn(32) + std::string("\0\xd0", 2) + drawn(208);
    REQUIRE(
        SSL_CTX_add_custom_ext(
            client.context(), 0xfe0d,
            SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS | SSL_EXT_TLS1_3_HELLO_RETRY_REQUEST,
            [](SSL*, unsigned, unsigned, const unsigned char** out, std::size_t* size, X509*, std::size_t,
               int*, void* state) {
              auto& self = *static_cast<HiddenName*>(state);
              ++self.offered;
              *out = reinterpret_cast<const unsigned char*>(self.extension_.data());
              *size = self.extension_.size();
              return 1;
            },
            nullptr, this,
            [](SSL*, unsigned, unsigned, const unsigned char*, std::size_t, X509*, std::size_t, int*,
               void* state) {
              ++static_cast<HiddenName*>(state)->answered;
              return 1;
            },
            this) == 1);
  }
  int offered = 0, answered = 0;

 private:
  static std::string drawn(std::size_t size) {
    std::string bytes(size, '\0');
    REQUIRE(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) == 1);
    return bytes;
  }
  std::string extension_;
};

inline Authority& test_authority() {
  static const std::unique_ptr<Authority> made = *Authority::open(*make_authority(now()));
  return *made;
}

inline std::shared_ptr<const ServerContext> test_context() {
  static const std::shared_ptr<const ServerContext> made = *ServerContext::create();
  return made;
}

// The handshake of a client, which has begun, with the gateway.
struct Served {
  Client& client;
  std::unique_ptr<Session> server;
  Session::Result result = Session::Result::needs_bytes;
  bool connected = false;  // as the client sees it
  int alert = 0;           // that the server ended the handshake with, in the clear

  int hellos = 0;

  // Changes what the client sends: its first, second, ... ClientHello; 0: something else.
  using Change = std::function<void(std::string& bytes, int hello)>;
  Served(Client& begun, Serving serving, Change change)
      : Served(begun, std::move(serving), 1 << 20, std::move(change)) {}
  Served(Client& begun, Serving serving, std::size_t at_a_time = 1 << 20, const Change& change = {})
      : client(begun) {
    server = Session::server(*test_context(), std::move(serving));
    for (int turn = 0; turn < 10; ++turn) {
      connected = SSL_do_handshake(client.ssl()) == 1;
      std::string bytes = client.take_to_send();
      const bool hello = bytes.find("api.example") != std::string::npos;  // nothing else says it in the clear
      if (hello) ++hellos;
      if (change) change(bytes, hello ? hellos : 0);
      for (std::size_t at = 0; at < bytes.size(); at += at_a_time) {
        server->received(std::string_view(bytes).substr(at, at_a_time));
        if (result == Session::Result::needs_bytes) result = server->handshake();
      }
      std::string answer;
      server->take_to_send(answer);
      // An alert in the clear is the last of what is sent; its version is that of the client.
      const std::size_t size = answer.size();
      if (size >= 7 && answer[size - 7] == 21 && answer.compare(size - 4, 2, std::string("\0\x02", 2)) == 0)
        alert = static_cast<unsigned char>(answer.back());
      client.received(answer);
    }
    if (connected) client.read();  // tickets
  }
  std::string heard_by_client() {
    std::string bytes;
    server->take_to_send(bytes);
    client.received(bytes);
    return client.read();
  }
};

inline Serving serving(const std::string& name, const std::string& protocol = "",
                       const std::string& bound_to = "peer") {
  return {.leaf = *test_authority().issue(name, KeyKind::ecdsa, now()),
          .name = name,
          .protocol = protocol,
          .bound_to = bound_to};
}

}  // namespace clawpatrol::tls
