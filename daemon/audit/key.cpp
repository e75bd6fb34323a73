#include "daemon/audit/key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <unistd.h>

#include <span>

#include "daemon/audit/chain.h"
#include "daemon/files/private_directory.h"

namespace clawpatrol::audit {

namespace {

Error wrong_length(const std::filesystem::path& path) {
  return Error{EINVAL, fmt::format("cannot use the audit key '{}': it is not {} bytes long", path.string(),
                                   Key::size)};
}

std::expected<PrivateDirectory, Error> directory_of(const std::filesystem::path& path) {
  return PrivateDirectory::open(path.has_parent_path() ? path.parent_path() : ".", Others::may_list);
}

}  // namespace

std::expected<Key, Error> Key::load(const std::filesystem::path& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file)
    return std::unexpected(os_error(errno, fmt::format("cannot open the audit key '{}'", path.string())));
  Key key;
  char beyond = 0;
  ssize_t count = ::read(file.get(), key.bytes_.data(), size);
  if (count < 0) return std::unexpected(os_error(errno, fmt::format("cannot read '{}'", path.string())));
  if (count != size || ::read(file.get(), &beyond, 1) != 0) return std::unexpected(wrong_length(path));
  return key;
}

std::expected<Key, Error> Key::load_private(const std::filesystem::path& path) {
  auto directory = directory_of(path);
  if (!directory) return std::unexpected(directory.error());
  Key key;
  std::span<char> buffer(reinterpret_cast<char*>(key.bytes_.data()), size);
  auto count = directory->read(path.filename(), buffer);
  if (!count) return std::unexpected(count.error());
  if (*count != size) return std::unexpected(wrong_length(path));
  return key;
}

std::expected<Key, Error> Key::make(const std::filesystem::path& path) {
  auto directory = directory_of(path);
  if (!directory) return std::unexpected(directory.error());
  Key key;
  if (::getrandom(key.bytes_.data(), size, 0) != size) {
    return std::unexpected(os_error(errno, "cannot draw a random audit key"));
  }
  std::string_view bytes(reinterpret_cast<const char*>(key.bytes_.data()), size);
  if (auto made = directory->create(path.filename(), bytes); !made) return std::unexpected(made.error());
  return key;
}

Key::Key(Key&& other) noexcept : bytes_(other.bytes_) {
  OPENSSL_cleanse(other.bytes_.data(), size);
}

Key::~Key() {
  OPENSSL_cleanse(bytes_.data(), size);
}

std::string Key::id() const {
  return hexadecimal(key_fingerprint(*this)).substr(0, 16);
}

}  // namespace clawpatrol::audit
