#include "daemon/audit/chain.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace clawpatrol::audit {

namespace {

constexpr char hex[] = "0123456789abcdef";
constexpr std::string_view group_domain = "clawpatrol audit 1";
constexpr std::string_view key_domain = "clawpatrol audit key";

// OpenSSL fails here only for want of memory or of SHA-256 itself; a log that cannot chain must not go on.
void must(int ok) {
  if (ok != 1) std::abort();
}

struct MacContextFree {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, MacContextFree>;

MacContext hmac_sha256(const Key& key) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  must(mac != nullptr);
  MacContext context(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  must(context != nullptr);
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                             OSSL_PARAM_construct_end()};
  must(EVP_MAC_init(context.get(), key.bytes().data(), key.bytes().size(), parameters));
  return context;
}

void update(EVP_MAC_CTX* context, std::string_view bytes) {
  must(EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

Mac finish(EVP_MAC_CTX* context) {
  std::array<unsigned char, 32> full{};
  std::size_t size = 0;
  must(EVP_MAC_final(context, full.data(), &size, full.size()));
  Mac mac{};
  std::copy_n(full.begin(), mac.size(), mac.begin());
  return mac;
}

}  // namespace

struct Chain::Contexts {
  explicit Contexts(const Key& key) : mac(hmac_sha256(key)), digest(EVP_MD_CTX_new()) {
    EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    must(digest != nullptr && sha256 != nullptr);
    must(EVP_DigestInit_ex2(digest, sha256, nullptr));
    EVP_MD_free(sha256);  // the context holds it
  }
  ~Contexts() { EVP_MD_CTX_free(digest); }
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;

  MacContext mac;
  EVP_MD_CTX* digest;
};

Chain::Chain(const Key& key) : contexts_(std::make_unique<Contexts>(key)) {}
Chain::~Chain() = default;

void Chain::go_on_after(const Mac& mac) {
  std::copy(mac.begin(), mac.end(), link_.begin());
  link_size_ = mac.size();
}

void Chain::add(std::string_view covered) {
  EVP_MD_CTX* digest = contexts_->digest;
  must(EVP_DigestInit_ex2(digest, nullptr, nullptr));
  must(EVP_DigestUpdate(digest, link_.data(), link_size_));
  must(EVP_DigestUpdate(digest, covered.data(), covered.size()));
  must(EVP_DigestFinal_ex(digest, link_.data(), nullptr));
  link_size_ = link_.size();
}

Mac Chain::seal(const Boot& boot, std::uint64_t seq) {
  char input[group_domain.size() + sizeof(Boot) + 8 + 32];
  char* at = std::copy(group_domain.begin(), group_domain.end(), input);
  at = std::copy(boot.begin(), boot.end(), at);
  for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<char>(seq >> shift);
  std::copy(link_.begin(), link_.end(), at);
  EVP_MAC_CTX* context = contexts_->mac.get();
  must(EVP_MAC_init(context, nullptr, 0, nullptr));  // the key stays
  update(context, {input, sizeof input});
  Mac mac = finish(context);
  go_on_after(mac);
  return mac;
}

std::array<char, 16> Chain::prev() const {
  std::array<char, 16> text{};
  for (std::size_t at = 0; at < 8; ++at) {
    text[2 * at] = hex[link_[at] >> 4];
    text[2 * at + 1] = hex[link_[at] & 15];
  }
  return text;
}

Mac key_fingerprint(const Key& key) {
  MacContext context = hmac_sha256(key);
  update(context.get(), key_domain);
  return finish(context.get());
}

std::string hexadecimal(std::span<const unsigned char> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (unsigned char byte : bytes) {
    text.push_back(hex[byte >> 4]);
    text.push_back(hex[byte & 15]);
  }
  return text;
}

bool is_hexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::optional<Mac> parse_mac(std::string_view text) {
  Mac mac{};
  if (text.size() != 2 * mac.size() || !is_hexadecimal(text)) return std::nullopt;
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t at = 0; at < mac.size(); ++at) {
    mac[at] = static_cast<unsigned char>(digit(text[2 * at]) << 4 | digit(text[2 * at + 1]));
  }
  return mac;
}

}  // namespace clawpatrol::audit
