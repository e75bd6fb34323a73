// Certificates for tests, made on the spot, and a server that shows them.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace clawpatrol::tls {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using TestCertificate = std::unique_ptr<X509, decltype(&X509_free)>;

inline Key ec_key() {
  return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}
inline Key rsa_key(unsigned bits) {
  return {EVP_RSA_gen(bits), EVP_PKEY_free};
}

struct Wanted {
  std::string common_name = "db";
  std::string alternative = "DNS:db.internal";  // "": none
  std::string usage = "serverAuth";
  bool authority = false;
  long from_s = -3600, until_s = 3600;  // from now
};

struct Signed {
  Key key;
  TestCertificate certificate;
  std::string pem() const {
    std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509(out.get(), certificate.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }
};

inline void add_extension(X509* certificate, int nid, const std::string& value) {
  if (value.empty()) return;
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  REQUIRE(extension);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself.
inline Signed sign(Key key, const Wanted& wanted, const Signed* issuer = nullptr) {
  static long serial = 1;
  Signed made{std::move(key), {X509_new(), X509_free}};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.until_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name((issuer ? *issuer : made).certificate.get()));
  X509_set_pubkey(certificate, made.key.get());
  add_extension(certificate, NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "CA:FALSE");
  add_extension(certificate, NID_subject_alt_name, wanted.alternative);
  add_extension(certificate, NID_ext_key_usage, wanted.authority ? "" : wanted.usage);
  REQUIRE(X509_sign(certificate, (issuer ? *issuer : made).key.get(), EVP_sha256()) > 0);
  return made;
}

inline Signed authority(const std::string& name) {
  return sign(ec_key(), {.common_name = name, .alternative = "", .usage = "", .authority = true});
}

// One end of a connection without sockets, which a test drives by hand.
class End {
 public:
  SSL* ssl() { return ssl_.get(); }
  void received(std::string_view bytes) {
    BIO_write(SSL_get_rbio(ssl()), bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string take_to_send() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl()), &bytes);
    std::string out(bytes, static_cast<std::size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl()));
    return out;
  }
  std::string read() {
    char text[1 << 16];
    const int count = SSL_read(ssl(), text, sizeof text);
    return count > 0 ? std::string(text, static_cast<std::size_t>(count)) : "";
  }

 protected:
  explicit End(const SSL_METHOD* method) : context_(SSL_CTX_new(method), SSL_CTX_free) {}
  void begin_anew() {
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;

 private:
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
};

// The other side: OpenSSL's own server, which is content with any key of its own.
class Server : public End {
 public:
  explicit Server(const Signed& identity, int least = TLS1_2_VERSION, int most = TLS1_3_VERSION)
      : End(TLS_server_method()) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), least);
    SSL_CTX_set_max_proto_version(context_.get(), most);
    REQUIRE(SSL_CTX_use_certificate(context_.get(), identity.certificate.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), identity.key.get()) == 1);
    begin_anew();
    SSL_set_accept_state(ssl());
  }
  void write(std::string_view text) {
    REQUIRE(SSL_write(ssl(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()));
  }
};

}  // namespace clawpatrol::tls
