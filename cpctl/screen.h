// A terminal that is redrawn in place: `cpctl status -w`. Given back as it was, also after a signal.
#pragma once

#include <termios.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cpctl/console.h"

namespace clawpatrol::cpctl {

class Screen {
 public:
  // Takes the terminal: alternate screen, no cursor, no echo. The output must be one.
  explicit Screen(Console& console);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Draws over what is there, line by line without clearing first (so that it does not flicker), as one
  // update where the terminal knows of such; what does not fit below is left out and said.
  void draw(const std::vector<std::string>& lines);

  enum class Event { elapsed, resized, quit };
  // Waits for the time to pass, the window to change, or the operator to want to leave (q, Ctrl-C, a signal).
  Event wait(std::chrono::milliseconds span);

 private:
  Console& console_;
  std::optional<termios> before_;
};

}  // namespace clawpatrol::cpctl
