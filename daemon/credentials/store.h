// Secrets at rest and in memory. On disk: one file a credential, AES-256-GCM with the name as associated
// data, under a key from $CREDENTIALS_DIRECTORY/credential-key or a 0600 key file that is made at first use.
// Format: docs/formats.md.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring/error.h"

namespace clawpatrol::credentials {

// Bytes that are locked in memory (where the limit on locked memory allows), kept out of core files and of
// forked children, and wiped when released. Never printed.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  explicit Secret(std::size_t size);  // zeros, to be filled in place
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { release(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view reveal() const { return {data_, size_}; }
  std::span<char> writable() { return {data_, size_}; }
  bool empty() const { return size_ == 0; }

 private:
  void release();
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Info {
  std::string name;
  std::uint64_t version = 0;  // changes with every set; an open connection whose version differs closes
  std::int64_t set_at_unix = 0;
};

inline constexpr std::size_t longest_value = 64 << 10;
inline constexpr std::size_t longest_tokens = 256 << 10;

// Letters, digits, `_`, `-` and `.`, at most 128, beginning with a letter, a digit or `_`.
bool is_credential_name(std::string_view name);

// Thread-safe; one process at a time. Plain text is in memory only in what get() returns.
class Store {
 public:
  // Without a key in $CREDENTIALS_DIRECTORY the key is the file `credential-key` beside the directory, so
  // that a copy of the directory tells nothing. Refuses a store under another key, or whose key is gone.
  static std::expected<std::unique_ptr<Store>, Error> open(const std::filesystem::path& directory);
  ~Store();

  // Refuses an empty value, one over 64 KiB, and one with a control byte in it (NUL, newline, ...): a
  // trailing newline is the caller's to strip.
  std::expected<Info, Error> set(std::string_view name, std::string_view value);
  std::expected<void, Error> remove(std::string_view name);  // ENOENT where there is none

  // Decrypts the file as it is now. Ask for version() first: a value set in between is then a new one at the
  // next look, never an old one taken for new.
  std::expected<Secret, Error> get(std::string_view name) const;

  // What a server gave in place of a part of the value, such as the next refresh token; sealed like it, and
  // gone with it. `version` is the value's that it came of: refused where that is not the one set last.
  std::expected<void, Error> keep_successor(std::string_view name, std::uint64_t version,
                                            std::string_view value);
  // Empty: none was kept for this version. One that does not verify is an error.
  std::expected<Secret, Error> successor(std::string_view name, std::uint64_t version) const;

  // What servers were given by means of a credential and may still say back, in a form of the caller's;
  // sealed like a value, but of no version, and not gone with the value: what was given may be good for
  // longer. On the disk when it returns. At most 256 KiB; empty: what was kept is removed.
  std::expected<void, Error> keep_tokens(std::string_view name, std::string_view bytes);
  // Empty: none are kept. Those that do not verify are an error, and stay where they are.
  std::expected<Secret, Error> tokens(std::string_view name) const;
  std::vector<std::string> with_tokens() const;  // names that had a file of tokens when the store was opened

  // 0: not there, or its file did not verify when the store was opened. Never given twice to one name, over
  // removal and restarts. Does not wait for a set() that is being written.
  std::uint64_t version(std::string_view name) const;
  std::vector<Info> list() const;  // by name

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace clawpatrol::credentials
