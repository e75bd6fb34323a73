// A certificate of ours for one name, with its key, as a server of that name shows it.
#pragma once

#include <cstdint>
#include <memory>

struct evp_pkey_st;
struct x509_st;

namespace clawpatrol::tls {

enum class KeyKind : std::uint8_t {
  ecdsa,  // P-256
  rsa,    // 2,048 bits, for clients that take no ECDSA
};

void free_certificate(x509_st* certificate);
void free_key(evp_pkey_st* key);

struct Free {
  void operator()(x509_st* certificate) const { free_certificate(certificate); }
  void operator()(evp_pkey_st* key) const { free_key(key); }
};
using Certificate = std::unique_ptr<x509_st, Free>;
using PrivateKey = std::unique_ptr<evp_pkey_st, Free>;

// Immutable, and shared by the sessions of any thread.
struct Leaf {
  Certificate certificate;
  std::shared_ptr<const PrivateKey> key;  // one for all leaves of its kind (attacks.md, 28)
  std::int64_t renew_at_unix = 0;         // a good while before it ends
};

}  // namespace clawpatrol::tls
