#include <csignal>

#include "cpctl/cli.h"

int main(int argc, char** argv) {
  // A reader that goes away ends us by a failed write, after the terminal has been given back.
  std::signal(SIGPIPE, SIG_IGN);
  return clawpatrol::cpctl::run({argv + (argc > 0 ? 1 : 0), argv + argc}, {});
}
