// An audit log of a test's own lines, with policies beside it.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/audit/log.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {

inline std::string line_of(const std::string& body) {
  return R"({"v":1,"seq":1,"prev":"0123456789abcdef",)" + body + "}";
}

struct LoggedLines {
  TemporaryDirectory state;
  std::filesystem::path log = state.path / "audit";
  explicit LoggedLines(const std::vector<std::string>& lines) {
    audit::Options options;
    options.directory = log;
    options.key_file = state.path / "audit.key";
    auto opened = audit::Log::open(options);
    REQUIRE(opened);
    for (const std::string& line : lines) {
      // The log itself writes what stands before a line's body.
      std::string bodies[] = {line.substr(line.find("\"time\""))};
      bodies[0].pop_back();
      REQUIRE((*opened)->append(bodies));
    }
  }
  std::filesystem::path write(const char* name, std::string_view text) const {
    std::ofstream(state.path / name) << text;
    return state.path / name;
  }
};

}  // namespace clawpatrol::cpctl
