// Secrets at rest and in memory. On disk: one file a credential, AES-256-GCM with the name as associated data,
// under a key from $CREDENTIALS_DIRECTORY/credential-key or a 0600 key file that is made at first use.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring/error.h"

namespace clawpatrol::credentials {

// Bytes that are locked in memory, kept out of core files, and wiped when released. Never printed.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view reveal() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Info {
  std::string name;
  std::uint64_t version = 0;  // changes with every set; an open connection whose version differs closes
  std::int64_t set_at_unix = 0;
};

// Thread-safe.
class Store {
 public:
  static std::expected<std::unique_ptr<Store>, Error> open(const std::filesystem::path& directory);
  ~Store();

  std::expected<Info, Error> set(std::string_view name, std::string_view value);  // refuses control bytes, NUL, over 64 KiB
  std::expected<void, Error> remove(std::string_view name);
  std::expected<Secret, Error> get(std::string_view name) const;
  std::uint64_t version(std::string_view name) const;  // 0: not there
  std::vector<Info> list() const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace clawpatrol::credentials
