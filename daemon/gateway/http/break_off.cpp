#include "daemon/gateway/http/break_off.h"

#include <sys/socket.h>

namespace clawpatrol::http {

void disconnect(int socket) {
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  ::connect(socket, &nowhere, sizeof nowhere);
}

}  // namespace clawpatrol::http
