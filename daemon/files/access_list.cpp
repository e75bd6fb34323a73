#include "daemon/files/access_list.h"

#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace clawpatrol {

int admit(const std::filesystem::path& path, const Admitted& admitted) {
  constexpr std::uint16_t may = ACL_READ | ACL_WRITE;
  constexpr std::uint32_t nobody_else = static_cast<std::uint32_t>(ACL_UNDEFINED_ID);
  struct {
    posix_acl_xattr_header header;
    posix_acl_xattr_entry entries[6];
  } list{{htole32(POSIX_ACL_XATTR_VERSION)}, {}};
  std::size_t count = 0;
  const auto add = [&](std::uint16_t tag, std::uint16_t permissions, std::uint32_t id) {
    list.entries[count++] = {htole16(tag), htole16(permissions), htole32(id)};
  };
  // The kernel takes them in this order alone.
  add(ACL_USER_OBJ, may, nobody_else);
  if (admitted.user) add(ACL_USER, may, *admitted.user);
  add(ACL_GROUP_OBJ, 0, nobody_else);
  if (admitted.group) add(ACL_GROUP, may, *admitted.group);
  add(ACL_MASK, may, nobody_else);
  add(ACL_OTHER, 0, nobody_else);
  static_assert(sizeof list == 4 + 6 * 8);
  const std::size_t size = sizeof list.header + count * sizeof list.entries[0];
  return lsetxattr(path.c_str(), "system.posix_acl_access", &list, size, 0) == 0 ? 0 : errno;
}

}  // namespace clawpatrol
