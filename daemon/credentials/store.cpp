#include "daemon/credentials/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <mutex>

#include "daemon/credentials/credential_file.h"
#include "daemon/files/private_directory.h"

namespace clawpatrol::credentials {

namespace {

constexpr std::string_view suffix = ".credential";
// The last version given out, sealed as a credential of a name that no credential can have.
constexpr std::string_view counter_name = "/versions";
constexpr std::string_view counter_file = "versions";

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string file_of(std::string_view name) {
  return std::string(name).append(suffix);
}

// Beside the credential's file, and sealed under a name that no credential can have.
constexpr std::string_view successor_suffix = ".successor";

std::string successor_file(std::string_view name) {
  return std::string(name).append(successor_suffix);
}
std::string successor_name(std::string_view name) {
  return std::string(name).append("/successor");
}

// The same, of tokens.
constexpr std::string_view tokens_suffix = ".tokens";

std::string tokens_file(std::string_view name) {
  return std::string(name).append(tokens_suffix);
}
std::string tokens_name(std::string_view name) {
  return std::string(name).append("/tokens");
}

Error no_name() {
  return Error{EINVAL, "cannot use this as the name of a credential: letters, digits, '_', '-' and '.' only"};
}

Error not_set(std::string_view name) {
  return Error{ENOENT, fmt::format("no credential is set under the name '{}'", name)};
}

// Says what is wrong with a value, and nothing of what is in it.
const char* objection(std::string_view value) {
  if (value.empty()) return "the value is empty";
  if (value.size() > longest_value) return "the value is longer than 64 KiB";
  bool control =
      std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return control ? "the value has a control byte in it, such as a newline" : nullptr;
}

}  // namespace

bool is_credential_name(std::string_view name) {
  if (name.empty() || name.size() > 128 || name[0] == '-' || name[0] == '.') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.'; });
}

struct Store::State {
  State(PrivateDirectory opened, Secret loaded) : directory(std::move(opened)), key(std::move(loaded)) {}

  std::expected<Opened, Error> read(std::string_view name, const std::string& file,
                                    std::size_t longest = longest_value) const;
  std::expected<void, Error> load(const std::vector<std::string>& files);

