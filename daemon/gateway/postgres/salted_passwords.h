// What SCRAM derives from a password and the server's salt (SaltedPassword, RFC 5802): milliseconds of work
// by design, and the same for every login with one password to one role, so the latest are kept.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/credentials/store.h"

namespace clawpatrol::postgres {

using SaltedPassword = std::array<unsigned char, 32>;

// Whoever has one can log in: they are kept like the passwords themselves (locked, in no core file), under
// names that tell nothing outside of this process, and not beyond their credential's value. Thread-safe.
class SaltedPasswords {
 public:
  SaltedPasswords();
  ~SaltedPasswords();
  SaltedPasswords(const SaltedPasswords&) = delete;
  SaltedPasswords& operator=(const SaltedPasswords&) = delete;

  // False: the derivation failed. The caller wipes `out`.
  bool get(std::string_view credential, std::string_view password, std::string_view salt, int iterations,
           SaltedPassword& out);
  // The credential has another value now, or none.
  void forget(std::string_view credential);
  std::size_t size() const;

 private:
  struct Kept {
    std::string credential;
    SaltedPassword name{};
    credentials::Secret salted;  // empty: a free place
  };
  SaltedPassword name_of(std::string_view password, std::string_view salt, int iterations) const;

  SaltedPassword name_key_{};
  mutable std::mutex mutex_;  // guards everything below
  std::array<Kept, 64> kept_{};
  std::size_t next_ = 0;
  std::uint64_t forgotten_ = 0;  // how often
};

// PBKDF2 alone. False: it failed.
bool derive_salted_password(std::string_view password, std::string_view salt, int iterations,
                            SaltedPassword& out);

}  // namespace clawpatrol::postgres
