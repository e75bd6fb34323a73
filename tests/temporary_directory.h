// A directory of a test's own, which is gone when the test is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace clawpatrol::tests {

struct TemporaryDirectory {
  std::filesystem::path path;
  TemporaryDirectory() {
    std::string made = "/tmp/clawpatrol-test-XXXXXX";
    if (!::mkdtemp(made.data())) throw std::runtime_error("mkdtemp");
    path = made;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
};

}  // namespace clawpatrol::tests
