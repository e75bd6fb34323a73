#include "daemon/audit/log.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>

#include "daemon/audit/line_file.h"
#include "daemon/audit/state.h"

namespace clawpatrol::audit {

using journal::Message;

namespace {

constexpr std::size_t line_overhead = 96;  // around a body, at most
constexpr std::size_t buffer_kept = 1
                                    << 20;  // a buffer that one huge group has grown past this is given back

std::expected<Key, Error> key_for(const Options& options) {
  auto files = list_segments(options.directory);
  if (!files) return std::unexpected(files.error());
  auto key = Key::load_private(options.key_file);
  if (key || key.error().code != ENOENT) return key;
  if (files->empty()) return Key::make(options.key_file);
  return std::unexpected(Error{
      ENOENT,
      fmt::format(
          "cannot go on with the audit log '{}': its key '{}' is gone\nhint: Put the key back, or keep the "
          "directory aside and start with an empty one.",
          options.directory.string(), options.key_file.string())});
}

}  // namespace

std::string head_text(const Head& head) {
  return fmt::format("{}:{}:{}", head.seq, head.boot, head.mac);
}

std::optional<Head> parse_head(std::string_view text) {
  Head head;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), head.seq);
  if (problem != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.size() != 66 || text[0] != ':' || text[33] != ':') return std::nullopt;
  head.boot = text.substr(1, 32);
  head.mac = text.substr(34);
  if (!is_hexadecimal(head.boot) || !is_hexadecimal(head.mac)) return std::nullopt;
  return head;
}

std::expected<std::unique_ptr<Log>, Error> Log::open(Options options) {
  auto directory = PrivateDirectory::open(options.directory);
  if (!directory) return std::unexpected(directory.error());
  if (auto locked = directory->lock(); !locked) return std::unexpected(locked.error());
  auto key = key_for(options);
  if (!key) return std::unexpected(key.error());
  auto state = std::make_unique<State>(std::move(options), std::move(*directory), std::move(*key));
  if (auto recovered = state->recover(); !recovered) return std::unexpected(recovered.error());
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Log::~Log() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  state_->thread.join();
}

std::expected<std::uint64_t, Error> Log::append(std::span<const std::string> lines) {
  std::lock_guard lock(state_->mutex);
  return state_->append(lines);
}

std::expected<std::uint64_t, Error> Log::State::append(std::span<const std::string> lines) {
  if (failed) return std::unexpected(failure);
  if (lines.empty()) return seq;
  std::size_t bytes = 0;
  for (const std::string& line : lines) {
    if (is_unwritable(line))
      return std::unexpected(
          Error{EINVAL, "cannot write an audit line: it is not printable ASCII, or ends like a group"});
    bytes += line.size() + line_overhead;
  }
  if (auto rotation = rotate_for(bytes); !rotation) return std::unexpected(rotation.error());
  buffer.clear();
  buffer.reserve(bytes);
  Mac sealed = compose(lines);
  std::size_t written = 0;
  if (int code = write_all(current->fd.get(), buffer, written); code != 0) {
    fail(os_error(code, fmt::format("cannot write audit segment '{}'", current->name)), written);
    return std::unexpected(failure);
  }
  seq += lines.size();
  mac = sealed;
  current->size += buffer.size();
  if (buffer.capacity() > buffer_kept) buffer = {};
  return seq;
}

Mac Log::State::compose(std::span<const std::string> lines) {
  std::uint64_t number = seq;
  Mac sealed{};
  for (const std::string& line : lines) {
    std::size_t begin = buffer.size();
    append_line_start(buffer, ++number, chain.prev());
    buffer += line;
    chain.add(std::string_view(buffer).substr(begin));
    if (&line != &lines.back()) {
      buffer += "}\n";
    } else {
      sealed = chain.seal(boot, number);
      append_line_end(buffer, sealed);
    }
  }
  return sealed;
}

std::expected<void, Error> Log::State::rotate_for(std::size_t bytes) {
  if (current->size == current->start_size || current->size + bytes <= limits.segment_bytes) return {};
  kept.push_back({current->name, current->first_seq, current->size, unix_ns()});
  SegmentStart start;
  start.origin = Origin::rotated;
  if (auto begun = begin_segment(start, When::lazily); !begun) {
    kept.pop_back();
    fail(begun.error(), 0);
    return begun;
  }
  rotated = true;
  wake.notify_one();
  return {};
}

// From here on every append fails, until the sync thread has replaced the segment.
void Log::State::fail(const Error& why, std::uint64_t bytes_left_behind) {
  if (!failed)
    warn(Message::audit_failed,
         fmt::format("audit log: {}: everything is denied until a new segment is synced", why.what));
  failed = true;
  failure = Error{
      why.code,
      why.what + "\ndetail: Nothing is recorded, so nothing is allowed, until a new segment is synced."};
  abandoned = bytes_left_behind;
  chain.go_on_after(mac);
  retry_at = SteadyClock::now();
  if (doubtful_first > doubtful_last) doubtful_first = synced_seq + 1;
  doubtful_last = seq;
  wake.notify_one();
}

void Log::sync(std::uint64_t seq, std::function<void(std::expected<void, Error>)> done) {
  {
    std::lock_guard lock(state_->mutex);
    state_->waiters.push_back({seq, std::move(done)});
  }
  state_->wake.notify_one();
}

Head Log::head() const {
  std::lock_guard lock(state_->mutex);
  return state_->head();
}

std::uint64_t Log::segment() const {
  std::lock_guard lock(state_->mutex);
  return state_->current->first_seq;
}

bool Log::healthy() const {
  std::lock_guard lock(state_->mutex);
  return !state_->failed;
}

std::string Log::failure() const {
  std::lock_guard lock(state_->mutex);
  return state_->failed ? state_->failure.what.substr(0, state_->failure.what.find('\n')) : "";
}

Pressure Log::pressure() const {
  return state_->pressure.load(std::memory_order_relaxed);
}

std::uint64_t Log::unsynced() const {
  std::lock_guard lock(state_->mutex);
  return state_->seq - std::min(state_->seq, state_->synced_seq);
}

std::uint64_t Log::kept_bytes() const {
  std::lock_guard lock(state_->mutex);
  std::uint64_t total = state_->current->size;
  for (const Kept& segment : state_->kept) total += segment.size;
  return total;
}

std::uint64_t Log::oldest_seq() const {
  std::lock_guard lock(state_->mutex);
  return state_->kept.empty() ? state_->current->first_seq : state_->kept.front().first_seq;
}

void Log::set_limits(const Limits& limits) {
  {
    std::lock_guard lock(state_->mutex);
    state_->limits = limits;
    state_->check_space_at = {};
    state_->look_at_space = true;
  }
  state_->wake.notify_one();
}

std::uint64_t Log::free_bytes() const {
  struct statvfs info{};
  if (::statvfs(state_->options.directory.c_str(), &info) != 0) return 0;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace clawpatrol::audit
