#include "daemon/tls/certificate_facts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <ctime>
#include <memory>

#include "daemon/tls/client_context.h"
#include "daemon/tls/leaf.h"

namespace clawpatrol::tls {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string subject_of(X509* certificate) {
  Bio out(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string fingerprint_of(X509* certificate) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    if (i > 0) out += ':';
    out.append(1, digits[digest[i] >> 4]).append(1, digits[digest[i] & 15]);
  }
  return out;
}

std::int64_t unix_of(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return ::timegm(&parts);
}

}  // namespace

std::expected<CertificateFacts, Error> facts_of(std::string_view pem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return std::unexpected(Error{0, "cannot read the certificate: " + take_error()});
  X509* c = certificate.get();
  return CertificateFacts{.subject = subject_of(c),
                          .fingerprint = fingerprint_of(c),
                          .begins_unix = unix_of(X509_get0_notBefore(c)),
                          .ends_unix = unix_of(X509_get0_notAfter(c))};
}

}  // namespace clawpatrol::tls
