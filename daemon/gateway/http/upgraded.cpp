#include "daemon/gateway/http/upgraded.h"

namespace clawpatrol::http {
namespace {

Deadline deadline_of(const Upgraded& upgraded) {
  return upgraded.stall <= Clock::duration::zero() ? Deadline::never() : Deadline::after(upgraded.stall);
}

// One direction; `from` and `to` are the two exchanges.
template <class From, class To>
Task<bool> copy(Upgraded& upgraded, From& from, To& to, std::uint64_t& count,
                std::atomic<std::uint64_t>& shown) {
  while (true) {
    auto part = co_await from.read(deadline_of(upgraded));
    std::expected<void, Error> sent;
    if (part && !part->bytes.empty()) sent = co_await to.send(part->bytes, deadline_of(upgraded));
    if (part && sent) {
      count += part->bytes.size();
      shown.fetch_add(part->bytes.size(), std::memory_order_relaxed);
    }
    if (part && sent && !part->end) continue;
    const bool ended = part && sent;
    if (ended) (void)co_await to.finish({}, deadline_of(upgraded));
    if (!ended) {
      upgraded.agent.break_off();
      upgraded.server.break_off();
    }
    co_return ended;
  }
}

}  // namespace

Task<bool> serve_upgraded(Upgraded& upgraded) {
  Task<bool> up = copy(upgraded, upgraded.agent, upgraded.server, upgraded.bytes_up, upgraded.flow.bytes_up);
  Task<bool> down =
      copy(upgraded, upgraded.server, upgraded.agent, upgraded.bytes_down, upgraded.flow.bytes_down);
  const bool came_down = co_await down;
  const bool went_up = co_await up;
  co_return came_down&& went_up;
}

}  // namespace clawpatrol::http
