#include "daemon/credentials/wiped_frees.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <new>

#include "daemon/credentials/process_secrets.h"

namespace {

constinit thread_local unsigned wiping = 0;

}  // namespace

namespace clawpatrol::credentials {

WipedFrees::WipedFrees() {
  ++wiping;
}
WipedFrees::~WipedFrees() {
  if (--wiping == 0) forget_registers();
}

}  // namespace clawpatrol::credentials

// A sanitizer has operators of its own, which keep what was freed from being read.
#if !__has_feature(address_sanitizer)

static void give_back(void* memory) noexcept {
  if (wiping > 0 && memory) OPENSSL_cleanse(memory, ::malloc_usable_size(memory));
  std::free(memory);
}

// For the whole program; operator new is the library's, on malloc(3) and aligned_alloc(3). Weak: a program
// that counts its allocations has its own.
#define CLAWPATROL_WEAK __attribute__((weak))
CLAWPATROL_WEAK void operator delete(void* memory) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete[](void* memory) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete(void* memory, std::size_t) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete[](void* memory, std::size_t) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete(void* memory, std::align_val_t) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete[](void* memory, std::align_val_t) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  give_back(memory);
}
CLAWPATROL_WEAK void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  give_back(memory);
}

#endif
