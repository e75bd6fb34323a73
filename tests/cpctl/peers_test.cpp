// cpctl peers, pause, lockdown and what belongs to them, against a netd that says what the test wants.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <fstream>

#include "cpctl/cli.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

TEST_CASE("resuming a peer does not end a lockdown of everybody, and says so") {
  FakeDaemon netd("peers.sock");
  netd.on("release", {R"({"ok":true,"locked_down":true})"});
  CHECK(cpctl(netd, {"peers", "resume", "a"}).out ==
        "peer 'a' is not paused any more; everybody is locked out until `cpctl unlock --all`\n");
  netd.on("release", {R"({"ok":true,"locked_down":false})"});
  CHECK(cpctl(netd, {"peers", "resume", "a"}).out == "peer 'a' is let in again\n");
}

// netd answers with one line that says "ok" itself.
TEST_CASE("peers add prints the configuration alone on standard output, and what to do on standard error") {
  FakeDaemon netd("peers.sock");
  netd.on("add",
          {R"({"v":1,"ok":true,"config":"[Interface]\nPrivateKey = abc\n","note":"mind\u001bthis",)"
           R"("wg_set":"wg set wg-demo peer x","peer":{"name":"b","addresses":["10.86.0.2","fd86::2"]}})"});
  Result result = cpctl(netd, {"peers", "add", "b", "--public-key", "K="});
  CHECK(result.status == 0);
  CHECK(result.out == "[Interface]\nPrivateKey = abc\n");
  CHECK(contains(result.err, "peer 'b' is added: 10.86.0.2, fd86::2"));
  CHECK(contains(result.err, "wg set wg-demo peer x"));
  CHECK(contains(result.err, "mind\\u{1b}this"));
  CHECK(netd.seen().back() == R"({"v":1,"command":"add","name":"b","public_key":"K="}|)");
  const auto written = [&](const std::string& file) {
    return cpctl(netd, {"peers", "add", "b", "--no-hooks", "-O", (netd.directory.path / file).native()}).err;
  };
  CHECK(contains(written("fifteen-letters.conf"), "on the agent: wg-quick up ./fifteen-letters.conf\n"));
  for (const char* file : {"sixteen-letters-.conf", "odd name.conf", "plain"})
    CHECK(contains(written(file), "wg-quick up ./clawpatrol.conf\n"));
}

TEST_CASE("what cannot be written ends with 1, and a private key that is lost with it is named") {
  FakeDaemon netd("peers.sock");
  netd.on("add", {R"({"v":1,"ok":true,"config":"[Interface]\n","peer":{"name":"b","addresses":[]}})"});
  Fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  Fd err(memfd_create("err", MFD_CLOEXEC));
  const std::string run = netd.directory.path.native();
  const auto into_full = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--run", run});
    return clawpatrol::cpctl::run(arguments, {.in = 0, .out = full.get(), .err = err.get()});
  };
  CHECK(into_full({"peers", "add", "b"}) == 1);
  CHECK(into_full({"peers", "add", "b", "-o", "json"}) == 1);
  CHECK(into_full({"peers", "add", "b", "--public-key", "K="}) == 1);
  netd.on("rotate", {R"({"v":1,"ok":true,"config":"[Interface]\n","peer":{"name":"b","addresses":[]}})"});
  CHECK(into_full({"peers", "rotate", "b"}) == 1);
  std::string said(4096, '\0');
  said.resize(static_cast<std::size_t>(pread(err.get(), said.data(), said.size(), 0)));
  CHECK(contains(said, "cannot write the configuration: No space left on device"));
  CHECK(contains(said, "its private key is lost: run `cpctl peers rm b`"));
  CHECK(
      contains(said, "new private key is lost, and its old one is good no more: run `cpctl peers rotate b`"));
  CHECK(contains(said, "cannot write the output: No space left on device"));
}

TEST_CASE("peers add -O writes a new file that only its owner can read, and never over another") {
  FakeDaemon netd("peers.sock");
  netd.on("add", {R"({"v":1,"ok":true,"config":"[Interface]\n","peer":{"name":"b","addresses":[]}})"});
  auto file = netd.directory.path / "wg0.conf";
  CHECK(cpctl(netd, {"peers", "add", "b", "-O", file.native()}).status == 0);
  struct stat made{};
  REQUIRE(stat(file.c_str(), &made) == 0);
  CHECK((made.st_mode & 07777) == 0600);
  std::ifstream in(file);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "[Interface]\n");
  Result again = cpctl(netd, {"peers", "add", "c", "-O", file.native()});
  CHECK(again.status == 1);
  CHECK(contains(again.err, "it is there already"));
  again = cpctl(netd, {"peers", "rotate", "b", "-O", (netd.directory.path / "nowhere/wg0.conf").native()});
  CHECK(again.status == 1);
  CHECK(contains(again.err, "No such file or directory"));
  CHECK(netd.seen().size() == 1);
}

