#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "daemon/credentials/process_secrets.h"
#include "daemon/credentials/store.h"

namespace clawpatrol::credentials {

namespace {

// Whole pages, so that locking and keeping out of core files concern nothing else.
std::size_t mapped(std::size_t size) {
  auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

}  // namespace

Secret::Secret(std::size_t size) {
  if (size == 0) return;
  void* pages = ::mmap(nullptr, mapped(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  // The limit may be small; swap is then the operator's concern, who is told.
  if (::mlock(pages, mapped(size)) != 0) note_unlocked_secret(errno);
  ::madvise(pages, mapped(size), MADV_DONTDUMP);
  ::madvise(pages, mapped(size), MADV_WIPEONFORK);
  data_ = static_cast<char*>(pages);
  size_ = size;
}

Secret::Secret(std::string_view bytes) : Secret(bytes.size()) {
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  release();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void Secret::release() {
  if (data_ == nullptr) return;
  OPENSSL_cleanse(data_, size_);
  ::munmap(data_, mapped(size_));
}

}  // namespace clawpatrol::credentials
