// Making segments, finding the end of the last one after a restart, and choosing what is pruned.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "daemon/audit/line_file.h"
#include "daemon/audit/scan.h"
#include "daemon/audit/state.h"

namespace clawpatrol::audit {

using journal::Message;

namespace {

std::int64_t in_ns(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Error damaged(const std::filesystem::path& file, std::string_view why) {
  return Error{
      0, fmt::format(
             "cannot go on with the audit log: '{}': {}\nhint: Run `cpctl audit verify`, keep the directory "
             "aside, and start with an empty one.",
             file.string(), why)};
}

std::expected<void, Error> scan_segment(const std::filesystem::path& path, SegmentScan& scan) {
  auto file = LineFile::open(path);
  if (!file) return std::unexpected(file.error());
  for (;;) {
    auto text = file->next();
    if (!text) return std::unexpected(text.error());
    if (!*text) break;
    scan.add(**text, file->offset());
  }
  scan.finish(file->torn_bytes());
  return {};
}

Kept kept_segment(const PrivateDirectory& directory, const SegmentFile& file) {
  struct stat info{};
  if (::fstatat(directory.fd(), file.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) info = {};
  return {file.name, file.first_seq, static_cast<std::uint64_t>(info.st_size), in_ns(info.st_mtim)};
}

std::uint64_t cost_of(const Kept& segment) {
  constexpr std::uint64_t smallest = 4096;  // what a file costs however short
  return std::max(segment.size, smallest);
}

}  // namespace

Log::State::State(Options given, PrivateDirectory opened, Key loaded)
    : options(std::move(given)), directory(std::move(opened)), key(std::move(loaded)), chain(key) {
  limits = {options.segment_bytes, options.keep_bytes, options.reserve_bytes, options.keep_for};
}

std::int64_t Log::State::unix_ns() const {
  if (options.unix_ns) return options.unix_ns();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return in_ns(now);
}

void Log::State::warn(Message message, std::string_view line) const {
  if (options.warn) options.warn(message, line);
}

// Finds where the chain goes on and begins this run's segment there.
std::expected<void, Error> Log::State::recover() {
  if (::getrandom(boot.data(), boot.size(), 0) != static_cast<ssize_t>(boot.size())) {
    return std::unexpected(os_error(errno, "cannot draw a random boot id"));
  }
  auto files = list_segments(directory.path());
  if (!files) return std::unexpected(files.error());
  for (const SegmentFile& file : *files) kept.push_back(kept_segment(directory, file));
  while (!kept.empty()) {
    bool unfinished = false;
    auto adopted = adopt(kept.back().name, unfinished);
    if (!adopted) return adopted;
    if (!unfinished) break;
    kept.pop_back();
  }
  SegmentStart start;
  start.origin = kept.empty() ? Origin::started : Origin::recovered;
  start.abandoned = abandoned;
  if (auto begun = begin_segment(start, When::now); !begun) return begun;
  synced_seq = seq;
  synced_head = head();
  return {};
}

// Takes over the end of the newest segment. A crash while it was being made leaves one without a first line:
// nothing was recorded in it, so it goes.
std::expected<void, Error> Log::State::adopt(const std::string& name, bool& unfinished) {
  std::filesystem::path path = directory.path() / name;
  SegmentScan scan(key, name, kept.back().first_seq, std::nullopt);
  if (auto scanned = scan_segment(path, scan); !scanned) return scanned;
  if (!scan.start() && !scan.claimed() && scan.lines() == 0) {
    warn(fmt::format("audit log: removing '{}', which a crash left without a first line", path.string()));
    unfinished = true;
    return directory.remove(name);
  }
  if (!scan.start()) return std::unexpected(damaged(path, "its first line was changed"));
  if (scan.start()->key_id != key.id())
    return std::unexpected(damaged(path, "it is written under another key"));
  if (!scan.verified()) return std::unexpected(damaged(path, "its first line does not verify"));
  for (const Finding& finding : scan.findings()) {
    if (finding.kind == FindingKind::torn_tail) continue;
    warn(Message::audit_damaged, fmt::format("audit log: '{}', line {}: {}: {}", path.string(), finding.line,
                                             name_of(finding.kind), finding.what));
  }
  Fd file(::openat(directory.fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file || ::fdatasync(file.get()) != 0) {
    warn(os_error(errno, fmt::format("audit log: cannot sync '{}'", path.string())).what);
  }
  seq = scan.verified()->seq;
  mac = scan.verified()->mac;
  abandoned = kept.back().size - scan.verified()->offset;
  if (abandoned > 0) {
    warn(fmt::format("audit log: '{}' ends in {} bytes that were never committed", path.string(), abandoned));
  }
  return {};
}

// Leaves room for the segment about to be written. The newest segment is always kept: the chain hangs on it.
// One with a young line is kept too: else whoever writes most would decide what is forgotten.
std::size_t Log::State::count_to_prune() const {
  std::uint64_t total = limits.segment_bytes;
  for (const Kept& segment : kept) total += cost_of(segment);
  const std::int64_t young = unix_ns() - limits.keep_for.count();
  std::size_t count = 0;
  while (count + 1 < kept.size() && total > limits.keep_bytes && kept[count].ended_unix_ns <= young)
    total -= cost_of(kept[count++]);
  return count;
}

// Whether the next segment would not fit, though all were pruned that may be.
bool Log::State::crowded() const {
  if (limits.keep_for.count() == 0) return false;
  std::uint64_t total = limits.segment_bytes;
  for (std::size_t at = count_to_prune(); at < kept.size(); ++at) total += cost_of(kept[at]);
  return kept.size() > 1 && total > limits.keep_bytes;
}

std::expected<Fd, Error> Log::State::create_segment(const std::string& name, std::string_view first_line) {
  auto open_new = [&] {
    return ::openat(directory.fd(), name.c_str(),
                    O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  };
  Fd fd(open_new());
  if (!fd && errno == EEXIST) {
    // Only an attempt of our own that failed can have left it: no line with its number was ever committed.
    ::unlinkat(directory.fd(), name.c_str(), 0);
    fd.reset(open_new());
  }
  std::string path = (directory.path() / name).string();
  if (!fd) return std::unexpected(os_error(errno, fmt::format("cannot make audit segment '{}'", path)));
  std::size_t written = 0;
  if (int code = write_all(fd.get(), first_line, written); code != 0) {
    ::unlinkat(directory.fd(), name.c_str(), 0);
    return std::unexpected(os_error(code, fmt::format("cannot write audit segment '{}'", path)));
  }
  return fd;
}

// On failure nothing has changed, and it can be tried again.
std::expected<void, Error> Log::State::begin_segment(SegmentStart start, When synced) {
  std::uint64_t first = seq + 1;
  std::size_t pruned = count_to_prune();
  start.time_unix_ns = unix_ns();
  start.boot = boot;
  start.key_id = key.id();
  start.previous = kept.empty() ? "" : kept.back().name;
  start.head = mac;
  start.oldest = kept.empty() ? first : kept[pruned].first_seq;
  std::string text;
  chain.go_on_after(mac);
  append_line_start(text, first, chain.prev());
  text += segment_start_body(start);
  chain.add(text);
  Mac sealed = chain.seal(boot, first);
  append_line_end(text, sealed);
  chain.go_on_after(mac);  // until it is there

  std::string name = segment_name(first);
  auto fd = create_segment(name, text);
  if (!fd) return std::unexpected(fd.error());
  if (synced == When::now) {
    int code = ::fdatasync(fd->get()) == 0 ? 0 : errno;
    auto synced_directory = directory.sync();
    if (code != 0 || !synced_directory) {
      ::unlinkat(directory.fd(), name.c_str(), 0);
      if (code == 0) return synced_directory;
      return std::unexpected(
          os_error(code, fmt::format("cannot sync audit segment '{}'", (directory.path() / name).string())));
    }
  }
  chain.go_on_after(sealed);
  seq = first;
  mac = sealed;
  current = std::make_shared<Segment>(Segment{std::move(*fd), name, first, text.size(), text.size()});
  unsynced.push_back(current);
  if (synced == When::lazily) directory_unsynced = true;
  for (std::size_t at = 0; at < pruned; ++at) to_prune.push_back(kept[at].name);
  kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(pruned));
  abandoned = 0;
  if (pressure != Pressure::full) set_pressure(crowded() ? Pressure::crowded : Pressure::none);
  return {};
}

}  // namespace clawpatrol::audit
