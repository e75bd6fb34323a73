// The gateway's own certificate authority: its agents trust it, and it vouches for the names that the policy
// claims. ECDSA P-256 over SHA-256 (RFC 5280).
#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/credentials/store.h"
#include "daemon/ring/error.h"
#include "daemon/tls/leaf.h"

namespace clawpatrol::tls {

inline constexpr std::int64_t authority_days = 3650;
inline constexpr std::int64_t authority_soon_days = 60;  // an operator is told from then on
inline constexpr std::int64_t leaf_days = 30;
inline constexpr std::int64_t leaf_renewal_days = 10;  // before it ends

// What is kept of an authority.
struct KeptAuthority {
  std::string certificate;  // PEM, for everyone
  credentials::Secret key;  // PKCS #8
};

std::expected<KeptAuthority, Error> make_authority(std::int64_t now_unix);

// Thread-safe.
class Authority {
 public:
  // Refuses a key that is not the certificate's.
  static std::expected<std::unique_ptr<Authority>, Error> open(KeptAuthority kept);

  const std::string& certificate_pem() const { return pem_; }
  std::int64_t ends_unix() const { return ends_unix_; }
  // SHA-256 of the certificate, in hexadecimal: what an operator compares.
  std::string fingerprint() const;

  // A leaf for a host name as ClientHello has it, or an address in text form. About 0.1 ms, and the first of
  // KeyKind::rsa much longer: not for a ring's thread.
  std::expected<std::shared_ptr<const Leaf>, Error> issue(std::string_view name, KeyKind kind,
                                                          std::int64_t now_unix);

 private:
  Authority(Certificate certificate, credentials::Secret key, std::string pem);
  std::shared_ptr<const PrivateKey> leaf_key(KeyKind kind);

  Certificate certificate_;
  credentials::Secret key_;  // locked, and OpenSSL's for as long as a signature takes
  std::string pem_;
  std::int64_t ends_unix_;
  std::mutex mutex_;
  std::shared_ptr<const PrivateKey> leaf_keys_[2];  // by KeyKind; made at first use, new at each start
};

}  // namespace clawpatrol::tls
