#include "daemon/netd/steering.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "bpf/shared.h"
#include "daemon/ring/fd.h"
#include "steer.skel.h"

namespace clawpatrol::netd {
namespace {

// By these our filter is found again after a restart.
constexpr std::uint32_t filter_handle = 0xc1a;
constexpr std::uint32_t filter_priority = 1;

int print_warnings(libbpf_print_level level, const char* format, va_list arguments) {
  // "File exists" of an existing clsact hook is what we want, and libbpf warns of it.
  if (level != LIBBPF_WARN || std::strstr(format, "Kernel error message") != nullptr) return 0;
  return std::vfprintf(stderr, format, arguments);
}

Error bpf_error(int code, std::string_view what) {
  return os_error(code < 0 ? -code : code, what);
}

steer_identity_key key_of(const Identity& identity) {
  steer_identity_key key{};
  key.ifindex = static_cast<std::uint32_t>(identity.interface);
  std::memcpy(key.address, identity.address.bytes.data(), sizeof key.address);
  return key;
}

steer_own_key key_of(const Prefix& prefix) {
  steer_own_key key{};
  key.prefix_length = prefix.length + (prefix.is_v4() ? 96u : 0u);
  std::memcpy(key.address, prefix.address.bytes.data(), sizeof key.address);
  return key;
}

std::uint32_t key_of(int interface) {
  return static_cast<std::uint32_t>(interface);
}

// Adds and changes first, then removes: nobody who stays is locked out in between.
template <class Map, class Value>
std::expected<void, Error> write_changes(int fd, const char* name, const Map& before, const Map& after,
                                         Value value_of) {
  for (const auto& [key, value] : after) {
    auto old = before.find(key);
    if (old != before.end() && old->second == value) continue;
    auto raw_key = key_of(key);
    auto raw = value_of(value);
    if (int code = bpf_map_update_elem(fd, &raw_key, &raw, BPF_ANY); code != 0)
      return std::unexpected(bpf_error(code, fmt::format("cannot tell the filter: '{}'", name)));
  }
  for (const auto& [key, value] : before) {
    if (after.contains(key)) continue;
    auto raw_key = key_of(key);
    if (int code = bpf_map_delete_elem(fd, &raw_key); code != 0 && code != -ENOENT)
      return std::unexpected(bpf_error(code, fmt::format("cannot tell the filter: '{}'", name)));
  }
  return {};
}

bpf_tc_hook hook_of(int interface) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = interface;
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

bpf_tc_opts options_of_filter() {
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.handle = filter_handle;
  options.priority = filter_priority;
  return options;
}

std::uint32_t program_id(int program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.id : 0;
}

}  // namespace

void Steering::Skeleton::operator()(steer* skeleton) const {
  steer__destroy(skeleton);
}
void Steering::LinkCloser::operator()(bpf_link* link) const {
  bpf_link__destroy(link);
}
Steering::Steering() = default;
Steering::Steering(Steering&&) noexcept = default;
Steering::~Steering() = default;

std::expected<Steering, Error> Steering::load(std::uint16_t listen_port, const Rates& rates) {
  libbpf_set_print(print_warnings);
  Steering steering;
  steering.bpf_.reset(steer__open());
  if (!steering.bpf_) return std::unexpected(os_error(errno, "cannot open the filter"));
  std::uint32_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
    return std::unexpected(os_error(errno, "cannot seed the filter"));
  steering.bpf_->rodata->listen_port = listen_port;
  steering.bpf_->rodata->hash_seed = seed;
  const Bucket connections = bucket_of(rates.connections_per_second, rates.connection_burst);
  const Bucket datagrams = bucket_of(rates.datagrams_per_second, rates.datagram_burst);
  steering.bpf_->rodata->connection_interval_ns = connections.interval_ns;
  steering.bpf_->rodata->connection_burst_ns = connections.burst_ns;
  steering.bpf_->rodata->datagram_interval_ns = datagrams.interval_ns;
  steering.bpf_->rodata->datagram_burst_ns = datagrams.burst_ns;
  if (int code = steer__load(steering.bpf_.get()); code != 0)
    return std::unexpected(bpf_error(code, "cannot load the filter"));
  // Where the table of drops is full they are counted under peer 0, whose rows must therefore be there.
  std::vector<steer_drop_count> zeros(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t reason = DROP_NONE + 1; reason < DROP_REASONS; reason++) {
    steer_drop_key key{0, reason};
    if (int code = bpf_map_update_elem(bpf_map__fd(steering.bpf_->maps.drops), &key, zeros.data(), BPF_ANY);
        code != 0)
      return std::unexpected(bpf_error(code, "cannot prepare the filter's counters"));
  }
  return steering;
}

std::expected<void, Error> Steering::set_settings() {
  std::uint32_t zero = 0;
  steer_settings settings{workers_, closed_ ? 1u : 0u};
  if (int code = bpf_map_update_elem(bpf_map__fd(bpf_->maps.settings), &zero, &settings, BPF_ANY); code != 0)
    return std::unexpected(bpf_error(code, "cannot tell the filter: 'settings'"));
  return {};
}

std::expected<void, Error> Steering::set_workers(std::uint32_t workers) {
  workers_ = workers;
  return set_settings();
}

std::expected<void, Error> Steering::set_socket(std::uint32_t slot, int socket) {
  std::uint64_t value = static_cast<std::uint64_t>(socket);
  if (int code = bpf_map_update_elem(bpf_map__fd(bpf_->maps.listeners), &slot, &value, BPF_ANY); code != 0)
    return std::unexpected(
        bpf_error(code, fmt::format("cannot hand a socket to the kernel: 'slot {}'", slot)));
  return {};
}

// A new peer's buckets come before its identity, a removed one's go after it.
std::expected<void, Error> Steering::tell_rates(const SteeringTable& table) {
  std::set<std::uint32_t> wanted;
  for (const auto& [identity, peer] : table.identities) wanted.insert(peer);
  int fd = bpf_map__fd(bpf_->maps.rates);
  for (std::uint32_t peer : wanted) {
    if (rated_.contains(peer)) continue;
    steer_rate full{};
    if (int code = bpf_map_update_elem(fd, &peer, &full, BPF_ANY); code != 0)
      return std::unexpected(bpf_error(code, "cannot tell the filter: 'rates'"));
    rated_.insert(peer);
  }
  return {};
}

std::expected<void, Error> Steering::tell_all(const SteeringTable& table) {
  auto same = [](std::uint32_t value) { return value; };
  auto interface = [](std::uint32_t header) { return steer_interface{header}; };
  auto write = [&](const bpf_map* map, const auto& before, const auto& after, auto value_of) {
    return write_changes(bpf_map__fd(map), bpf_map__name(map), before, after, value_of);
  };
  // What is protected comes before who may come in.
  if (auto done = write(bpf_->maps.own_addresses, told_.own, table.own, same); !done) return done;
  if (auto done = tell_rates(table); !done) return done;
  if (auto done = write(bpf_->maps.identities, told_.identities, table.identities, same); !done) return done;
  return write(bpf_->maps.interfaces, told_.interfaces, table.interfaces, interface);
}

std::expected<void, Error> Steering::tell(const SteeringTable& table) {
  auto told = tell_all(table);
  bool closed = !told.has_value();
  if (!closed) {
    told_ = table;
    std::set<std::uint32_t> present;
    for (const auto& [identity, peer] : table.identities) present.insert(peer);
    std::erase_if(rated_, [&](std::uint32_t peer) {
      if (present.contains(peer)) return false;
      bpf_map_delete_elem(bpf_map__fd(bpf_->maps.rates), &peer);
      forget_drops(peer);
      return true;
    });
  } else {
    // Some of it is written. The next attempt writes all that it wants, and removes what either of both held.
    told_.own.insert(table.own.begin(), table.own.end());
    told_.identities.insert(table.identities.begin(), table.identities.end());
    told_.interfaces.insert(table.interfaces.begin(), table.interfaces.end());
    for (auto& [prefix, flags] : told_.own) flags = ~0u;
    for (auto& [identity, peer] : told_.identities) peer = 0;
    for (auto& [interface, header] : told_.interfaces) header = ~0u;
  }
  if (closed != closed_) {
    closed_ = closed;
    if (auto done = set_settings(); !done && told) return done;
  }
  return told;
}

void Steering::forget_drops(std::uint32_t peer) {
  for (std::uint32_t reason = DROP_NONE + 1; reason < DROP_REASONS; reason++) {
    steer_drop_key key{peer, reason};
    bpf_map_delete_elem(bpf_map__fd(bpf_->maps.drops), &key);
  }
}

std::expected<void, Error> Steering::attach_filter(int interface) {
  std::uint32_t ours = program_id(filter_program());
  bpf_tc_hook hook = hook_of(interface);
  bpf_tc_opts present = options_of_filter();
  if (bpf_tc_query(&hook, &present) == 0 && present.prog_id == ours && ours != 0) return {};
  if (int code = bpf_tc_hook_create(&hook); code != 0 && code != -EEXIST)
    return std::unexpected(bpf_error(code, fmt::format("cannot filter interface: '{}'", interface)));
  bpf_tc_opts options = options_of_filter();
  options.prog_fd = filter_program();
  options.flags = BPF_TC_F_REPLACE;
  if (int code = bpf_tc_attach(&hook, &options); code != 0)
    return std::unexpected(bpf_error(code, fmt::format("cannot filter interface: '{}'", interface)));
  return {};
}

std::expected<void, Error> detach_filter(int interface) {
  bpf_tc_hook hook = hook_of(interface);
  bpf_tc_opts options = options_of_filter();
  if (int code = bpf_tc_detach(&hook, &options); code != 0 && code != -ENOENT && code != -EINVAL)
    return std::unexpected(
        bpf_error(code, fmt::format("cannot remove the filter of interface: '{}'", interface)));
  return {};
}

bool has_filter(int interface) {
  bpf_tc_hook hook = hook_of(interface);
  bpf_tc_opts options = options_of_filter();
  return bpf_tc_query(&hook, &options) == 0;
}

std::expected<void, Error> Steering::attach_lookup() {
  Fd space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!space) return std::unexpected(os_error(errno, "cannot open the network namespace"));
  lookup_.reset(bpf_program__attach_netns(bpf_->progs.steer_lookup, space.get()));
  if (!lookup_) return std::unexpected(os_error(errno, "cannot attach to socket lookup"));
  return {};
}

int Steering::lookup_link() const {
  return bpf_link__fd(lookup_.get());
}

int Steering::filter_program() const {
  return bpf_program__fd(bpf_->progs.filter_ingress);
}

std::expected<std::vector<Drop>, Error> Steering::drops() const {
  int fd = bpf_map__fd(bpf_->maps.drops);
  std::vector<steer_drop_count> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  std::vector<Drop> found;
  steer_drop_key key{}, next{};
  const steer_drop_key* before = nullptr;
  while (bpf_map_get_next_key(fd, before, &next) == 0) {
    key = next;
    before = &key;
    if (found.size() >= STEER_MAX_DROPS) break;  // rows that come and go could make this walk begin again
    if (bpf_map_lookup_elem(fd, &key, each.data()) != 0) continue;
    Drop drop{key.peer, key.reason, 0, 0};
    for (const steer_drop_count& count : each) {
      drop.packets += count.packets;
      drop.bytes += count.bytes;
    }
    if (drop.packets != 0) found.push_back(drop);
  }
  return found;
}

}  // namespace clawpatrol::netd
