#include "daemon/gateway/postgres/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace clawpatrol::postgres {
namespace {

using Digest = SaltedPassword;  // all of them are SHA-256

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  // EVP_EncodeBlock writes a NUL behind the text, where std::string keeps its own.
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return text;
}

std::string base64(const Digest& digest) {
  return base64(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

// Strict: what is decoded encodes to the same text.
std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 1024) return {};
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  if (base64(bytes) != text) return {};
  return bytes;
}

Digest hmac(const Digest& key, std::string_view data) {
  Digest out{};
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const unsigned char*>(data.data()), data.size(), out.data(), nullptr))
    std::abort();
  return out;
}

Digest sha256(const Digest& data) {
  Digest out{};
  if (!EVP_Digest(data.data(), data.size(), out.data(), nullptr, EVP_sha256(), nullptr)) std::abort();
  return out;
}

struct ServerFirst {
  std::string_view nonce;
  std::string salt;
  int iterations = 0;
};

// `r=...,s=...,i=...`; an extension that we do not know (`m=`) comes first and so fails.
bool read_server_first(std::string_view text, ServerFirst& out) {
  const std::size_t salt_at = text.find(",s=");
  const std::size_t count_at =
      text.find(",i=", salt_at == std::string_view::npos ? text.size() : salt_at + 3);
  if (!text.starts_with("r=") || salt_at == std::string_view::npos || count_at == std::string_view::npos)
    return false;
  out.nonce = text.substr(2, salt_at - 2);
  out.salt = from_base64(text.substr(salt_at + 3, count_at - salt_at - 3));
  std::string_view count = text.substr(count_at + 3);
  count = count.substr(0, count.find(','));
  auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), out.iterations);
  return error == std::errc() && end == count.data() + count.size() && !out.salt.empty();
}

constexpr std::string_view plain_mechanism = "SCRAM-SHA-256", plus_mechanism = "SCRAM-SHA-256-PLUS";
// Without a name to act for (RFC 5802, 7), which PostgreSQL does not know.
const std::vector<std::string_view> plain_headers = {"n,,", "y,,"},
                                    plus_headers = {"p=tls-server-end-point,,"};

std::string random_nonce() {
  unsigned char raw[24];
  if (RAND_bytes(raw, sizeof raw) != 1) std::abort();
  return base64(std::string_view(reinterpret_cast<const char*>(raw), sizeof raw));
}

std::string hex_md5(std::string_view first, std::string_view second) {
  std::string joined(first);
  joined += second;
  unsigned char out[16];
  if (!EVP_Digest(joined.data(), joined.size(), out, nullptr, EVP_md5(), nullptr)) return {};
  OPENSSL_cleanse(joined.data(), joined.size());
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : out) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

}  // namespace

Scram::Scram(std::string nonce) : Scram(std::move(nonce), "n,,", "") {}
Scram::Scram(std::string nonce, std::string header, std::string_view end_point)
    : nonce_(std::move(nonce)), header_(std::move(header)), bound_(end_point) {}

std::optional<Scram> Scram::choose(const std::vector<std::string_view>& offered, std::string_view end_point) {
  auto is_offered = [&](std::string_view name) { return std::ranges::find(offered, name) != offered.end(); };
  if (!end_point.empty() && is_offered(plus_mechanism))
    return Scram(random_nonce(), "p=tls-server-end-point,,", end_point);
  if (!is_offered(plain_mechanism)) return std::nullopt;
  return Scram(random_nonce(), end_point.empty() ? "n,," : "y,,", "");
}

std::string_view Scram::mechanism() const {
  return bound_.empty() ? plain_mechanism : plus_mechanism;
}
Scram::~Scram() {
  OPENSSL_cleanse(server_signature_.data(), server_signature_.size());
}

std::string Scram::client_first_bare() const {
  return "n=" + user + ",r=" + nonce_;
}
std::string Scram::client_first() const {
  return header_ + client_first_bare();
}

