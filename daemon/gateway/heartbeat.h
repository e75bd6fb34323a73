// Whether every worker's ring turns: what systemd's watchdog is fed by. A gateway of which one worker hangs
// serves some agents and not others, and says nothing; one that is started anew serves all.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace clawpatrol {

// Of the control thread.
class Heartbeat {
 public:
  // Has an action run by a ring, on its own thread.
  using Post = std::function<void(std::function<void()>)>;
  explicit Heartbeat(std::vector<Post> rings);

  // Called again and again: true where each ring has run what it was asked to at the call before. Then all
  // are asked anew; one that has not answered is not asked again, so that nothing gathers in it.
  bool felt();

 private:
  struct Pulse {
    Post post;
    std::shared_ptr<std::atomic<bool>> answered;  // shared with what was posted: a ring may outlive us
  };
  std::vector<Pulse> pulses_;
};

}  // namespace clawpatrol
