#include "cpctl/hooks.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cpctl/qr.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol::cpctl;

namespace {

const HookFacts facts{.gateway = "10.86.0.1", .ca_sha256 = std::string(64, 'a')};

// As wg-quick reads it: what follows a `#` is gone, %i is the interface.
std::string command_of(std::string line) {
  line.resize(std::min(line.find('#'), line.size()));
  line.erase(0, line.find('=') + 1);
  for (std::size_t at; (at = line.find("%i")) != std::string::npos;) line.replace(at, 2, "wg0");
  return line;
}

std::string below(const std::filesystem::path& root, std::string command) {
  for (const char* top : {"/etc/", "/var/lib/", "/usr/local/"})
    for (std::size_t at = 0; (at = command.find(top, at)) != std::string::npos;
         at += root.native().size() + 1)
      command.insert(at, root.native());
  return command;
}

int run_in_bash(const std::string& command, const std::filesystem::path& root) {
  const auto script = root / "script";
  std::ofstream(script) << command << "\n";
  return std::system(("cd " + root.native() + " && bash -eu " + script.native() + " 2>/dev/null").c_str());
}

}  // namespace

TEST_CASE("hooks are lines that wg-quick passes on whole, and bash understands") {
  const clawpatrol::tests::TemporaryDirectory directory;
  for (Hooks hooks : {Hooks::linux_tools, Hooks::macos}) {
    auto lines = hook_lines(hooks, facts);
    REQUIRE(lines.size() >= 6);
    for (const std::string& line : lines) {
      INFO(line);
      CHECK(line.find('#') == std::string::npos);
      CHECK(line.find('\n') == std::string::npos);
      CHECK((line.starts_with("PostUp = ") || line.starts_with("PostDown = ")));
      for (const char* placeholder : {"DIR", "GATEWAY", "RESOLVER", "SHA256 ", "CA_HASH"})
        CHECK(line.find(placeholder) == std::string::npos);
      for (std::size_t at = 0; (at = line.find('%', at)) != std::string::npos; ++at)
        CHECK(line[at + 1] == 'i');
      CHECK(run_in_bash("bash -n <<'END'\n" + command_of(line) + "\nEND", directory.path) == 0);
    }
  }
  CHECK(hook_lines(Hooks::none, facts).empty());
}

TEST_CASE("an authority with another hash is not trusted: the tunnel does not come up") {
  const clawpatrol::tests::TemporaryDirectory directory;
  std::ofstream(directory.path / "ca.crt") << "a certificate\n";
  auto compare = [&](const std::string& hash) {
    for (const std::string& line :
         hook_lines(Hooks::linux_tools, {.gateway = "10.86.0.1", .ca_sha256 = hash})) {
      if (line.find("sha256sum") == std::string::npos) continue;
      std::string command = command_of(line);
      const std::string there = "/var/lib/clawpatrol-agent/wg0";
      command.replace(command.find(there), there.size(), directory.path);
      return run_in_bash(command, directory.path);
    }
    return -1;
  };
  CHECK(compare("7d6e2e1f32ee7b5b8d4ec1f84e52acc5f7e9b2ad2a8ef1f5b9a7f1ba0f9b6d2a") != 0);
  FILE* out = ::popen(("sha256sum " + directory.path.native() + "/ca.crt").c_str(), "r");
  char hash[65] = {};
  REQUIRE(std::fread(hash, 1, 64, out) == 64);
  ::pclose(out);
  CHECK(compare(hash) == 0);
}

TEST_CASE("what fails while the tunnel comes up leaves nothing behind") {
  namespace fs = std::filesystem;
  const clawpatrol::tests::TemporaryDirectory made;
  const fs::path state = made.path / "var/lib/clawpatrol-agent/wg0";
  fs::create_directories(made.path / "bin");
  for (const char* tool : {"curl", "wget"}) {
    std::ofstream(made.path / "bin" / tool) << "#!/bin/sh\n[ -z \"$http_proxy\" ] || touch proxied\nexit 1\n";
    fs::permissions(made.path / "bin" / tool, fs::perms::owner_all);
  }
  auto lines = hook_lines(Hooks::linux_tools, facts);
  const std::string path = "export http_proxy=http://x; PATH=" + (made.path / "bin").native() + ":$PATH\n";
  CHECK(run_in_bash(path + "(" + below(made.path, command_of(lines[0])) + ")", made.path) != 0);
  CHECK_FALSE(fs::exists(state));
  CHECK_FALSE(fs::exists(made.path / "proxied"));
  fs::create_directories(state);
  std::ofstream(state / "ca.crt") << "another\n";
  CHECK(run_in_bash("(" + below(made.path, command_of(lines[1])) + ")", made.path) != 0);
  CHECK_FALSE(fs::exists(state));
}

