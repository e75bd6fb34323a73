// Strings that a secret passes through on its way into a request are copied, grow and are given back to the
// heap by code that knows nothing of secrets. While one of these lives, what its thread gives back is
// overwritten first.
#pragma once

namespace clawpatrol::credentials {

// On the stack, around a step that does not wait: another task of the thread would be slowed down, and this
// one resumed elsewhere not be covered. They may be nested.
class WipedFrees {
 public:
  WipedFrees();
  ~WipedFrees();
  WipedFrees(const WipedFrees&) = delete;
  WipedFrees& operator=(const WipedFrees&) = delete;
};

}  // namespace clawpatrol::credentials
