#include "daemon/credentials/sealed.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdlib>

namespace clawpatrol::credentials {

namespace {

constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;

// OpenSSL fails at these only for want of memory, randomness or AES itself.
void must(int ok) {
  if (ok != 1) std::abort();
}

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }  // wipes the key
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;

unsigned char* raw(char* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

enum class Direction : int { unseal = 0, seal = 1 };

Context begin(const Secret& key, std::string_view nonce, std::string_view associated, Direction direction) {
  if (key.reveal().size() != key_size) std::abort();
  Context context(EVP_CIPHER_CTX_new());
  must(context != nullptr);
  must(EVP_CipherInit_ex2(context.get(), EVP_aes_256_gcm(), raw(key.reveal()), raw(nonce),
                          static_cast<int>(direction), nullptr));
  int count = 0;
  must(
      EVP_CipherUpdate(context.get(), nullptr, &count, raw(associated), static_cast<int>(associated.size())));
  return context;
}

}  // namespace

std::string seal(const Secret& key, std::string_view associated, std::string_view plain) {
  std::string sealed(nonce_size + plain.size() + tag_size, '\0');
  must(RAND_bytes(raw(sealed.data()), static_cast<int>(nonce_size)));
  Context context = begin(key, std::string_view(sealed).substr(0, nonce_size), associated, Direction::seal);
  int count = 0;
  char* text = sealed.data() + nonce_size;
  must(EVP_CipherUpdate(context.get(), raw(text), &count, raw(plain), static_cast<int>(plain.size())));
  must(EVP_CipherFinal_ex(context.get(), raw(text) + count, &count));
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag_size),
                           text + plain.size()));
  return sealed;
}

std::optional<Secret> unseal(const Secret& key, std::string_view associated, std::string_view sealed) {
  if (sealed.size() < seal_overhead) return std::nullopt;
  std::string_view nonce = sealed.substr(0, nonce_size);
  std::string_view text = sealed.substr(nonce_size, sealed.size() - seal_overhead);
  std::string tag(sealed.substr(sealed.size() - tag_size));
  Context context = begin(key, nonce, associated, Direction::unseal);
  Secret plain(text.size());
  unsigned char none = 0;
  unsigned char* out = plain.empty() ? &none : raw(plain.writable().data());
  int count = 0;
  must(EVP_CipherUpdate(context.get(), out, &count, raw(text), static_cast<int>(text.size())));
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag_size), tag.data()));
  if (EVP_CipherFinal_ex(context.get(), out + count, &count) != 1) return std::nullopt;
  return plain;
}

}  // namespace clawpatrol::credentials
