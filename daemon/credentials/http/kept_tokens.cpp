#include "daemon/credentials/http/kept_tokens.h"

#include "daemon/credentials/http/patterns.h"
#include "daemon/credentials/http/token_life.h"
#include "daemon/credentials/wiped_frees.h"
#include "parsers/bytes.h"

namespace clawpatrol::credentials {
namespace {

constexpr std::int64_t latest_unix = 9'000'000'000;  // in nanoseconds it is still a number of 64 bits

// A token and a refresh token are looked for, so neither is longer than what can be.
std::string_view read_text(Reader& reader, bool& fits) {
  const std::uint32_t size = reader.u32();
  fits = fits && size <= longest_needle;
  return fits ? reader.bytes(size) : std::string_view();
}

}  // namespace

Secret compose_kept_tokens(std::span<const KeptToken> tokens) {
  const WipedFrees wiped;
  std::string bytes;
  Writer writer(bytes);
  for (const KeptToken& each : tokens) {
    const auto asked = static_cast<std::uint64_t>(each.asked_unix);
    writer.u32(static_cast<std::uint32_t>(asked >> 32)).u32(static_cast<std::uint32_t>(asked));
    writer.u32(static_cast<std::uint32_t>(each.lifetime.count()));
    for (std::string_view text : {each.token, each.refresh_token})
      writer.u32(static_cast<std::uint32_t>(text.size())).bytes(text);
  }
  return Secret(std::string_view(bytes));
}

std::optional<std::vector<KeptToken>> read_kept_tokens(std::string_view bytes) {
  std::vector<KeptToken> tokens;
  Reader reader(bytes);
  bool fits = true;
  while (reader.left() > 0 && reader.ok() && fits) {
    KeptToken each;
    const std::uint64_t high = reader.u32();
    each.asked_unix = static_cast<std::int64_t>(high << 32 | reader.u32());
    each.lifetime = std::chrono::seconds(reader.u32());
    each.token = read_text(reader, fits);
    each.refresh_token = read_text(reader, fits);
    fits = fits && each.asked_unix >= 0 && each.asked_unix <= latest_unix &&
           each.lifetime <= longest_token_lifetime && !each.token.empty();
    tokens.push_back(each);
  }
  if (!reader.ok() || !fits) return std::nullopt;
  return tokens;
}

}  // namespace clawpatrol::credentials
