#include "daemon/audit/texts.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>

#include "daemon/audit/chain.h"
#include "daemon/audit/log.h"

namespace clawpatrol::audit {

std::size_t LongTexts::Hash::operator()(const Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

void LongTexts::append(std::string& out, std::string_view text, std::uint64_t segment) {
  if (text.size() <= longest_inline) return append_json_string(out, text);
  if (segment != segment_ || written_.size() >= capacity_) written_.clear();
  segment_ = segment;
  Digest digest{};
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), digest.data(), nullptr) != 1)
    std::abort();
  out += R"({"sha256":")";
  out += hexadecimal(digest);
  out += '"';
  if (written_.insert(digest).second) {
    out += R"(,"text":)";
    append_json_string(out, text);
  }
  out += '}';
}

}  // namespace clawpatrol::audit
