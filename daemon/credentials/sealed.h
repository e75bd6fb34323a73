// AES-256-GCM over one small text: nonce (12 bytes, random), ciphertext, tag (16 bytes).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/credentials/store.h"

namespace clawpatrol::credentials {

inline constexpr std::size_t key_size = 32;
inline constexpr std::size_t seal_overhead = 12 + 16;

std::string seal(const Secret& key, std::string_view associated, std::string_view plain);

// Nothing: another key, other associated data, or bytes that were changed. There is no telling which.
std::optional<Secret> unseal(const Secret& key, std::string_view associated, std::string_view sealed);

}  // namespace clawpatrol::credentials
