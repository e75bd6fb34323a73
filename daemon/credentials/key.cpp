// Where the key that seals the credentials comes from.
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/credentials/credential_file.h"
#include "daemon/files/private_directory.h"

namespace clawpatrol::credentials {

namespace {

constexpr std::size_t longest_given_key = 4096;

// Empty: systemd hands over none.
std::filesystem::path handed_over_path() {
  const char* given = std::getenv("CREDENTIALS_DIRECTORY");
  if (given == nullptr || *given == '\0') return {};
  return std::filesystem::path(given) / "credential-key";
}

Error cannot_use(const std::filesystem::path& path, std::string_view why) {
  return Error{EINVAL, fmt::format("cannot use the credential key '{}': {}", path.string(), why)};
}

// What systemd hands over may be of any form, so long as there is enough of it: the key is its digest. Its
// owner and group are systemd's business, but it must not be everyone's.
std::expected<Secret, Error> given_key(const std::filesystem::path& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return std::unexpected(os_error(errno, fmt::format("cannot open '{}'", path.string())));
  struct stat info{};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return std::unexpected(cannot_use(path, "not a file"));
  if ((info.st_mode & 07) != 0) return std::unexpected(cannot_use(path, "every user can read it"));
  Secret text(longest_given_key);
  ssize_t size = ::read(file.get(), text.writable().data(), longest_given_key);
  if (size < 0) return std::unexpected(os_error(errno, fmt::format("cannot read '{}'", path.string())));
  if (static_cast<std::size_t>(size) < key_size)
    return std::unexpected(cannot_use(path, "shorter than 32 bytes"));
  if (size == longest_given_key) return std::unexpected(cannot_use(path, "longer than 4 KiB"));
  Secret key(key_size);
  auto* digest = reinterpret_cast<unsigned char*>(key.writable().data());
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, text.reveal().data(), static_cast<std::size_t>(size), digest,
                   nullptr) != 1) {
    std::abort();
  }
  return key;
}

std::expected<Secret, Error> make_key(const PrivateDirectory& directory, const std::string& name) {
  Secret key(key_size);
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.writable().data()), static_cast<int>(key_size)) != 1) {
    return std::unexpected(Error{0, "cannot draw a random credential key"});
  }
  if (auto made = directory.create(name, key.reveal()); !made) return std::unexpected(made.error());
  return key;
}

}  // namespace

bool key_is_handed_over() {
  const std::filesystem::path path = handed_over_path();
  return !path.empty() && ::access(path.c_str(), F_OK) == 0;
}

std::expected<Secret, Error> load_key(const std::filesystem::path& fallback, MissingKey missing) {
  if (const std::filesystem::path given = handed_over_path(); !given.empty()) {
    auto key = given_key(given);
    if (key || key.error().code != ENOENT) return key;
  }
  auto directory = PrivateDirectory::open(fallback.parent_path(), Others::may_list);
  if (!directory) return std::unexpected(directory.error());
  Secret key(key_size);
  auto size = directory->read(fallback.filename(), key.writable());
  if (size && *size == key_size) return key;
  if (size) return std::unexpected(cannot_use(fallback, "shorter than 32 bytes"));
  if (size.error().code != ENOENT) return std::unexpected(size.error());
  if (missing == MissingKey::make) return make_key(*directory, fallback.filename());
  return std::unexpected(
      Error{ENOENT, fmt::format("cannot open the credentials: their key '{}' is gone\nhint: Put the key "
                                "back, or keep the directory aside and set every credential anew.",
                                fallback.string())});
}

}  // namespace clawpatrol::credentials
