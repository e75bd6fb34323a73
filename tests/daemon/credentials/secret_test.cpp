#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <random>

#include "daemon/credentials/process_secrets.h"
#include "daemon/credentials/store.h"
#include "daemon/ring/fd.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;

namespace {

// The kernel's flags of the mapping that holds an address, or "" where nothing is mapped.
std::string mapping_flags(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool within = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) within = wanted >= begin && wanted < end;
    if (within && line.starts_with("VmFlags:")) return line.substr(8) + " ";
  }
  return "";
}

constexpr char mask = 0x5a;

// How often a text, given masked so that looking for it leaves no copy, is in our writable memory. What is
// read is held in one place that is passed over, and wiped.
int copies_in_memory(const std::string& masked) {
  static Secret window(std::size_t{1} << 20);
  std::ifstream maps("/proc/self/maps");
  Fd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  auto own = reinterpret_cast<unsigned long>(window.writable().data());
  auto own_end = own + window.writable().size();
  auto is_text = [&](std::size_t at) {
    for (std::size_t byte = 0; byte < masked.size(); ++byte) {
      if ((window.writable()[at + byte] ^ mask) != masked[byte]) return false;
    }
    return true;
  };
  int found = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char readable = 0, writable = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %c%c", &begin, &end, &readable, &writable) != 4) continue;
    bool sanitizer_shadow = end - begin > (256ul << 20);
    if (readable != 'r' || writable != 'w' || sanitizer_shadow) continue;
    std::size_t step = window.writable().size() - masked.size() + 1;
    for (unsigned long at = begin; at < end; at += step) {
      if (at >= own && at < own_end) at = own_end;  // never itself
      if (at >= end) break;
      std::size_t size =
          std::min<std::size_t>(window.writable().size(), (at < own ? std::min(end, own) : end) - at);
      step = size == window.writable().size() ? size - masked.size() + 1 : size;
      ssize_t count = ::pread(memory.get(), window.writable().data(), size, static_cast<off_t>(at));
      for (ssize_t byte = 0; byte + static_cast<ssize_t>(masked.size()) <= count; ++byte) {
        found += is_text(static_cast<std::size_t>(byte)) ? 1 : 0;
      }
    }
  }
  OPENSSL_cleanse(window.writable().data(), window.writable().size());
  return found;
}

std::string random_masked() {
  std::random_device random;
  std::string masked;
  for (int at = 0; at < 40; ++at) masked.push_back(static_cast<char>(('a' + random() % 26) ^ mask));
  return masked;
}

void fill(Secret& secret, const std::string& masked) {
  for (std::size_t at = 0; at < masked.size(); ++at)
    secret.writable()[at] = static_cast<char>(masked[at] ^ mask);
}

}  // namespace

TEST_CASE("a secret's pages are locked, kept out of core files and of children, and gone when it is") {
  const char* address = nullptr;
  {
    Secret secret("s3cret");
    address = secret.reveal().data();
    std::string flags = mapping_flags(address);
    INFO(flags);
    CHECK(flags.find(" dd ") != std::string::npos);
    CHECK(flags.find(" wf ") != std::string::npos);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)  // they make mlock do nothing
    CHECK(flags.find(" lo ") != std::string::npos);
#endif
    pid_t child = ::fork();
    if (child == 0) ::_exit(address[0] == 0 ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
  }
  CHECK(mapping_flags(address).find(" dd ") == std::string::npos);
}

TEST_CASE("of a secret that could not be locked somebody is told, once") {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  WARN("not looked at: sanitizers make mlock do nothing");
#else
  REQUIRE(secrets_are_locked());
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  static int out;
  out = ends[1];
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit one_page{4096, 4096};
    if (::setrlimit(RLIMIT_MEMLOCK, &one_page) != 0 || ::setuid(65534) != 0) ::_exit(2);
    tell_of_unlocked_secret([](const Error& why) {
      const std::string line = why.what + "\n";
      (void)!::write(out, line.data(), line.size());
    });
    const Secret first("fits");
    const bool fitted = secrets_are_locked();
    const Secret second("does not"), third("does not either");
    const bool used = second.reveal() == "does not" && third.reveal() == "does not either";
    ::_exit(fitted && used && !secrets_are_locked() ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  CHECK(said ==
        "memory for a secret could not be locked: it may be swapped out: Cannot allocate memory\n"
        "hint: Raise the limit on locked memory (LimitMEMLOCK=), or have no swap.\n");
#endif
}

TEST_CASE("a secret moves, and never has two owners") {
  Secret one("one"), two("two");
  two = std::move(one);
  CHECK(two.reveal() == "one");
  CHECK(one.empty());
  Secret three(std::move(two));
  CHECK(three.reveal() == "one");
  CHECK(two.empty());
  three = Secret();
  CHECK(three.empty());
  CHECK(Secret("").empty());
  CHECK(Secret(std::size_t{100000}).reveal() == std::string(100000, '\0'));
}

TEST_CASE("a value is nowhere in memory but in what get() returned, and nowhere after that") {
  ::unsetenv("CREDENTIALS_DIRECTORY");
  const tests::TemporaryDirectory made;
  const std::filesystem::path& root = made.path;
  std::string masked = random_masked();
  {
    auto store = Store::open(root / "credentials").value();
    {
      Secret value(masked.size());
      fill(value, masked);
      CHECK(copies_in_memory(masked) == 1);  // the search can find it
      REQUIRE(store->set("name", value.reveal()));
      CHECK(copies_in_memory(masked) == 1);
    }
    CHECK(copies_in_memory(masked) == 0);
    {
      auto secret = store->get("name");
      REQUIRE(secret);
      CHECK(copies_in_memory(masked) == 1);
    }
    CHECK(copies_in_memory(masked) == 0);
  }
}

TEST_CASE("a process can forbid core files of itself") {
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    rlimit limit{};
    bool done = disable_core_dumps().has_value();
    bool forbidden = ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && ::getrlimit(RLIMIT_CORE, &limit) == 0 &&
                     limit.rlim_max == 0;
    ::_exit(done && forbidden ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("OpenSSL's private keys lie in pages that are locked and in no core file") {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> made(EVP_EC_gen("P-256"), EVP_PKEY_free);
  std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new(BIO_s_mem()), BIO_free);
  REQUIRE(PEM_write_bio_PrivateKey(pem.get(), made.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  REQUIRE(lock_private_keys(100));
  const std::size_t before = CRYPTO_secure_used();
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(pem.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  REQUIRE(key);
  CHECK(CRYPTO_secure_used() >= before + 32);  // the number that it is
  void* beside = OPENSSL_secure_malloc(32);
  REQUIRE(CRYPTO_secure_allocated(beside) == 1);
  const std::string flags = mapping_flags(beside);
  CHECK(flags.find(" lo ") != std::string::npos);
  CHECK(flags.find(" dd ") != std::string::npos);
  OPENSSL_secure_free(beside);
  // What a process may not lock, somebody is told of.
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit little{4096, 4096};
    if (::setrlimit(RLIMIT_MEMLOCK, &little) != 0 || ::setuid(65534) != 0) ::_exit(2);
    CRYPTO_secure_malloc_done();
    ::_exit(lock_private_keys(100) ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
