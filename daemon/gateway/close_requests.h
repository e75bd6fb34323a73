// A request to close a flow, heard while what it does is a wait for the agent: its socket is shut down, which
// ends the wait. Whoever serves the flow afterwards hears them itself.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "daemon/gateway/flows.h"
#include "daemon/ring/ring.h"

namespace clawpatrol {

class CloseRequests {
 public:
  CloseRequests(Ring& ring, Flow& flow, int socket) : flow_(flow), socket_(std::make_shared<int>(socket)) {
    flow.on_close_request([&ring, socket = socket_](const std::string&) {
      ring.post([socket] {
        if (*socket >= 0) ::shutdown(*socket, SHUT_RDWR);
      });
    });
  }
  ~CloseRequests() {
    *socket_ = -1;
    flow_.on_close_request({});
  }
  CloseRequests(const CloseRequests&) = delete;
  CloseRequests& operator=(const CloseRequests&) = delete;

 private:
  Flow& flow_;
  std::shared_ptr<int> socket_;  // of this ring's thread
};

}  // namespace clawpatrol
