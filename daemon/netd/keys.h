// WireGuard keys: Curve25519, in base64 as wg(8) writes them.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/files/private_directory.h"
#include "daemon/ring/error.h"

namespace clawpatrol::netd {

using Key = std::array<std::uint8_t, 32>;

// Wiped when it dies.
class PrivateKey {
 public:
  static PrivateKey generate();  // terminates when the kernel has no randomness
  explicit PrivateKey(const Key& bytes) : bytes_(bytes) {}
  PrivateKey(const PrivateKey&) = default;
  PrivateKey& operator=(const PrivateKey&) = default;
  ~PrivateKey();

  const Key& bytes() const { return bytes_; }
  Key public_key() const;

 private:
  Key bytes_{};
};

std::string to_base64(const Key& key);
std::optional<Key> from_base64(std::string_view text);  // 44 characters in canonical form, nothing else

inline constexpr const char* key_file_name = "wireguard.key";

// The gateway's own key, made at the first start. A file that others may read is refused: what is in it is no
// longer a secret.
std::expected<PrivateKey, Error> load_or_make_key(const PrivateDirectory& state);

// Changes when what identifies a peer does: its key, or its interface and addresses.
std::uint64_t fingerprint(std::string_view text);

}  // namespace clawpatrol::netd
