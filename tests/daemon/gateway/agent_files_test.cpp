#include "daemon/gateway/agent_files.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/temporary_directory.h"

using namespace clawpatrol;

namespace {

const AgentFiles files{.ca_pem = "PEM\n", .script = "export A=1\n"};

std::string ask(std::string_view line, std::string_view more = "") {
  return answer_agent(std::string(line) + " HTTP/1.1\r\nHost: 10.86.0.1\r\n" + std::string(more) + "\r\n",
                      files);
}

bool begins(const std::string& answer, std::string_view status) {
  return answer.starts_with("HTTP/1.1 " + std::string(status));
}

struct Home {
  tests::TemporaryDirectory made;
  std::string path = made.path.string();
  // What a command prints after the script, in a shell of its own with nothing else in its environment.
  std::string after(const std::string& script, const std::string& command,
                    const std::string& shell = "sh") const {
    std::ofstream(path + "/env.sh") << script;
    const std::string line = "env -i PATH=/usr/bin:/bin HOME=" + path + " " + shell + " -c '. " + path +
                             "/env.sh; " + command + "' 2>&1";
    FILE* pipe = ::popen(line.c_str(), "r");
    std::string out;
    char part[4096];
    while (std::size_t count = ::fread(part, 1, sizeof part, pipe)) out.append(part, count);
    ::pclose(pipe);
    return out;
  }
};

}  // namespace

TEST_CASE("two files are served, whole and by their names alone") {
  const std::string ca = ask("GET /ca.crt");
  CHECK(begins(ca, "200 OK\r\n"));
  CHECK(ca.ends_with("\r\n\r\nPEM\n"));
  CHECK(ca.find("Content-Length: 4\r\n") != std::string::npos);
  CHECK(ca.find("Connection: close\r\n") != std::string::npos);
  CHECK(ask("GET /env.sh").ends_with("\r\n\r\nexport A=1\n"));
  CHECK(ask("GET /env.sh?x").ends_with("export A=1\n"));
  const std::string head = ask("HEAD /ca.crt");
  CHECK(begins(head, "200"));
  CHECK(head.find("Content-Length: 4\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  for (const char* line :
       {"GET /", "GET /ca.crt/", "GET //ca.crt", "GET /./ca.crt", "GET /%63a.crt", "GET /ca.key"})
    CHECK(begins(ask(line), "404"));
  CHECK(begins(ask("POST /ca.crt"), "405"));
  CHECK(begins(ask("GET /ca.crt", "Content-Length: 3\r\n"), "400"));
}

TEST_CASE("what can be read in two ways, or does not end, is refused") {
  CHECK(begins(answer_agent("GET /ca.crt\r\n\r\n", files), "400"));
  CHECK(begins(answer_agent("GET /ca.crt HTTP/1.1\nHost: a\n\n", files), "400"));
  CHECK(begins(answer_agent("GET /ca.crt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", files), "400"));
  CHECK(begins(answer_agent(std::string("\x16\x03\x01\x00\x05", 5), files), "400"));
  CHECK(answer_agent("GET /ca.crt HTTP/1.1\r\nHost: a\r\n", files).empty());
  std::string endless = "GET /ca.crt HTTP/1.1\r\nHost: a\r\n";
  while (endless.size() < (8 << 10)) endless += "X: " + std::string(100, 'x') + "\r\n";
  CHECK(begins(answer_agent(endless, files), "400"));
}

TEST_CASE("the script keeps the roots that were trusted, adds ours, and may run twice") {
  const std::string script = environment_script("-----OURS-----\n", {{"GITHUB_TOKEN", "{{github}}"}});
  Home home;
  std::ofstream(home.path + "/own.pem") << "-----OWN-----\n";
  for (const char* shell : {"sh", "bash"}) {
    const std::string roots = home.after(
        "export SSL_CERT_FILE=" + home.path + "/own.pem\n" + script + script,
        "cat \"$SSL_CERT_FILE\" \"$NODE_EXTRA_CA_CERTS\"; for v in \"$CURL_CA_BUNDLE\" \"$GIT_SSL_CAINFO\" "
        "\"$REQUESTS_CA_BUNDLE\" \"$AWS_CA_BUNDLE\" \"$PGSSLROOTCERT\"; do [ \"$v\" = \"$SSL_CERT_FILE\" ] "
        "|| "
        "echo differs; done; echo \"$GITHUB_TOKEN\"",
        shell);
    CHECK(roots == "-----OWN-----\n\n-----OURS-----\n-----OURS-----\n{{github}}\n");
  }
  // The second run finds roots.crt, which is no file of roots of the agent's.
  CHECK(home.after(script, "grep -c OURS \"$SSL_CERT_FILE\"") == "1\n");
}

TEST_CASE("a placeholder is one word to the shell, whatever is in it") {
  Home home;
  const std::string evil = "it's $(echo run) `echo run` \\ \" ; #";
  CHECK(home.after(environment_script("", {{"TOKEN", evil}}), "printf %s \"$TOKEN\"") == evil);
}
