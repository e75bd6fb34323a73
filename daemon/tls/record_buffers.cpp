#include "daemon/tls/record_buffers.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <array>
#include <cstddef>
#include <cstdlib>

namespace clawpatrol::tls {

namespace {

// A record's most bytes (RFC 8446, 5.2), with what OpenSSL puts around it.
constexpr std::size_t least = 16 << 10, most = 18 << 10;

// What one thread keeps: all of one size, the one used last on top, which is still in the cache.
class Kept {
 public:
  ~Kept() {
    while (count_ > 0) std::free(buffers_[--count_]);
    closed_ = true;
  }
  void* take() { return count_ > 0 ? buffers_[--count_] : nullptr; }
  bool keep(void* buffer) {
    if (closed_ || count_ == buffers_.size()) return false;
    buffers_[count_++] = buffer;
    return true;
  }

 private:
  std::array<void*, 8> buffers_{};
  std::size_t count_ = 0;
  bool closed_ = false;  // the thread ends; OpenSSL gives back what it has of it later
};
thread_local Kept kept;

void* take(std::size_t size, const char*, int) {
  if (size <= least || size > most) return std::malloc(size);
  void* buffer = kept.take();
  return buffer ? buffer : std::malloc(most);
}

void* resize(void* memory, std::size_t size, const char*, int) {
  return std::realloc(memory, size);
}

// By its size alone: any memory of it will do.
void give_back(void* memory, const char*, int) {
  const std::size_t size = memory ? malloc_usable_size(memory) : 0;
  const bool fits = size >= most && size < most + 64;
  if (!fits || !kept.keep(memory)) std::free(memory);
}

}  // namespace

bool keep_record_buffers() {
  return CRYPTO_set_mem_functions(take, resize, give_back) == 1;
}

}  // namespace clawpatrol::tls
