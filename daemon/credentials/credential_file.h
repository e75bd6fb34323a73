// What a credential's file holds: version and time in plain, the value sealed, all of it bound to the name.
//
//   "clawpatrol credential 1\n" | version, 8 bytes | set at, 8 bytes | nonce, 12 | ciphertext | tag, 16
//
// Integers are big-endian. The associated data are the first line, both integers and the name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/credentials/sealed.h"

namespace clawpatrol::credentials {

struct Opened {
  std::uint64_t version = 0;
  std::int64_t set_at_unix = 0;
  Secret value;
};

inline constexpr std::size_t file_overhead = 24 + 16 + seal_overhead;

std::string compose_file(const Secret& key, const Info& info, std::string_view value);
std::optional<Opened> open_file(const Secret& key, std::string_view name, std::string_view bytes);

// Reads the key from $CREDENTIALS_DIRECTORY, or else from the file `fallback`, which is made only where
// nothing is sealed yet.
enum class MissingKey { make, refuse };
// Whether it is the first: systemd's, and nothing of ours on the disk.
bool key_is_handed_over();
std::expected<Secret, Error> load_key(const std::filesystem::path& fallback, MissingKey missing);

}  // namespace clawpatrol::credentials
