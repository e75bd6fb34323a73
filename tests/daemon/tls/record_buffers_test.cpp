#include "daemon/tls/record_buffers.h"

#include <openssl/crypto.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>

using namespace clawpatrol;

namespace {

// In a process that has not used OpenSSL: 0, or the line that went wrong.
int use_buffers() {
  if (!tls::keep_record_buffers()) return __LINE__;
  void* first = OPENSSL_malloc(16'704);
  void* second = OPENSSL_malloc(17'000);
  if (!first || !second || first == second) return __LINE__;
  std::memset(first, 1, 16'704);
  std::memset(second, 2, 17'000);
  OPENSSL_free(first);
  OPENSSL_free(second);
  if (OPENSSL_malloc(16'900) != second) return __LINE__;  // the one used last
  if (OPENSSL_malloc(18 << 10) != first) return __LINE__;
  // Others are malloc's, and may become larger and smaller.
  auto* small = static_cast<char*>(OPENSSL_malloc(100));
  std::strcpy(small, "kept");
  small = static_cast<char*>(OPENSSL_realloc(small, 17'500));
  if (!small || std::strcmp(small, "kept") != 0) return __LINE__;
  second = OPENSSL_realloc(second, 40'000);
  OPENSSL_free(second);
  OPENSSL_free(small);
  std::array<void*, 40> many{};
  for (void*& each : many) {
    each = OPENSSL_malloc(16'500);
    std::memset(each, 3, 16'500);
  }
  for (void* each : many) OPENSSL_free(each);
  OPENSSL_free(first);
  OPENSSL_free(nullptr);
  return 0;
}

}  // namespace

// In a process of its own, in which nothing has used OpenSSL.
TEST_CASE("record buffers are kept, a few, and everything else is malloc's") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::execl("/proc/self/exe", "record_buffers", "record buffers in a new process", nullptr);
    _exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("record buffers in a new process", "[.]") {
  CHECK(use_buffers() == 0);
}
