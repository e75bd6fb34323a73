#include "daemon/credentials/http/jwt.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <vector>

#include "daemon/credentials/http/base64.h"

namespace clawpatrol::credentials {
namespace {

constexpr int least_bits = 2048;  // RFC 7518, 3.3

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

// A key under a passphrase would ask for it on the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::expected<Key, std::string> read_key(std::string_view pem) {
  std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key) return std::unexpected("its private key is not one in PEM without a passphrase");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    return std::unexpected("its private key is no RSA key, which RS256 needs");
  if (EVP_PKEY_get_bits(key.get()) < least_bits)
    return std::unexpected(fmt::format("its RSA key has less than {} bits", least_bits));
  return key;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out.append(1, '\\').append(1, c);
    else if (byte < 0x20)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

std::string objection_to_rsa_key(std::string_view pem) {
  auto key = read_key(pem);
  return key ? "" : key.error();
}

std::expected<Secret, std::string> sign_claims(const Claims& claims, std::string_view private_key_pem) {
  auto key = read_key(private_key_pem);
  if (!key) return std::unexpected(key.error());
  const std::string said =
      base64url_encoded(R"({"alg":"RS256","typ":"JWT"})") + "." +
      base64url_encoded(fmt::format(R"({{"iat":{},"exp":{},"iss":{}}})", claims.issued_unix, claims.ends_unix,
                                    json_text(claims.issuer)));
  std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key->get())), '\0');
  std::size_t size = signature.size();
  const bool signed_ =
      context && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key->get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(said.data()), said.size()) == 1;
  ERR_clear_error();
  if (!signed_) return std::unexpected("its private key does not sign");
  signature.resize(size);
  return Secret(said + "." + base64url_encoded(signature));
}

}  // namespace clawpatrol::credentials
