// A process that holds secrets leaves no copy of its memory behind.
#pragma once

#include <cstddef>
#include <expected>

#include "daemon/ring/error.h"

namespace clawpatrol::credentials {

// No core file, and no process of the same user may trace this one or read its memory. First thing in main:
// before a secret is read, and again after a change of user, which undoes it. Consequence: /proc/self belongs
// to root.
std::expected<void, Error> disable_core_dumps();

// The numbers of private keys that OpenSSL holds lie from here on in pages that are locked and in no core
// file, with guard pages around. Not all copies do: it reads a key through ordinary memory, which is
// overwritten when it is given back (tls/openssl_memory.h), and keeps an RSA key's primes there (BN_MONT_CTX)
// once it has signed. Once, before a key is read and before there are threads; `connections` is how many
// there may be, each with a key of its handshake: where these pages are full, no key can be made. The error:
// they could not be locked, or, of a size that cannot be had, are not there at all.
std::expected<void, Error> lock_private_keys(std::size_t connections);

// Who is told of the first Secret that could not be locked, on the thread that made it; of no other after it.
// Before there are secrets.
void tell_of_unlocked_secret(void (*tell)(const Error& why));
// Of a Secret alone: it could not be locked, for this errno.
void note_unlocked_secret(int code);
// Whether all secrets so far are in locked memory, and private keys where lock_private_keys() was called.
bool secrets_are_locked();

// What was copied last stays in this thread's vector registers, and those are in every core. After a secret
// has been handled, and before the thread waits.
void forget_registers();

}  // namespace clawpatrol::credentials
