#include "daemon/gateway/postgres/cancel_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

namespace clawpatrol {
namespace {

void random_bytes(void* out, std::size_t size) {
  // Without random bytes a key could be guessed: better to die.
  if (RAND_bytes(static_cast<unsigned char*>(out), static_cast<int>(size)) != 1) std::abort();
}

}  // namespace

CancelKeys::Key CancelKeys::issue(Owner owner, std::size_t secret_size, Cancel cancel) {
  Key key;
  key.secret.resize(secret_size);
  random_bytes(key.secret.data(), secret_size);
  std::lock_guard lock(mutex_);
  // Positive, since clients print it as a process id.
  do random_bytes(&key.process, sizeof key.process);
  while ((key.process &= 0x7fffffff) == 0 || keys_.contains(key.process));
  keys_.emplace(key.process, Entry{key.secret, std::move(owner), std::move(cancel)});
  return key;
}

void CancelKeys::withdraw(const Key& key) {
  Cancel last;  // destroyed after the lock is released: it may own a session
  std::lock_guard lock(mutex_);
  auto found = keys_.find(key.process);
  if (found == keys_.end() || found->second.secret != key.secret) return;
  last = std::move(found->second.cancel);
  keys_.erase(found);
}

CancelKeys::Attempts& CancelKeys::attempts_of(std::uint32_t peer, Clock::time_point now) {
  auto [found, fresh] = attempts_.try_emplace(peer, Attempts{.left = burst, .at = now});
  Attempts& attempts = found->second;
  const std::chrono::duration<double> passed = now - attempts.at;
  attempts.left = std::min(burst, attempts.left + passed / std::chrono::duration<double>(refill));
  attempts.at = now;
  return attempts;
}

std::expected<CancelKeys::Cancel, CancelKeys::Refusal> CancelKeys::find(std::uint32_t process,
                                                                        std::string_view secret,
                                                                        const Owner& owner,
                                                                        Clock::time_point now) {
  std::lock_guard lock(mutex_);
  Attempts& attempts = attempts_of(owner.peer, now);
  if (attempts.left < 1) return std::unexpected(Refusal::too_many);
  auto found = keys_.find(process);
  const bool right = found != keys_.end() && found->second.owner == owner &&
                     found->second.secret.size() == secret.size() &&
                     CRYPTO_memcmp(found->second.secret.data(), secret.data(), secret.size()) == 0;
  if (right) return found->second.cancel;
  attempts.left -= 1;
  return std::unexpected(Refusal::wrong);
}

}  // namespace clawpatrol
