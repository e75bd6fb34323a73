#include "daemon/credentials/credential_file.h"

#include "parsers/bytes.h"

namespace clawpatrol::credentials {

namespace {

constexpr std::string_view first_line = "clawpatrol credential 1\n";

std::string numbers(std::uint64_t version, std::int64_t set_at) {
  std::string bytes;
  auto at = static_cast<std::uint64_t>(set_at);
  Writer(bytes)
      .u32(static_cast<std::uint32_t>(version >> 32))
      .u32(static_cast<std::uint32_t>(version))
      .u32(static_cast<std::uint32_t>(at >> 32))
      .u32(static_cast<std::uint32_t>(at));
  return bytes;
}

std::string associated(std::string_view head, std::string_view name) {
  return std::string(head).append(name);
}

std::uint64_t u64(Reader& reader) {
  std::uint64_t high = reader.u32();
  return high << 32 | reader.u32();
}

}  // namespace

std::string compose_file(const Secret& key, const Info& info, std::string_view value) {
  std::string head = std::string(first_line) + numbers(info.version, info.set_at_unix);
  return head + seal(key, associated(head, info.name), value);
}

std::optional<Opened> open_file(const Secret& key, std::string_view name, std::string_view bytes) {
  Reader reader(bytes);
  if (reader.bytes(first_line.size()) != first_line) return std::nullopt;
  Opened opened;
  opened.version = u64(reader);
  opened.set_at_unix = static_cast<std::int64_t>(u64(reader));
  std::string_view head = bytes.substr(0, bytes.size() - reader.left());
  std::string_view sealed = reader.rest();
  if (!reader.ok()) return std::nullopt;
  auto value = unseal(key, associated(head, name), sealed);
  if (!value) return std::nullopt;
  opened.value = std::move(*value);
  return opened;
}

}  // namespace clawpatrol::credentials
