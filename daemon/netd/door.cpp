#include "daemon/netd/door.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace clawpatrol::netd {

std::optional<Caller> caller_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  std::vector<gid_t> groups(256);
  size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  // With more groups than fit, only the primary one counts.
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) size = 0;
  groups.resize(size / sizeof(gid_t));
  groups.push_back(credentials.gid);
  return Caller{credentials.uid, std::move(groups)};
}

namespace {

// netd may not give a file away, so in general there is a list of who else has a way to it. 0 or errno.
int open_to(const std::string& path, const Admitted& admitted) {
  Admitted others = admitted;
  if (others.user == ::geteuid()) others.user.reset();
  if (!others.user && !others.group) return 0;
  if (!others.user && ::lchown(path.c_str(), static_cast<uid_t>(-1), *others.group) == 0)
    return ::chmod(path.c_str(), 0660) == 0 ? 0 : errno;
  return admit(path, others);
}

}  // namespace

std::expected<Fd, Error> listen_on(const std::filesystem::path& path, int type, const Admitted& admitted) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path.string();
  if (text.size() >= sizeof address.sun_path)
    return std::unexpected(
        Error{ENAMETOOLONG, fmt::format("cannot listen: '{}': the path is too long", text)});
  std::memcpy(address.sun_path, text.data(), text.size());
  Fd fd(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(os_error(errno, fmt::format("cannot listen: '{}'", text)));
  struct stat status{};
  if (::lstat(text.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(text.c_str());
  // The mode at bind comes from the inode of the socket, so nobody can connect before it is narrowed.
  if (::fchmod(fd.get(), 0600) != 0 ||
      ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(os_error(errno, fmt::format("cannot listen: '{}'", text)));
  if (int code = open_to(text, admitted); code != 0)
    return std::unexpected(os_error(code, fmt::format("cannot say who may connect: '{}'", text)));
  if (::listen(fd.get(), 64) != 0)
    return std::unexpected(os_error(errno, fmt::format("cannot listen: '{}'", text)));
  return fd;
}

bool close_descriptors(const msghdr& message) {
  bool found = false;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      ::close(fd);
      found = true;
    }
  }
  return found;
}

int send_datagram(int socket, const void* bytes, std::size_t size, int descriptor) {
  iovec part{const_cast<void*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  while (true) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace clawpatrol::netd
