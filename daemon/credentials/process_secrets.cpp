#include "daemon/credentials/process_secrets.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <bit>
#include <cstring>

namespace clawpatrol::credentials {

std::expected<void, Error> disable_core_dumps() {
  rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0)
    return std::unexpected(os_error(errno, "cannot forbid core files"));
  // The limit alone does not stop a pipe in core_pattern.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return std::unexpected(os_error(errno, "cannot forbid core dumps"));
  return {};
}

namespace {

std::atomic<void (*)(const Error&)> teller = nullptr;
std::atomic<bool> locked = true;

}  // namespace

void tell_of_unlocked_secret(void (*tell)(const Error&)) {
  teller = tell;
}

void note_unlocked_secret(int code) {
  locked = false;
  void (*const tell)(const Error&) = teller.exchange(nullptr);
  if (!tell) return;
  Error why = os_error(code, "memory for a secret could not be locked: it may be swapped out");
  why.what += "\nhint: Raise the limit on locked memory (LimitMEMLOCK=), or have no swap.";
  tell(why);
}

bool secrets_are_locked() {
  return locked;
}

std::expected<void, Error> lock_private_keys(std::size_t connections) {
  // At most P-384 with the agent and P-521 with the server; what stays the same, RSA and all, has the rest.
  constexpr std::size_t of_connection = 256, beside = 512 << 10, smallest = 32;
  const std::size_t bytes = std::bit_ceil(beside + connections * of_connection);
  const int made = CRYPTO_secure_malloc_init(bytes, smallest);
  if (made == 1) return {};
  locked = false;
  return std::unexpected(
      Error{ENOMEM, fmt::format("{} KiB of memory for private keys {}: they may be swapped out\n"
                                "hint: Raise the limit on locked memory (LimitMEMLOCK=), or have no swap.",
                                bytes / 1024, made == 0 ? "cannot be had" : "could not be locked")});
}

// Copies of zeros, of every size for which the C library takes other registers.
void forget_registers() {
  alignas(64) static constexpr char zeros[1024] = {};
  static void* (*const volatile copy)(void*, const void*, std::size_t) = std::memcpy;
  char sink[sizeof zeros];
  for (std::size_t size = 16; size <= sizeof zeros; size *= 2) copy(sink, zeros, size);
}

}  // namespace clawpatrol::credentials
