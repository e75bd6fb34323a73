#pragma once

namespace clawpatrol::http {

// Resets a connection at once, wakes whatever waits for it, and keeps its descriptor: what waits may be the
// ring's.
void disconnect(int socket);

}  // namespace clawpatrol::http
