// The certificate authority as it is kept beside the credentials: `ca.crt` in PEM, and `ca.key` sealed under
// the key of the credentials. Format: docs/formats.md.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "daemon/files/private_directory.h"
#include "daemon/tls/authority.h"

namespace clawpatrol {

// Makes one where there is none, which needs the directory's lock. A half that is missing, a key that does
// not open or a certificate that has ended is an error: a new authority would be one that no agent trusts.
std::expected<std::unique_ptr<tls::Authority>, Error> open_authority(const PrivateDirectory& state,
                                                                     std::int64_t now_unix);

// That it ends within tls::authority_soon_days, in words; "" where it does not.
std::string authority_ending(const tls::Authority& authority, std::int64_t now_unix);

}  // namespace clawpatrol