TEST_CASE("resolv.conf is taken over and given back as it is, whatever happened in between") {
  namespace fs = std::filesystem;
  const clawpatrol::tests::TemporaryDirectory made;
  const fs::path file = made.path / "etc/resolv.conf";
  for (const char* directory : {"bin", "etc", "var/lib/clawpatrol-agent/wg0"})
    fs::create_directories(made.path / directory);
  for (const char* tool : {"bash", "cat", "grep", "mv", "readlink", "rm"})
    fs::create_symlink(std::string("/bin/") + tool, made.path / "bin" / tool);
  auto run = [&](const char* when) {
    for (const std::string& line : hook_lines(Hooks::linux_tools, facts))
      if (line.starts_with(when) && line.find("nameserver") != std::string::npos)
        CHECK(run_in_bash(
                  "PATH=" + (made.path / "bin").native() + "\n(" + below(made.path, command_of(line)) + ")",
                  made.path) == 0);
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string ours = "nameserver 10.86.0.1\n", first = "search x\nnameserver 9.9.9.9\n";
  CHECK(run("PostUp") == ours);  // there was none
  run("PostDown");
  CHECK_FALSE(fs::exists(file));
  std::ofstream(file) << first;
  CHECK(run("PostUp") == ours);
  CHECK(run("PostUp") == ours);  // after a machine that lost its power
  CHECK(run("PostDown") == first);
  run("PostUp");
  std::ofstream(file) << "nameserver 8.8.8.8\n";  // by DHCP
  CHECK(run("PostDown") == "nameserver 8.8.8.8\n");
  run("PostUp");
  CHECK(run("PostDown") == "nameserver 8.8.8.8\n");
  fs::remove(file);
  fs::create_symlink(made.path / "etc/stub", file);  // a link to nowhere
  CHECK(run("PostUp") == ours);
  run("PostDown");
  CHECK(fs::is_symlink(file));
  CHECK_FALSE(fs::exists(file));
}

TEST_CASE("wg-quick down ends well beside another tunnel, and where the system's tools fail") {
  namespace fs = std::filesystem;
  const clawpatrol::tests::TemporaryDirectory made;
  const fs::path& root = made.path;
  for (const char* directory :
       {"bin", "etc/profile.d", "var/lib/clawpatrol-agent/wg0", "var/lib/clawpatrol-agent/other"})
    fs::create_directories(root / directory);
  for (const char* tool : {"update-ca-certificates", "resolvectl", "resolvconf"}) {
    std::ofstream(root / "bin" / tool) << "#!/bin/sh\nexit 1\n";
    fs::permissions(root / "bin" / tool, fs::perms::owner_all);
  }
  for (const std::string& line : hook_lines(Hooks::linux_tools, facts)) {
    if (line.find("/ca.crt)") != std::string::npos || line.find("curl") != std::string::npos) continue;
    const std::string command = below(root, command_of(line));
    INFO(command);
    CHECK(run_in_bash("set -o pipefail; PATH=" + (root / "bin").native() + ":$PATH\n(" + command + ")",
                      root) == 0);
  }
  CHECK_FALSE(fs::exists(root / "var/lib/clawpatrol-agent/wg0"));
  CHECK(fs::exists(root / "var/lib/clawpatrol-agent/other"));
}

TEST_CASE("hooks stand in [Interface], and an IPv6 gateway has its brackets in URLs alone") {
  const std::string text =
      with_hooks("[Interface]\nMTU = 1420\n\n[Peer]\nPublicKey = x\n", {"PostUp = a", "PostDown = b"});
  CHECK(text == "[Interface]\nMTU = 1420\nPostUp = a\nPostDown = b\n\n[Peer]\nPublicKey = x\n");
  for (const std::string& line : hook_lines(Hooks::linux_tools, {.gateway = "[fd86::1]", .ca_sha256 = "x"})) {
    CHECK(line.find("nameserver [") == std::string::npos);
    if (line.find("http://") != std::string::npos) CHECK(line.find("http://[fd86::1]/") != std::string::npos);
  }
}

TEST_CASE("a QR code is square, with a quiet zone; what no code holds is none") {
  auto code = qr_text("[Interface]\nPrivateKey = abc\n");
  REQUIRE(code);
  CHECK(std::ranges::count(*code, '\n') >= (21 + 8) / 2);
  CHECK(code->starts_with("\x1b[30;107m    "));
  CHECK_FALSE(qr_text(std::string(5000, 'x')));
}
