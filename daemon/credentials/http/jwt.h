// Signed claims, by which an app says to GitHub who it is: RFC 7519 in the compact form of RFC 7515, RS256.
//
//   base64url({"alg":"RS256","typ":"JWT"}) "." base64url({"iat":N,"exp":N,"iss":"..."}) "."
//   base64url(signature)
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "daemon/credentials/store.h"

namespace clawpatrol::credentials {

// Why this is not an RSA key of at least 2,048 bits in PEM, without a passphrase; "": it is.
std::string objection_to_rsa_key(std::string_view pem);

struct Claims {
  std::string_view issuer;
  std::int64_t issued_unix = 0, ends_unix = 0;
};
// Takes milliseconds: not for a thread that serves agents. The error says why the key does not sign.
std::expected<Secret, std::string> sign_claims(const Claims& claims, std::string_view private_key_pem);

}  // namespace clawpatrol::credentials
