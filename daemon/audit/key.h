// The key that MACs the chain: 32 random bytes in a file of their own, wiped from memory when released.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>

#include "daemon/ring/error.h"

namespace clawpatrol::audit {

class Key {
 public:
  static constexpr std::size_t size = 32;

  // For reading a log: any user who may read the file.
  static std::expected<Key, Error> load(const std::filesystem::path& path);
  // For writing one: the file is the owner's alone.
  static std::expected<Key, Error> load_private(const std::filesystem::path& path);
  // Fails with EEXIST where the file is there.
  static std::expected<Key, Error> make(const std::filesystem::path& path);

  Key(Key&& other) noexcept;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  Key& operator=(Key&&) = delete;
  ~Key();

  const std::array<unsigned char, size>& bytes() const { return bytes_; }
  // Names the key without telling it: stands in the first line of every segment, so that a log under another
  // key is told from one that was changed.
  std::string id() const;

 private:
  Key() = default;
  std::array<unsigned char, size> bytes_{};
};

}  // namespace clawpatrol::audit