std::expected<std::string, Scram::Failure> Scram::client_final(std::string_view server_first,
                                                               const Salt& salt) {
  ServerFirst first;
  if (!read_server_first(server_first, first))
    return std::unexpected("the server's SCRAM message is malformed");
  if (!first.nonce.starts_with(nonce_) || first.nonce.size() == nonce_.size())
    return std::unexpected("the server's SCRAM nonce is not an extension of ours");
  if (first.iterations < least_iterations || first.iterations > most_iterations)
    return std::unexpected("the server's SCRAM iteration count is out of bounds");
  Digest salted{};
  if (!salt(first.salt, first.iterations, salted)) return std::unexpected("SCRAM key derivation failed");
  const std::string without_proof = "c=" + base64(header_ + bound_) + ",r=" + std::string(first.nonce);
  const std::string message = client_first_bare() + "," + std::string(server_first) + "," + without_proof;
  Digest proof = hmac(salted, "Client Key");
  const Digest signature = hmac(sha256(proof), message);
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= signature[i];
  server_signature_ = base64(hmac(hmac(salted, "Server Key"), message));
  OPENSSL_cleanse(salted.data(), salted.size());
  return without_proof + ",p=" + base64(proof);
}

bool Scram::verify(std::string_view server_final) const {
  if (server_signature_.empty() || !server_final.starts_with("v=")) return false;
  server_final.remove_prefix(2);
  server_final = server_final.substr(0, server_final.find(','));
  return server_final.size() == server_signature_.size() &&
         CRYPTO_memcmp(server_final.data(), server_signature_.data(), server_final.size()) == 0;
}

ScramServer::ScramServer(std::string end_point, std::string salt)
    : ScramServer(std::move(end_point), std::move(salt), random_nonce()) {}
ScramServer::ScramServer(std::string end_point, std::string salt, std::string nonce)
    : end_point_(std::move(end_point)), salt_(std::move(salt)), nonce_(std::move(nonce)) {}

std::vector<std::string_view> ScramServer::mechanisms() const {
  if (end_point_.empty()) return {plain_mechanism};
  return {plus_mechanism, plain_mechanism};
}

std::expected<std::string, ScramServer::Failure> ScramServer::first(std::string_view mechanism,
                                                                    std::string_view client_first) {
  const bool plus = mechanism == plus_mechanism && !end_point_.empty();
  if (!plus && mechanism != plain_mechanism) return std::unexpected("the mechanism was not offered");
  // A client that could bind, and was not offered to by who stands between: not what we have offered.
  if (client_first.starts_with("y,") && !end_point_.empty())
    return std::unexpected("the client was not told that the channel can be bound");
  for (std::string_view header : plus ? plus_headers : plain_headers)
    if (client_first.starts_with(header)) header_ = header;
  if (header_.empty()) return std::unexpected("the client binds another channel, or none");
  std::string_view bare = client_first.substr(header_.size());
  const std::size_t nonce_at = bare.find(",r=");
  if (!bare.starts_with("n=") || nonce_at == std::string_view::npos)
    return std::unexpected("the client's SCRAM message is malformed");
  std::string_view nonce = bare.substr(nonce_at + 3);
  if (nonce.empty() || nonce.find(',') != std::string_view::npos)
    return std::unexpected("the client's SCRAM message is malformed");
  nonce_ = std::string(nonce) + nonce_;
  const std::string message =
      "r=" + nonce_ + ",s=" + base64(salt_) + ",i=" + std::to_string(least_iterations);
  conversation_ = std::string(bare) + "," + message;
  return message;
}

std::expected<std::string, ScramServer::Failure> ScramServer::final(std::string_view client_final,
                                                                    const SaltedPassword& salted) {
  const std::string bound = header_.starts_with("p=") ? header_ + end_point_ : header_;
  const std::string without_proof = "c=" + base64(bound) + ",r=" + nonce_;
  const std::size_t proof_at = without_proof.size();
  if (header_.empty() || !client_final.starts_with(without_proof) ||
      client_final.substr(proof_at, 3) != ",p=")
    return std::unexpected("the client is not at the other end of this connection");
  const std::string proof = from_base64(client_final.substr(proof_at + 3));
  const std::string message = conversation_ + "," + without_proof;
  const Digest stored = sha256(hmac(salted, "Client Key"));
  Digest key = hmac(stored, message);
  if (proof.size() != key.size()) return std::unexpected("the client's SCRAM message is malformed");
  for (std::size_t i = 0; i < key.size(); ++i) key[i] ^= static_cast<unsigned char>(proof[i]);
  const Digest claimed = sha256(key);
  if (CRYPTO_memcmp(claimed.data(), stored.data(), stored.size()) != 0)
    return std::unexpected("the password is another");
  return "v=" + base64(hmac(hmac(salted, "Server Key"), message));
}

std::string md5_answer(std::string_view user, std::string_view password, std::string_view salt) {
  return "md5" + hex_md5(hex_md5(password, user), salt);
}

}  // namespace clawpatrol::postgres
