#include "daemon/gateway/names.h"

#include <algorithm>
#include <limits>

namespace clawpatrol {

namespace {

constexpr std::size_t max_file = 64 << 20;
constexpr std::uint32_t max_size = 1u << 20;  // indices used of a range, however large it is

std::uint32_t size_of(const Prefix& range) {
  unsigned bits = (range.is_v4() ? 32u : 128u) - range.length;
  return bits >= 20 ? max_size : 1u << bits;
}

// Distance from the range's first address; only for an address that it contains.
std::uint64_t offset_in(const Prefix& range, const Address& address) {
  std::uint64_t first = 0, at = 0;
  for (std::size_t i = 8; i < 16; ++i) {
    first = first << 8 | range.address.bytes[i];
    at = at << 8 | address.bytes[i];
  }
  for (std::size_t i = 0; i < 8; ++i)
    if (range.address.bytes[i] != address.bytes[i]) return std::numeric_limits<std::uint64_t>::max();
  return at - first;
}

// Names own the lower half of a range and leases the upper; its first and its last address stay unused.
bool is_exact_index(std::uint32_t index, std::uint32_t size) {
  return index >= 1 && index < size / 2;
}

bool contains(const std::vector<Address>& addresses, const Address& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

std::expected<NamesFile, Error> read_file(const PrivateDirectory& directory, const char* file_name) {
  std::string text(64 << 10, '\0');
  while (true) {
    auto size = directory.read(file_name, text);
    if (size) return NamesFile::parse(std::string_view(text).substr(0, *size));
    if (size.error().code == ENOENT) return NamesFile{};
    if (text.size() >= max_file) return std::unexpected(size.error());
    text.resize(text.size() * 8);
  }
}

}  // namespace

VirtualNames::Dialled::~Dialled() {
  if (lease_) names_.release(*lease_);
}

std::expected<std::unique_ptr<VirtualNames>, Error> VirtualNames::open(
    const std::filesystem::path& state_directory, const std::vector<Prefix>& ranges, Options options) {
  auto directory = PrivateDirectory::open(state_directory);
  if (!directory) return std::unexpected(directory.error());
  auto file = read_file(*directory, file_name);
  if (!file) return std::unexpected(file.error());
  std::unique_ptr<VirtualNames> names(new VirtualNames(std::move(*directory), std::move(options)));
  auto next = empty_exact(ranges);
  bool moves = file->ranges != next->ranges;
  names->move_to(*next, *file);
  if (moves)
    if (auto written = names->directory_.replace(file_name, file->text()); !written)
      return std::unexpected(written.error());
  names->restore_leases(*next, *file);
  names->file_ = std::move(*file);
  names->exact_.store(std::move(next));
  return names;
}

std::shared_ptr<VirtualNames::Exact> VirtualNames::empty_exact(const std::vector<Prefix>& ranges) {
  auto exact = std::make_shared<Exact>();
  for (bool v4 : {true, false}) {
    auto range = std::ranges::find_if(ranges, [v4](const Prefix& prefix) { return prefix.is_v4() == v4; });
    if (range == ranges.end()) continue;
    exact->size = exact->ranges.empty() ? size_of(*range) : std::min(exact->size, size_of(*range));
    exact->ranges.push_back(*range);
  }
  return exact;
}

std::optional<Address> VirtualNames::address_at(const Exact& exact, Index index, Family family) {
  for (const Prefix& range : exact.ranges)
    if (range.is_v4() == (family == Family::v4)) return range.nth(index);
  return std::nullopt;
}

std::optional<VirtualNames::Index> VirtualNames::index_of(const Exact& exact, const Address& address) {
  for (const Prefix& range : exact.ranges) {
    if (!range.contains(address)) continue;
    std::uint64_t offset = offset_in(range, address);
    if (offset < exact.size) return static_cast<Index>(offset);
  }
  return std::nullopt;
}

// Carries every name over to the ranges of `next`. Where those would give it other addresses, the old ones
// are retired, and it gets new ones when a policy names it.
void VirtualNames::move_to(Exact& next, NamesFile& file) const {
  std::vector<NamesFile::Exact> before = std::move(file.exact);
  file.exact.clear();
  for (NamesFile::Exact& entry : before) {
    std::vector<Address> addresses;
    for (const Prefix& range : next.ranges) addresses.push_back(range.nth(entry.index));
    bool same = is_exact_index(entry.index, next.size) && addresses == entry.addresses;
    if (!same) {
      for (const Address& address : entry.addresses) file.retired.push_back(address);
      continue;
    }
    next.by_name.emplace(entry.name, entry.index);
    next.by_index.emplace(entry.index, entry.name);
    file.exact.push_back(std::move(entry));
  }
  // A lease's address under the old ranges cannot be told from a name's under the new ones: it rests for
  // good.
  if (file.ranges != next.ranges) {
    for (const Prefix& range : file.ranges) {
      for (const NamesFile::Lease& lease : file.leases) file.retired.push_back(range.nth(lease.index));
      for (Index index : file.reserved) file.retired.push_back(range.nth(index));
    }
    file.leases.clear();
    file.reserved.clear();
  }
  file.ranges = next.ranges;
}

bool VirtualNames::was_given(const Exact& exact, const NamesFile& file, Index index) {
  if (exact.by_index.contains(index)) return true;
  return std::ranges::any_of(exact.ranges,
                             [&](const Prefix& range) { return contains(file.retired, range.nth(index)); });
}

bool VirtualNames::give_address(Exact& next, NamesFile& file, const std::string& name) const {
  // Names are never removed, so the first candidate is right after as many as there are.
  for (auto index = static_cast<Index>(file.exact.size() + 1); is_exact_index(index, next.size); ++index) {
    if (was_given(next, file, index)) continue;
    NamesFile::Exact entry{name, index, {}};
    for (const Prefix& range : next.ranges) entry.addresses.push_back(range.nth(index));
    next.by_name.emplace(name, index);
    next.by_index.emplace(index, name);
    file.exact.push_back(std::move(entry));
    return true;
  }
  return false;
}

std::expected<void, Error> VirtualNames::adopt(const Policy& policy) {
  std::lock_guard lock(mutex_);
  NamesFile file = with_leases(file_, reserved_);
  auto next = empty_exact(policy.gateway.virtual_);
  bool moves = file.ranges != next->ranges;
  std::size_t before = file.exact.size();
  move_to(*next, file);
  for (const auto& [_, endpoint] : policy.endpoints)
    for (const HostPort& host : endpoint.hosts)
      if (!host.wildcard && !host.address && !next->by_name.contains(host.host) &&
          !give_address(*next, file, host.host) && !next->ranges.empty())
        return std::unexpected(Error{0, "no virtual address is left: '" + host.host +
                                            "'\nhint: Give [gateway] `virtual` larger ranges."});
  if (moves || file.exact.size() != before) {
    if (auto written = directory_.replace(file_name, file.text()); !written)
      return std::unexpected(written.error());
    file_ = std::move(file);
  }
  if (moves) {
    leases_.clear();
    lease_of_.clear();
    leases_of_peer_.clear();
    resting_.clear();
    reserved_.clear();
  }
  exact_.store(std::move(next));
  return {};
}

bool VirtualNames::has(Family family) const {
  return address_at(*exact_.load(), 0, family).has_value();
}

std::optional<Address> VirtualNames::address_of(std::string_view name, Family family) const {
  auto exact = exact_.load();
  auto found = exact->by_name.find(name);
  if (found == exact->by_name.end()) return std::nullopt;
  return address_at(*exact, found->second, family);
}

}  // namespace clawpatrol
