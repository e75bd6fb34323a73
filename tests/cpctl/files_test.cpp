// What cpctl does alone: no daemon is there.
#include <fstream>

#include "daemon/audit/log.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path) << text;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

constexpr std::string_view good = R"(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[profile.data]
endpoints = ["pg"]
[endpoint.pg]
type = "postgres"
hosts = ["127.0.0.1:5432"]
tls = "disable"
[[rule]]
name = "reads"
endpoint = "pg"
condition = "action.kind == 'read'"
verdict = "allow"
reason = "reading is fine"
)";

TEST_CASE("check says yes with counts, and no with every problem") {
  TemporaryDirectory directory;
  auto file = directory.path / "clawpatrol.toml";
  write_file(file, good);
  Result result = cpctl({"check", file.native()});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "1 endpoint, 1 rule"));
  CHECK(cpctl({"--config", directory.path.native(), "check"}).status == 0);
  write_file(file, std::string(good) + "[[rule]]\nname = 7\nbogus = \"\x1b[2J\"\n");
  result = cpctl({"check", file.native()});
  CHECK(result.status == 1);
  CHECK(contains(result.out, "clawpatrol.toml:"));
  CHECK_FALSE(contains(result.out, "\x1b"));
}

TEST_CASE("check -o json is one versioned object with the diagnostics") {
  TemporaryDirectory directory;
  auto file = directory.path / "clawpatrol.toml";
  write_file(file, "schema = 1\nbogus = 1\n");
  Result result = cpctl({"check", file.native(), "-o", "json"});
  CHECK(result.status == 1);
  auto line = control::Message::parse(result.out);
  REQUIRE(line);
  CHECK(line->text("type") == "check");
  CHECK(line->natural("v") == 1u);
  CHECK(line->has("ok"));
  CHECK_FALSE(line->flag("ok"));
  REQUIRE_FALSE(line->list("diagnostics").empty());
  control::Message first = line->list("diagnostics")[0];
  CHECK(first.text("severity") == "error");
  CHECK(first.object("place").natural_or_zero("line") > 0);
}

struct WrittenLog {
  TemporaryDirectory state;
  std::filesystem::path segment;
  audit::Head head;

  WrittenLog() {
    audit::Options options;
    options.directory = state.path / "audit";
    options.key_file = state.path / "audit.key";
    auto log = audit::Log::open(options);
    if (!log) FAIL(log.error().what);
    for (int i = 0; i < 5; ++i) {
      std::string lines[] = {"\"id\":\"a-" + std::to_string(i) + "\",\"verdict\":\"allow\""};
      REQUIRE((*log)->append(lines));
    }
    head = (*log)->head();
    log->reset();
    for (const auto& entry : std::filesystem::directory_iterator(state.path / "audit")) {
      if (entry.path().extension() == ".jsonl") segment = entry.path();
    }
    REQUIRE_FALSE(segment.empty());
  }
  Result verify(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"--state", state.path.native(), "audit", "verify"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cpctl(arguments);
  }
};

TEST_CASE("audit verify: an intact log, also against a head kept elsewhere") {
  WrittenLog log;
  Result result = log.verify();
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "intact"));
  CHECK(contains(result.out, "--head SEQ:BOOT:MAC"));
  CHECK(log.verify({"--head", audit::head_text(log.head)}).status == 0);
  auto line = control::Message::parse(log.verify({"-o", "json"}).out);
  REQUIRE(line);
  CHECK(line->text("type") == "audit_verify");
  CHECK(line->flag("ok"));
  CHECK(line->text("head_check") == "not_asked");
}

TEST_CASE("audit verify: a changed line and a cut tail are told, with exit status 1") {
  WrittenLog log;
  const std::string whole = read_file(log.segment);
  std::string changed = whole;
  changed.replace(changed.find("a-3"), 3, "a-X");
  write_file(log.segment, changed);
  Result result = log.verify();
  CHECK(result.status == 1);
  CHECK(contains(result.out, "changed"));
  CHECK(contains(result.out, log.segment.filename().native()));
  std::size_t cut = whole.rfind('\n', whole.size() - 2);
  write_file(log.segment, whole.substr(0, cut + 1));
  result = log.verify({"--head", audit::head_text(log.head)});
  CHECK(result.status == 1);
  CHECK(contains(result.out, "cut tail"));
}

TEST_CASE("audit verify without a key or a log says where it looked") {
  TemporaryDirectory empty;
  Result result = cpctl({"--state", empty.path.native(), "audit", "verify"});
  CHECK(result.status == 1);
  CHECK(contains(result.err, "audit.key"));
}

}  // namespace
}  // namespace clawpatrol::cpctl
