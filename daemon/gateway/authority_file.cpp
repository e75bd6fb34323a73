#include "daemon/gateway/authority_file.h"

#include <fmt/format.h>

#include <vector>

#include "daemon/credentials/credential_file.h"

namespace clawpatrol {

namespace {

constexpr const char* certificate_file = "ca.crt";
constexpr const char* key_file = "ca.key";
constexpr std::string_view sealed_as = "clawpatrol certificate authority 1";
constexpr std::size_t longest_file = 16 << 10;

Error cannot_open(const PrivateDirectory& state, std::string_view why, std::string_view hint) {
  return Error{0, fmt::format("cannot open the certificate authority in '{}': {}\nhint: {}",
                              state.path().string(), why, hint)};
}

// Empty: there is no such file.
std::expected<std::string, Error> read_file(const PrivateDirectory& state, const char* name) {
  std::string text(longest_file, '\0');
  auto size = state.read(name, text);
  if (!size && size.error().code == ENOENT) return "";
  if (!size) return std::unexpected(size.error());
  text.resize(*size);
  return text;
}

// The key first: a certificate without one is what a crash in between must not leave behind.
std::expected<void, Error> keep(const PrivateDirectory& state, const credentials::Secret& sealing_key,
                                const tls::KeptAuthority& kept) {
  auto written = state.replace(key_file, credentials::seal(sealing_key, sealed_as, kept.key.reveal()));
  if (!written) return written;
  return state.replace(certificate_file, kept.certificate);
}

}  // namespace

std::expected<std::unique_ptr<tls::Authority>, Error> open_authority(const PrivateDirectory& state,
                                                                     std::int64_t now_unix) {
  auto certificate = read_file(state, certificate_file);
  if (!certificate) return std::unexpected(certificate.error());
  auto sealed = read_file(state, key_file);
  if (!sealed) return std::unexpected(sealed.error());
  const bool absent = certificate->empty();
  auto sealing_key =
      credentials::load_key(state.path() / "credential-key",
                            absent ? credentials::MissingKey::make : credentials::MissingKey::refuse);
  if (!sealing_key) return std::unexpected(sealing_key.error());
  if (absent) {
    auto made = tls::make_authority(now_unix);
    if (!made) return std::unexpected(made.error());
    if (auto kept = keep(state, *sealing_key, *made); !kept) return std::unexpected(kept.error());
    return tls::Authority::open(std::move(*made));
  }
  if (sealed->empty())
    return std::unexpected(cannot_open(state, "ca.key is gone",
                                       "Put it back, or remove ca.crt for a new authority, which every agent "
                                       "must be told to trust."));
  auto key = credentials::unseal(*sealing_key, sealed_as, *sealed);
  if (!key)
    return std::unexpected(
        cannot_open(state, "ca.key does not open with the key of the credentials",
                    "Put back the credential-key that it was made under, or remove ca.crt for "
                    "a new authority, which every agent must be told to trust."));
  auto authority = tls::Authority::open({.certificate = std::move(*certificate), .key = std::move(*key)});
  if (!authority) return authority;
  if ((*authority)->ends_unix() <= now_unix)
    return std::unexpected(cannot_open(state, "its certificate has ended",
                                       "Remove ca.crt for a new authority, which every agent must be told to "
                                       "trust."));
  return authority;
}

std::string authority_ending(const tls::Authority& authority, std::int64_t now_unix) {
  const std::int64_t days = (authority.ends_unix() - now_unix) / 86400;
  if (days >= tls::authority_soon_days) return "";
  return fmt::format("the certificate authority ends in {} days; when it has ended agents trust nothing",
                     days);
}

}  // namespace clawpatrol
