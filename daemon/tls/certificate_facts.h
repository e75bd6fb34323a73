// What a certificate says of itself, for people who compare it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "daemon/ring/error.h"

namespace clawpatrol::tls {

struct CertificateFacts {
  std::string subject;      // "CN=Claw Patrol CA 1a2b3c4d"
  std::string fingerprint;  // SHA-256, as other tools print it: "AB:CD:..."
  std::int64_t begins_unix = 0, ends_unix = 0;
};

// Of the first certificate in the text.
std::expected<CertificateFacts, Error> facts_of(std::string_view pem);

}  // namespace clawpatrol::tls
