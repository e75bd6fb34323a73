#include "daemon/gateway/postgres/salted_passwords.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace clawpatrol::postgres {

bool derive_salted_password(std::string_view password, std::string_view salt, int iterations,
                            SaltedPassword& out) {
  return PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                           reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                           iterations, EVP_sha256(), static_cast<int>(out.size()), out.data()) == 1;
}

SaltedPasswords::SaltedPasswords() {
  if (RAND_bytes(name_key_.data(), static_cast<int>(name_key_.size())) != 1) std::abort();
}

SaltedPasswords::~SaltedPasswords() {
  OPENSSL_cleanse(name_key_.data(), name_key_.size());
}

bool SaltedPasswords::get(std::string_view credential, std::string_view password, std::string_view salt,
                          int iterations, SaltedPassword& out) {
  const SaltedPassword name = name_of(password, salt, iterations);
  std::uint64_t forgotten = 0;
  {
    std::lock_guard lock(mutex_);
    for (const Kept& kept : kept_) {
      if (kept.salted.empty() || kept.name != name || kept.credential != credential) continue;
      std::memcpy(out.data(), kept.salted.reveal().data(), out.size());
      return true;
    }
    forgotten = forgotten_;
  }
  if (!derive_salted_password(password, salt, iterations, out)) return false;
  std::lock_guard lock(mutex_);
  if (forgotten != forgotten_) return true;  // it may be of a value that is no more
  Kept& kept = kept_[next_];
  next_ = (next_ + 1) % kept_.size();
  kept.credential = credential;
  kept.name = name;
  kept.salted = credentials::Secret({reinterpret_cast<const char*>(out.data()), out.size()});
  return true;
}

void SaltedPasswords::forget(std::string_view credential) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  for (Kept& kept : kept_)
    if (kept.credential == credential) kept = {};
}

std::size_t SaltedPasswords::size() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(kept_, [](const Kept& kept) { return !kept.salted.empty(); }));
}

// Lengths before the texts, so that no two sets have one name.
SaltedPassword SaltedPasswords::name_of(std::string_view password, std::string_view salt,
                                        int iterations) const {
  std::string all = std::to_string(iterations) + "," + std::to_string(salt.size()) + ",";
  all += salt;
  all += password;
  SaltedPassword name{};
  if (!HMAC(EVP_sha256(), name_key_.data(), static_cast<int>(name_key_.size()),
            reinterpret_cast<const unsigned char*>(all.data()), all.size(), name.data(), nullptr))
    std::abort();
  OPENSSL_cleanse(all.data(), all.size());
  return name;
}

}  // namespace clawpatrol::postgres
