#include "daemon/audit/texts.h"

#include <openssl/evp.h>

#include <array>
#include <cstdlib>

#include "daemon/audit/chain.h"

namespace clawpatrol::audit {

LongTexts::Reference LongTexts::refer(std::string_view text, std::uint64_t segment) {
  std::array<unsigned char, 32> digest{};
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), digest.data(), nullptr) != 1)
    std::abort();
  Reference reference{hexadecimal(digest)};
  std::lock_guard lock(mutex_);
  if (segment != segment_ || written_.size() >= capacity_) written_.clear();
  segment_ = segment;
  reference.must_be_written = written_.insert(reference.sha256).second;
  return reference;
}

void LongTexts::forget() {
  std::lock_guard lock(mutex_);
  written_.clear();
}

}  // namespace clawpatrol::audit
