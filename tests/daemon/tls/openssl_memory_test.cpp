#include "daemon/tls/openssl_memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "daemon/credentials/process_secrets.h"
#include "daemon/credentials/store.h"
#include "daemon/ring/fd.h"
#include "daemon/tls/client_context.h"
#include "parsers/bytes.h"
#include "tests/daemon/tls/authority.h"
#include "tests/heap.h"

using namespace clawpatrol;

namespace {

// In a process that has not used OpenSSL: 0, or the line that went wrong.
int use_buffers() {
  if (!tls::serve_openssl_memory()) return __LINE__;
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
  if (OPENSSL_realloc(nullptr, 0) == nullptr && OPENSSL_realloc(OPENSSL_malloc(10), 0) != nullptr)
    return __LINE__;
  auto* shrunk = static_cast<char*>(OPENSSL_malloc(200));
  std::memset(shrunk, 7, 200);
  shrunk = static_cast<char*>(OPENSSL_realloc(shrunk, 100));
  for (int at = 0; at < 100; ++at)
    if (shrunk[at] != 7 || shrunk[100 + at] != 0) return __LINE__;  // it did not move
  auto* far = static_cast<char*>(OPENSSL_malloc(9'000));
  std::memset(far, 7, 9'000);
  far = static_cast<char*>(OPENSSL_realloc(far, 3'000));
  for (int at = 0; at < 3'000; ++at)
    if (far[at] != 7) return __LINE__;
  if (malloc_usable_size(far) > 4'096) return __LINE__;
  OPENSSL_free(far);
  OPENSSL_free(shrunk);
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

// A test of this program by name, in a process in which nothing has used OpenSSL: its exit status.
int run_anew(const char* test) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::execl("/proc/self/exe", "openssl_memory", test, nullptr);
    _exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

TEST_CASE("record buffers are kept, a few, and everything else is malloc's") {
  CHECK(run_anew("record buffers in a new process") == 0);
}

TEST_CASE("record buffers in a new process", "[.]") {
  CHECK(use_buffers() == 0);
}

#if !__has_feature(address_sanitizer)  // which keeps what is given back, and from being read

namespace {

constexpr const char* key_file = "CLAWPATROL_TEST_KEY";

void append(std::string& out, std::string_view part) {
  Writer(out).u32(static_cast<std::uint32_t>(part.size())).bytes(part);
}

// One of a key's numbers as DER writes it, and as OpenSSL computes with it; of each some bytes of the middle.
void append_number(std::string& out, EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_clear_free(number);
  for (int turn = 0; turn < 2; ++turn) {
    append(out, std::string_view(bytes).substr(bytes.size() / 2 - 6, 12));
    std::ranges::reverse(bytes);
  }
}

// A client's certificate and key, and what of the key is sought, in a file for another process.
void write_key(const std::string& path, tls::Key key, const std::vector<const char*>& numbers) {
  std::string out, pem(8192, '\0');
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  REQUIRE(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  pem.resize(static_cast<std::size_t>(BIO_read(bio.get(), pem.data(), static_cast<int>(pem.size()))));
  std::string sought;
  for (const char* number : numbers) append_number(sought, key.get(), number);
  append(out, tls::sign(std::move(key), {}).pem());
  append(out, pem);
  append(sought, pem.substr(pem.find('\n') + 30, 24));  // of the first line: what it is in base64
  std::ofstream(path, std::ios::binary) << out << sought;
}

// Nothing of it is ever in the heap.
credentials::Secret read_key() {
  credentials::Secret bytes(std::size_t{16} << 10);
  const Fd file(::open(std::getenv(key_file), O_RDONLY | O_CLOEXEC));
  REQUIRE(::read(file.get(), bytes.writable().data(), bytes.writable().size()) > 0);
  return bytes;
}

struct Left {
  std::size_t loaded = 0, has_signed = 0, at_last = 0;
};

// What of a key is in the heap of who shows it to a server.
Left use_key() {
  REQUIRE(credentials::lock_private_keys(10));
  const credentials::Secret bytes = read_key();
  Reader reader(bytes.reveal());
  const std::string_view certificate = reader.bytes(reader.u32()), key = reader.bytes(reader.u32());
  std::vector<std::string_view> sought;
  while (const std::uint32_t size = reader.u32()) sought.push_back(reader.bytes(size));
  REQUIRE(sought.size() >= 3);
  auto found = [&] {
    std::size_t count = 0;
    for (std::string_view each : sought) count += tests::occurrences_in_heap(each);
    return count;
  };
  Left left;
  REQUIRE(found() == 0);
  {
    auto context = tls::ClientContext::create(tls::Verify::chain, certificate, {certificate, key});
    REQUIRE(context);
    left.loaded = found();
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> signing(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    unsigned char signature[1024];
    std::size_t size = sizeof signature;
    REQUIRE(EVP_DigestSignInit(signing.get(), nullptr, EVP_sha256(), nullptr,
                               SSL_CTX_get0_privatekey((*context)->get())) == 1);
    REQUIRE(EVP_DigestSign(signing.get(), signature, &size, reinterpret_cast<const unsigned char*>("x"), 1) ==
            1);
    left.has_signed = found();
  }
  left.at_last = found();
  return left;
}

}  // namespace

TEST_CASE("nothing of a private key stays in the heap of who loaded it, nor once it has signed and is gone") {
  char pattern[] = "/tmp/clawpatrol-key-XXXXXX";
  const std::filesystem::path directory = ::mkdtemp(pattern);
  const std::string path = directory / "key";
  ::setenv(key_file, path.c_str(), 1);
  // The other half of each: what is sought can be found.
  SECTION("ECDSA") {
    write_key(path, tls::ec_key(), {OSSL_PKEY_PARAM_PRIV_KEY});
    CHECK(run_anew("a key in a new process") == 0);
    CHECK(run_anew("a key in a new process whose memory is malloc's") == 0);
  }
  SECTION("RSA") {
    write_key(path, tls::rsa_key(2048),
              {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2});
    CHECK(run_anew("a key in a new process") == 0);
    CHECK(run_anew("an RSA key that is in use in a new process") == 0);
  }
  ::unsetenv(key_file);
  std::filesystem::remove_all(directory);
}

TEST_CASE("a key in a new process", "[.]") {
  REQUIRE(tls::serve_openssl_memory());
  const Left left = use_key();
  CHECK(left.loaded == 0);
  CHECK(left.at_last == 0);
}

TEST_CASE("a key in a new process whose memory is malloc's", "[.]") {
  const Left left = use_key();
  CHECK(left.loaded > 0);
  CHECK(left.at_last > 0);
}

// A known limit (docs/threat-model.md): OpenSSL keeps what it computes from the primes as long as the key.
TEST_CASE("an RSA key that is in use in a new process", "[.]") {
  REQUIRE(tls::serve_openssl_memory());
  CHECK(use_key().has_signed > 0);
}

#endif
