#include "daemon/gateway/copy.h"

#include <poll.h>

#include <memory>

namespace clawpatrol {

namespace {

Deadline deadline_of(const Idleness& idleness) {
  if (idleness.limit == Clock::duration::zero()) return Deadline::never();
  return Deadline::at(idleness.last + idleness.limit);
}

// The other direction may have moved in the meantime.
bool is_idle(const Idleness& idleness) {
  return Clock::now() >= idleness.last + idleness.limit;
}

// 0, or -errno.
Task<std::int32_t> wait_readable(Ring& ring, int socket, Idleness& idleness) {
  while (true) {
    std::int32_t ready = co_await ring.poll(socket, POLLIN | POLLRDHUP, deadline_of(idleness));
    if (ready == -ETIMEDOUT && !is_idle(idleness)) continue;
    co_return ready < 0 ? ready : 0;
  }
}

// 0, or -errno.
Task<std::int32_t> send_whole(Ring& ring, int socket, std::string_view bytes,
                              std::atomic<std::uint64_t>& counter, Idleness& idleness) {
  while (!bytes.empty()) {
    std::int32_t sent = co_await ring.send(socket, bytes, deadline_of(idleness));
    if (sent == -EINTR || sent == -EAGAIN) continue;
    if (sent == -ETIMEDOUT && !is_idle(idleness)) continue;
    if (sent < 0) co_return sent;
    counter.fetch_add(static_cast<std::uint64_t>(sent), std::memory_order_relaxed);
    idleness.last = Clock::now();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  co_return 0;
}

}  // namespace

Task<std::expected<std::uint64_t, Error>> copy_allowed(Ring& ring, CopyEnds ends,
                                                       std::atomic<std::uint64_t>& counter,
                                                       Idleness& idleness) {
  std::uint64_t copied = 0;
  std::unique_ptr<char[]> buffer;
  while (true) {
    std::int32_t ready = co_await wait_readable(ring, ends.from, idleness);
    if (ready < 0) co_return std::unexpected(os_error(-ready, "waiting for bytes failed"));
    if (!buffer) buffer = std::make_unique_for_overwrite<char[]>(copy_buffer);
    ssize_t size = recv(ends.from, buffer.get(), copy_buffer, MSG_DONTWAIT);
    if (size == 0) co_return copied;
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      buffer.reset();
      continue;
    }
    if (size < 0) co_return std::unexpected(os_error(errno, "recv failed"));
    idleness.last = Clock::now();
    std::int32_t sent =
        co_await send_whole(ring, ends.to, {buffer.get(), static_cast<std::size_t>(size)}, counter, idleness);
    if (sent < 0) co_return std::unexpected(os_error(-sent, "send failed"));
    copied += static_cast<std::uint64_t>(size);
    // A connection that rests holds no buffer.
    if (static_cast<std::size_t>(size) < copy_buffer) buffer.reset();
  }
}

}  // namespace clawpatrol
