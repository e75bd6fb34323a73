// The sockets that agents' traffic goes to. Bound to addresses that nothing outside can reach (bpf/shared.h),
// so that only sk_lookup gives them anything; transparent, so that they answer as whoever was asked.
#pragma once

#include <cstdint>
#include <expected>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::netd {

// Outside the usual range of ephemeral ports, and reserved all the same.
inline constexpr std::uint16_t listen_port = 15086;

enum class Family { v4, v6 };

// TCP, both families. getsockname() of what it accepts is the destination that was dialled. A port that is
// taken is tried again for two seconds: a dying ring holds its listener a little longer than its process
// lives.
std::expected<Fd, Error> make_listener();
// Whether a descriptor that somebody kept for us is what make_listener() made.
bool is_our_listener(int fd);

// UDP on port 53 of one family. The destination that was asked comes as IP_ORIGDSTADDR or IPV6_ORIGDSTADDR,
// and the answer leaves from it with IP_PKTINFO or IPV6_PKTINFO.
std::expected<Fd, Error> make_dns_socket(Family family);

}  // namespace clawpatrol::netd
