// What a ring of ours may do. seccomp cannot see ring operations, so the ring itself is told.
#pragma once

struct io_uring;

namespace clawpatrol {

// For a ring that was set up disabled, before it is enabled. 0 or -errno. io_uring_register_restrictions(3).
int restrict_operations(io_uring& ring);

}  // namespace clawpatrol