TEST_CASE(
    "peers add with hooks: the authority's hash is asked for, and stands in the file; --no-hooks leaves all "
    "out") {
  FakeDaemon netd("peers.sock");
  netd.on("add", {R"({"v":1,"ok":true,"config":"[Interface]\nMTU = 1420\n\n[Peer]\nPublicKey = x\n",)"
                  R"("gateway":["10.86.0.1","fd86::1"],"peer":{"name":"b","addresses":[]}})"});
  Result alone = cpctl(netd, {"peers", "add", "b"});
  CHECK(contains(alone.err, "clawpatrold does not answer"));
  CHECK_FALSE(contains(alone.out, "PostUp"));
  FakeDaemon daemon("control.sock", netd.directory.path);
  const std::string hash(64, 'e');
  daemon.on("status", {R"({"v":1,"type":"status","ca_sha256":")" + hash + "\"}"});
  Result hooked = cpctl(netd, {"peers", "add", "b", "--profile", "agents", "--ttl", "8h"});
  CHECK(hooked.status == 0);
  CHECK(contains(hooked.out, "PostUp = "));
  CHECK(contains(hooked.out, hash));
  CHECK(contains(hooked.out, "http://10.86.0.1/$f"));
  CHECK(netd.seen().back() ==
        R"({"v":1,"command":"add","name":"b","profile":"agents","ttl_s":28800,"resolver":false}|)");
  CHECK(contains(cpctl(netd, {"peers", "add", "b", "-o", "json"}).out, "PostDown = "));
  Result plain = cpctl(netd, {"peers", "add", "b", "--no-hooks"});
  CHECK_FALSE(contains(plain.out, "Post"));
  CHECK(netd.seen().back() == R"({"v":1,"command":"add","name":"b"}|)");
  CHECK(contains(cpctl(netd, {"peers", "add", "b", "--qr"}).out, "█"));
  CHECK(cpctl(netd, {"peers", "add", "b", "--ttl", "soon"}).status == 2);
  CHECK(cpctl(netd, {"peers", "add", "b", "--for", "dos"}).status == 2);
}

TEST_CASE("pause, resume, rotate, lockdown and unlock say to netd what they say") {
  FakeDaemon netd("peers.sock");
  netd.on("hold", {R"({"v":1,"ok":true})"});
  netd.on("release", {R"({"v":1,"ok":true})"});
  netd.on("rotate", {R"({"v":1,"ok":true,"config":"[Interface]\n","peer":{"name":"b","addresses":[]}})"});
  CHECK(contains(cpctl(netd, {"peers", "pause", "b"}).out, "peer 'b' is locked out"));
  CHECK(netd.seen().back() == R"({"v":1,"command":"hold","name":"b"}|)");
  CHECK(cpctl(netd, {"lockdown", "--peer", "b"}).status == 0);
  CHECK(netd.seen().back() == R"({"v":1,"command":"hold","name":"b"}|)");
  CHECK(contains(cpctl(netd, {"lockdown", "--all"}).out, "every peer is locked out"));
  CHECK(netd.seen().back() == R"({"v":1,"command":"hold","all":true}|)");
  CHECK(cpctl(netd, {"unlock", "--all"}).status == 0);
  CHECK(netd.seen().back() == R"({"v":1,"command":"release","all":true}|)");
  CHECK(cpctl(netd, {"peers", "resume", "b"}).status == 0);
  CHECK(netd.seen().back() == R"({"v":1,"command":"release","name":"b"}|)");
  // Nobody is locked out for want of a word.
  const std::size_t asked = netd.seen().size();
  CHECK(cpctl(netd, {"lockdown"}).status == 2);
  // A variable that is not set is no word for everybody.
  for (const char* command : {"pause", "resume"}) CHECK(cpctl(netd, {"peers", command, ""}).status == 2);
  for (const char* command : {"lockdown", "unlock"}) CHECK(cpctl(netd, {command, "--peer", ""}).status == 2);
  CHECK(cpctl(netd, {"lockdown", "--all", "--peer", "b"}).status == 2);
  CHECK(netd.seen().size() == asked);
  CHECK(contains(cpctl(netd, {"peers", "rotate", "b", "--no-hooks"}).err, "known by its new key alone"));
  TemporaryDirectory empty;
  Result dead = cpctl({"lockdown", "--all", "--run", empty.path.native()});
  CHECK(dead.status == 3);
  CHECK(contains(dead.err, "systemctl stop clawpatrold"));
}

TEST_CASE("peers list and rm, and a refusal of netd's") {
  FakeDaemon netd("peers.sock");
  netd.on(
      "list",
      {R"({"v":1,"ok":true,"peers":[{"name":"b","interface":"","addresses":["10.86.0.2"],"public_key":"K=",)"
       R"("last_handshake":0,"rx_bytes":2048,"tx_bytes":1,"blocked":""}]})"});
  netd.on("rm", {R"({"v":1,"ok":false,"error":"no peer 'z'"})"});
  Result list = cpctl(netd, {"peers", "list"});
  CHECK(contains(list.out, "b     10.86.0.2"));
  CHECK(contains(list.out, "never"));
  CHECK(contains(list.out, "2.0 KiB"));
  netd.on("list", {R"({"v":1,"ok":true,"peers":[{"name":"b","blocked":"","expires_at":)" +
                   std::to_string(std::time(nullptr) + 7250) + "}]}"});
  CHECK(contains(cpctl(netd, {"peers", "list"}).out, "ends in 2h00m"));
  CHECK(contains(cpctl(netd, {"peers", "list", "-o", "json"}).out,
                 R"({"v":1,"type":"peers","peers":[{"name":"b")"));
  Result gone = cpctl(netd, {"peers", "rm", "z"});
  CHECK(gone.status == 1);
  CHECK(gone.err == "cpctl: no peer 'z'\n");
}

}  // namespace
}  // namespace clawpatrol::cpctl
