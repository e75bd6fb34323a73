#include "daemon/tls/authority.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "daemon/tls/client_context.h"
#include "policy/address.h"

namespace clawpatrol::tls {

namespace {

constexpr std::int64_t day = 86'400;
constexpr std::size_t longest_common_name = 64;  // RFC 5280, appendix A

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Error failed(const char* what) {
  return Error{0, std::string(what) + ": " + take_error()};
}

std::string text_of(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string hexadecimal(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
  return out;
}

bool extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (!extension) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_common_name(X509* certificate, const std::string& name) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

// 127 bits from the CSPRNG: a number that was given before, to another certificate, makes clients refuse it.
bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr), BN_free);
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

struct Lifetime {
  std::int64_t from_unix, until_unix;
};

// All but the names and what they may be used for.
Certificate draft(EVP_PKEY* key, Lifetime lifetime) {
  Certificate certificate(X509_new());
  X509* c = certificate.get();
  const bool made = c && X509_set_version(c, X509_VERSION_3) == 1 && set_serial(c) &&
                    ASN1_TIME_set(X509_getm_notBefore(c), lifetime.from_unix) != nullptr &&
                    ASN1_TIME_set(X509_getm_notAfter(c), lifetime.until_unix) != nullptr &&
                    X509_set_pubkey(c, key) == 1;
  if (!made) certificate.reset();
  return certificate;
}

// Of a host, as the parsers let it through; nothing else may come near the text of an extension.
bool plain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

std::int64_t unix_of(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return ::timegm(&parts);
}

Certificate read_certificate(std::string_view pem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

PrivateKey read_key(const credentials::Secret& key) {
  const std::string_view der = key.reveal();
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  return PrivateKey(d2i_AutoPrivateKey(nullptr, &bytes, static_cast<long>(der.size())));
}

}  // namespace

void free_certificate(x509_st* certificate) {
  X509_free(certificate);
}
void free_key(evp_pkey_st* key) {
  EVP_PKEY_free(key);
}

std::expected<KeptAuthority, Error> make_authority(std::int64_t now_unix) {
  PrivateKey key(EVP_EC_gen("P-256"));
  if (!key) return std::unexpected(failed("cannot make the key of the certificate authority"));
  Certificate made = draft(key.get(), {now_unix - day, now_unix + authority_days * day});
  X509* c = made.get();
  // Two gateways are two authorities, also for who looks at a list of names.
  std::array<char, 4> random;
  const bool named = RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), random.size()) == 1 && c &&
                     set_common_name(c, "Claw Patrol CA " + hexadecimal({random.data(), random.size()}));
  const bool signed_by_itself = named && X509_set_issuer_name(c, X509_get_subject_name(c)) == 1 &&
                                extend(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                                extend(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                                extend(c, c, NID_subject_key_identifier, "hash") &&
                                X509_sign(c, key.get(), EVP_sha256()) > 0;
  if (!signed_by_itself) return std::unexpected(failed("cannot make the certificate authority"));
  KeptAuthority kept;
  Bio pem(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(pem.get(), c);
  kept.certificate = text_of(pem.get());
  const int size = i2d_PrivateKey(key.get(), nullptr);
  if (size <= 0) return std::unexpected(failed("cannot keep the key of the certificate authority"));
  kept.key = credentials::Secret(static_cast<std::size_t>(size));
  auto* out = reinterpret_cast<unsigned char*>(kept.key.writable().data());
  i2d_PrivateKey(key.get(), &out);
  return kept;
}

std::expected<std::unique_ptr<Authority>, Error> Authority::open(KeptAuthority kept) {
  Certificate certificate = read_certificate(kept.certificate);
  if (!certificate) return std::unexpected(failed("cannot read the certificate of the authority"));
  PrivateKey key = read_key(kept.key);
  if (!key) return std::unexpected(failed("cannot read the key of the authority"));
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return std::unexpected(failed("the key of the authority is not its certificate's"));
  return std::unique_ptr<Authority>(
      new Authority(std::move(certificate), std::move(kept.key), std::move(kept.certificate)));
}

Authority::Authority(Certificate certificate, credentials::Secret key, std::string pem)
    : certificate_(std::move(certificate)),
      key_(std::move(key)),
      pem_(std::move(pem)),
      ends_unix_(unix_of(X509_get0_notAfter(certificate_.get()))) {}

std::string Authority::fingerprint() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  X509_digest(certificate_.get(), EVP_sha256(), digest.data(), &size);
  return hexadecimal({reinterpret_cast<const char*>(digest.data()), size});
}

std::shared_ptr<const PrivateKey> Authority::leaf_key(KeyKind kind) {
  std::lock_guard lock(mutex_);
  auto& key = leaf_keys_[static_cast<std::size_t>(kind)];
  if (key) return key;
  PrivateKey made(kind == KeyKind::ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048));
  if (made) key = std::make_shared<const PrivateKey>(std::move(made));
  return key;
}

std::expected<std::shared_ptr<const Leaf>, Error> Authority::issue(std::string_view name, KeyKind kind,
                                                                   std::int64_t now_unix) {
  const auto address = Address::parse(name);
  if (!address && !plain(name)) return std::unexpected(Error{0, "cannot vouch for what is no host name"});
  const std::string text = address ? address->text() : std::string(name);
  auto key = leaf_key(kind);
  if (!key) return std::unexpected(failed("cannot make the key of leaves"));
  const PrivateKey signing = read_key(key_);
  if (!signing) return std::unexpected(failed("cannot read the key of the authority"));
  const std::int64_t until = std::min(now_unix + leaf_days * day, ends_unix_);
  Certificate made = draft(key->get(), {now_unix - day, until});
  X509 *c = made.get(), *ca = certificate_.get();
  const std::string alternative = (address ? "IP:" : "DNS:") + text;
  const char* usage =
      kind == KeyKind::ecdsa ? "critical,digitalSignature" : "critical,digitalSignature,keyEncipherment";
  // A name that is too long for a common name is in the subject alternative name all the same, where it
  // counts.
  const bool complete =
      c && set_common_name(c, text.size() <= longest_common_name ? text : "claw patrol") &&
      X509_set_issuer_name(c, X509_get_subject_name(ca)) == 1 &&
      extend(c, ca, NID_basic_constraints, "critical,CA:FALSE") && extend(c, ca, NID_key_usage, usage) &&
      extend(c, ca, NID_ext_key_usage, "serverAuth") && extend(c, ca, NID_subject_key_identifier, "hash") &&
      extend(c, ca, NID_authority_key_identifier, "keyid:always") &&
      extend(c, ca, NID_subject_alt_name, alternative.c_str()) &&
      X509_sign(c, signing.get(), EVP_sha256()) > 0;
  if (!complete) return std::unexpected(failed("cannot make a certificate"));
  return std::make_shared<const Leaf>(Leaf{.certificate = std::move(made),
                                           .key = std::move(key),
                                           .renew_at_unix = until - leaf_renewal_days * day});
}

}  // namespace clawpatrol::tls
