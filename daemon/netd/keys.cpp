#include "daemon/netd/keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace clawpatrol::netd {
namespace {

constexpr std::size_t text_size = 44;  // 32 bytes in base64

[[noreturn]] void no_randomness() {
  [[maybe_unused]] ssize_t said = ::write(2, "cannot make a key: the kernel gives no random bytes\n", 52);
  std::abort();
}

}  // namespace

PrivateKey PrivateKey::generate() {
  Key bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) no_randomness();
  bytes[0] &= 248;
  bytes[31] = static_cast<std::uint8_t>((bytes[31] & 127) | 64);
  PrivateKey key(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return key;
}

PrivateKey::~PrivateKey() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

Key PrivateKey::public_key() const {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, bytes_.data(), bytes_.size()), &EVP_PKEY_free);
  Key result{};
  std::size_t size = result.size();
  if (!pair || EVP_PKEY_get_raw_public_key(pair.get(), result.data(), &size) != 1 || size != result.size())
    std::abort();  // every 32 bytes are a key: OpenSSL is broken
  return result;
}

std::string to_base64(const Key& key) {
  unsigned char text[text_size + 1];
  EVP_EncodeBlock(text, key.data(), static_cast<int>(key.size()));
  std::string result(reinterpret_cast<char*>(text), text_size);
  OPENSSL_cleanse(text, sizeof text);
  return result;
}

std::optional<Key> from_base64(std::string_view text) {
  if (text.size() != text_size || text.back() != '=') return std::nullopt;
  unsigned char raw[33];
  int size = EVP_DecodeBlock(raw, reinterpret_cast<const unsigned char*>(text.data()),
                             static_cast<int>(text.size()));
  if (size != 33) return std::nullopt;
  Key key;
  std::memcpy(key.data(), raw, key.size());
  OPENSSL_cleanse(raw, sizeof raw);
  if (to_base64(key) != text) return std::nullopt;  // stray bits at the end: two spellings of one key
  return key;
}

std::expected<PrivateKey, Error> load_or_make_key(const PrivateDirectory& state) {
  char text[text_size + 1];
  auto size = state.read(key_file_name, text);
  if (!size && size.error().code == ENOENT) {
    PrivateKey key = PrivateKey::generate();
    std::string made = to_base64(key.bytes()) + "\n";
    auto written = state.create(key_file_name, made);
    OPENSSL_cleanse(made.data(), made.size());
    if (!written) return std::unexpected(written.error());
    return key;
  }
  if (!size) return std::unexpected(size.error());
  std::optional<Key> bytes;
  if (*size >= text_size) bytes = from_base64(std::string_view(text, text_size));
  OPENSSL_cleanse(text, sizeof text);
  if (!bytes)
    return std::unexpected(
        Error{EINVAL, fmt::format("not a private key: '{}'", (state.path() / key_file_name).string())});
  return PrivateKey(*bytes);
}

std::uint64_t fingerprint(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  if (EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr) != 1) std::abort();
  std::uint64_t result;
  std::memcpy(&result, digest, sizeof result);
  return result;
}

}  // namespace clawpatrol::netd
