// What netlink.cpp and wireguard.cpp share of libnl.
#pragma once

#include <netlink/attr.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "daemon/ring/error.h"

namespace clawpatrol::netd {

struct NlMessageFree {
  void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using NlMessage = std::unique_ptr<nl_msg, NlMessageFree>;

// `code` is libnl's, negative.
inline Error netlink_error(int code, const std::string& what) {
  return Error{-code, what + ": " + nl_geterror(code)};
}

// Sends a request and calls `each` for every message of the answer, to its end.
std::expected<void, Error> dump(nl_sock* socket, nl_msg* request, const std::string& what,
                                const std::function<void(nlmsghdr*)>& each);

}  // namespace clawpatrol::netd
