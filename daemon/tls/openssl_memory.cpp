#include "daemon/tls/openssl_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace clawpatrol::tls {

namespace {

// A record's most bytes (RFC 8446, 5.2), with what OpenSSL puts around it.
constexpr std::size_t least = 16 << 10, most = 18 << 10;
// Of a block that becomes smaller so much may stay unused behind it.
constexpr std::size_t most_idle = 1 << 10;

// Three of four that OpenSSL gives back are of a few words, for which a call costs more than the work.
inline void wipe(void* memory, std::size_t size) {
  if (size <= 64 && size % sizeof(std::uint64_t) == 0) {
    auto* words = static_cast<std::uint64_t*>(memory);
#pragma clang loop vectorize(disable) unroll(disable)
    for (std::size_t at = 0; at < size / sizeof(std::uint64_t); ++at) words[at] = 0;
  } else {
    std::memset(memory, 0, size);
  }
  asm volatile("" : : "r"(memory) : "memory");  // or the compiler may leave out what nobody reads
}

// What one thread keeps: all of one size, the one used last on top, which is still in the cache.
class Kept {
 public:
  ~Kept() {
    while (count_ > 0) {
      wipe(buffers_[--count_], most);
      std::free(buffers_[count_]);
    }
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

// By its size alone: any memory of it will do. What is kept is not overwritten, but by the next record.
void give_back(void* memory, const char*, int) {
  if (!memory) return;
  const std::size_t size = malloc_usable_size(memory);
  const bool fits = size >= most && size < most + 64;
  if (fits && kept.keep(memory)) return;
  wipe(memory, size);
  std::free(memory);
}

// Not by the C library, which leaves what was there where it moves it, and what is behind where it does not.
void* resize(void* memory, std::size_t size, const char* file, int line) {
  if (!memory) return take(size, file, line);
  if (size == 0) {
    give_back(memory, file, line);
    return nullptr;
  }
  const std::size_t usable = malloc_usable_size(memory);
  if (size <= usable && usable - size < most_idle) {
    std::memset(static_cast<char*>(memory) + size, 0, usable - size);
    return memory;
  }
  void* other = take(size, file, line);
  if (!other) return nullptr;
  std::memcpy(other, memory, std::min(size, usable));
  give_back(memory, file, line);
  return other;
}

}  // namespace

bool serve_openssl_memory() {
  return CRYPTO_set_mem_functions(take, resize, give_back) == 1;
}

}  // namespace clawpatrol::tls
