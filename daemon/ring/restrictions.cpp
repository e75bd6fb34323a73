#include "daemon/ring/restrictions.h"

#include <liburing.h>

#include <array>

namespace clawpatrol {

// Everything that this program ever asks of a ring: no file is opened, no socket made, nothing spliced.
static constexpr std::array allowed_operations = {
    IORING_OP_ACCEPT,  IORING_OP_RECV,     IORING_OP_SEND,         IORING_OP_RECVMSG, IORING_OP_SENDMSG,
    IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_READ};

int restrict_operations(io_uring& ring) {
  std::array<io_uring_restriction, allowed_operations.size()> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) {
    rules[i].opcode = IORING_RESTRICTION_SQE_OP;
    rules[i].sqe_op = static_cast<std::uint8_t>(allowed_operations[i]);
  }
  return io_uring_register_restrictions(&ring, rules.data(), rules.size());
}

}  // namespace clawpatrol
