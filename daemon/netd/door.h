// Unix sockets that say who is calling.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <vector>

#include "daemon/files/access_list.h"
#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::netd {

struct Caller {
  uid_t uid;
  std::vector<gid_t> groups;  // the primary one too
};

// SO_PEERCRED and SO_PEERGROUPS: who connected, not who holds the socket now.
std::optional<Caller> caller_of(int socket);

// Listens on `path` in place of a dead socket of that name. Beside its owner and root only who is admitted
// can connect, so that nobody else fills the backlog; who may speak is decided by caller_of() all the same.
// Where the file system cannot say so of a user it is an error; of a group too. Non-blocking.
std::expected<Fd, Error> listen_on(const std::filesystem::path& path, int type, const Admitted& admitted);

// Closes every descriptor that came with a message. True: there was one.
bool close_descriptors(const msghdr& message);

// 0 or errno. `descriptor` goes with it unless it is negative.
int send_datagram(int socket, const void* bytes, std::size_t size, int descriptor);

}  // namespace clawpatrol::netd