  PrivateDirectory directory;
  const Secret key;
  std::mutex writing;  // one set or remove at a time; guards last_version
  std::uint64_t last_version = 0;
  mutable std::mutex mutex;  // held for microseconds; guards infos
  std::map<std::string, Info, std::less<>> infos;
  std::vector<std::string> with_tokens;  // at the start
};

std::expected<Opened, Error> Store::State::read(std::string_view name, const std::string& file,
                                                std::size_t longest) const {
  std::string bytes(file_overhead + longest, '\0');
  auto size = directory.read(file, bytes);
  if (!size) return std::unexpected(size.error());
  auto opened = open_file(key, name, std::string_view(bytes).substr(0, *size));
  if (opened) return std::move(*opened);
  return std::unexpected(
      Error{EBADMSG, fmt::format("cannot open '{}': it was changed, or sealed under another key or name",
                                 (directory.path() / file).string())});
}

std::expected<void, Error> Store::State::load(const std::vector<std::string>& files) {
  if (files.empty()) return {};
  auto counter = read(counter_name, std::string(counter_file));
  if (!counter) return std::unexpected(counter.error());
  last_version = counter->version;
  for (const std::string& file : files) {
    if (file.ends_with(tokens_suffix)) {
      std::string name = file.substr(0, file.size() - tokens_suffix.size());
      if (is_credential_name(name)) with_tokens.push_back(std::move(name));
    }
    if (!file.ends_with(suffix)) continue;
    std::string name = file.substr(0, file.size() - suffix.size());
    if (!is_credential_name(name)) continue;
    auto opened = read(name, file);
    // One that does not verify is not there: get() says why, and the others work.
    if (opened && opened->version <= last_version)
      infos[name] = Info{name, opened->version, opened->set_at_unix};
  }
  return {};
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

std::expected<std::unique_ptr<Store>, Error> Store::open(const std::filesystem::path& given) {
  std::filesystem::path path = std::filesystem::absolute(given).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  auto directory = PrivateDirectory::open(path);
  if (!directory) return std::unexpected(directory.error());
  if (auto locked = directory->lock(); !locked) return std::unexpected(locked.error());
  directory->remove_leftovers();
  auto names = directory->names();
  if (!names) return std::unexpected(names.error());
  auto key =
      load_key(path.parent_path() / "credential-key", names->empty() ? MissingKey::make : MissingKey::refuse);
  if (!key) return std::unexpected(key.error());
  auto state = std::make_unique<State>(std::move(*directory), std::move(*key));
  if (auto loaded = state->load(*names); !loaded) return std::unexpected(loaded.error());
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

std::expected<Info, Error> Store::set(std::string_view name, std::string_view value) {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  if (const char* why = objection(value)) {
    return std::unexpected(Error{EINVAL, fmt::format("cannot set credential '{}': {}", name, why)});
  }
  std::lock_guard writing(state_->writing);
  Info info{std::string(name), state_->last_version + 1, std::time(nullptr)};
  // The number first: a crash in between wastes it, and no two values ever share one.
  Info counter{std::string(counter_name), info.version, info.set_at_unix};
  auto counted = state_->directory.replace(std::string(counter_file), compose_file(state_->key, counter, ""));
  if (!counted) return std::unexpected(counted.error());
  state_->last_version = info.version;
  auto replaced = state_->directory.replace(file_of(name), compose_file(state_->key, info, value));
  if (!replaced) return std::unexpected(replaced.error());
  static_cast<void>(
      state_->directory.remove(successor_file(name)));  // of another version, and never read again
  std::lock_guard lock(state_->mutex);
  return state_->infos[info.name] = info;
}

std::expected<void, Error> Store::keep_successor(std::string_view name, std::uint64_t version,
                                                 std::string_view value) {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  if (const char* why = objection(value))
    return std::unexpected(
        Error{EINVAL, fmt::format("cannot keep what follows credential '{}': {}", name, why)});
  std::lock_guard writing(state_->writing);
  if (version == 0 || this->version(name) != version)
    return std::unexpected(Error{ESTALE, fmt::format("credential '{}' was set anew, or removed", name)});
  const Info info{successor_name(name), version, std::time(nullptr)};
  return state_->directory.replace(successor_file(name), compose_file(state_->key, info, value));
}

std::expected<Secret, Error> Store::successor(std::string_view name, std::uint64_t version) const {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  auto opened = state_->read(successor_name(name), successor_file(name));
  if (!opened && opened.error().code == ENOENT) return Secret();
  if (!opened) return std::unexpected(opened.error());
  return opened->version == version ? std::move(opened->value) : Secret();
}

std::expected<void, Error> Store::keep_tokens(std::string_view name, std::string_view bytes) {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  if (bytes.size() > longest_tokens)
    return std::unexpected(
        Error{EFBIG, fmt::format("cannot keep the tokens of credential '{}': more than 256 KiB of them may "
                                 "still be good",
                                 name)});
  std::lock_guard writing(state_->writing);
  if (bytes.empty()) {
    auto removed = state_->directory.remove(tokens_file(name));
    return !removed && removed.error().code == ENOENT ? std::expected<void, Error>() : removed;
  }
  const Info info{tokens_name(name), 0, std::time(nullptr)};
  return state_->directory.replace(tokens_file(name), compose_file(state_->key, info, bytes));
}

std::expected<Secret, Error> Store::tokens(std::string_view name) const {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  auto opened = state_->read(tokens_name(name), tokens_file(name), longest_tokens);
  if (!opened && opened.error().code == ENOENT) return Secret();
  if (!opened) return std::unexpected(opened.error());
  return std::move(opened->value);
}

std::vector<std::string> Store::with_tokens() const {
  return state_->with_tokens;
}

std::expected<void, Error> Store::remove(std::string_view name) {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  std::lock_guard writing(state_->writing);
  {
    // Gone for every connection before it is gone from the disk.
    std::lock_guard lock(state_->mutex);
    if (auto found = state_->infos.find(name); found != state_->infos.end()) state_->infos.erase(found);
  }
  static_cast<void>(state_->directory.remove(successor_file(name)));  // of use to nobody without the value
  auto removed = state_->directory.remove(file_of(name));
  if (!removed && removed.error().code == ENOENT) return std::unexpected(not_set(name));
  return removed;
}

std::expected<Secret, Error> Store::get(std::string_view name) const {
  if (!is_credential_name(name)) return std::unexpected(no_name());
  std::uint64_t known = version(name);
  auto opened = state_->read(name, file_of(name));
  if (!opened && opened.error().code == ENOENT) {
    return std::unexpected(not_set(name));
  }
  if (!opened) return std::unexpected(opened.error());
  if (known == 0 || opened->version < known) {
    return std::unexpected(Error{
        EBADMSG, fmt::format("cannot use credential '{}': its file is not the one that was set last", name)});
  }
  return std::move(opened->value);
}

std::uint64_t Store::version(std::string_view name) const {
  std::lock_guard lock(state_->mutex);
  auto found = state_->infos.find(name);
  return found == state_->infos.end() ? 0 : found->second.version;
}

std::vector<Info> Store::list() const {
  std::lock_guard lock(state_->mutex);
  std::vector<Info> all;
  for (const auto& [name, info] : state_->infos) all.push_back(info);
  return all;
}

}  // namespace clawpatrol::credentials
