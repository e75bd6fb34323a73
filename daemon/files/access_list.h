// Who beside its owner may read and write a file: an access control list (acl(5)).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

namespace clawpatrol {

struct Admitted {
  std::optional<uid_t> user = {};
  std::optional<gid_t> group = {};
};

// Its owner, these and nobody else. For who may not give the file away; the file must be the caller's own. A
// symbolic link is not followed. 0 or errno: EOPNOTSUPP where the file system has no such lists.
int admit(const std::filesystem::path& path, const Admitted& admitted);

}  // namespace clawpatrol
