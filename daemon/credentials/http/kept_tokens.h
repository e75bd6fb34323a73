// Tokens that servers were given and may still say back, in the form in which Store::keep_tokens() has them
// over a restart: one behind the other, the oldest first.
//
//   asked for, Unix seconds (8) | good for so many seconds (4) | token: size (4), bytes | refresh token: size
//   (4), bytes
//
// Integers are big-endian; an empty refresh token is none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/credentials/store.h"

namespace clawpatrol::credentials {

struct KeptToken {
  std::int64_t asked_unix = 0;
  std::chrono::seconds lifetime{0};  // up to longest_token_lifetime
  std::string_view token, refresh_token;
};

Secret compose_kept_tokens(std::span<const KeptToken> tokens);

// Views into `bytes`. Nothing: this is not what compose_kept_tokens() wrote.
std::optional<std::vector<KeptToken>> read_kept_tokens(std::string_view bytes);

}  // namespace clawpatrol::credentials
