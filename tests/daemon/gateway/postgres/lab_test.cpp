#include "tests/daemon/gateway/postgres/lab.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>
#include <stdexcept>

#include "daemon/audit/budget.h"
#include "daemon/audit/log.h"
#include "daemon/gateway/analysts.h"
#include "daemon/gateway/leaves.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "daemon/gateway/postgres/handler.h"
#include "daemon/gateway/upstream.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"
#include "tests/daemon/gateway/lab/loopback.h"

namespace clawpatrol::postgres::lab {

using namespace clawpatrol::lab;

namespace {

constexpr const char* bin = "/usr/lib/postgresql/15/bin/";

std::string as_postgres(const std::string& command) {
  if (::geteuid() != 0) return command;
  return "setpriv --reuid=postgres --regid=postgres --clear-groups -- " + command;
}

std::string run(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw std::runtime_error("popen");
  std::string output;
  char part[4096];
  while (std::size_t count = ::fread(part, 1, sizeof part, pipe)) output.append(part, count);
  const int status = ::pclose(pipe);
  if (status != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path) << text;
}

}  // namespace

Server& Server::instance() {
  static Server server;
  return server;
}

Server::Server() : directory_(scratch("clawpatrol-pg")) {
  std::filesystem::permissions(directory_, std::filesystem::perms(0755));
  const std::string data = (directory_ / "data").string();
  if (::geteuid() == 0) run("chown postgres " + directory_.string());
  run(as_postgres(bin + std::string("initdb -N -A trust -U admin --locale=C.UTF-8 -D ") + data));
  write_file(data + "/pg_hba.conf",
             "local all all trust\n"
             "host all agent_scram 127.0.0.1/32 scram-sha-256\n"
             "host all agent_md5 127.0.0.1/32 md5\n"
             "host all agent_plain 127.0.0.1/32 password\n"
             "host all all 127.0.0.1/32 trust\n"
             "host replication all 127.0.0.1/32 trust\n");
  port_ = listen_on_loopback().second;  // free a moment ago; initdb took all the time there was to lose
  run(as_postgres(bin + std::string("pg_ctl -s -w -D ") + data + " -l " + (directory_ / "log").string() +
                  " -o '-p " + std::to_string(port_) + " -k " + directory_.string() +
                  " -c listen_addresses=127.0.0.1 -c fsync=off -c log_statement=all -c wal_level=logical" +
                  " -c max_connections=60' start </dev/null >/dev/null"));
  admin(R"(
    CREATE ROLE agent_ro LOGIN; CREATE ROLE agent_scram LOGIN PASSWORD 'pencil';
    SET password_encryption = 'md5'; CREATE ROLE agent_md5 LOGIN PASSWORD 'pencil';
    SET password_encryption = 'scram-sha-256'; CREATE ROLE agent_plain LOGIN PASSWORD 'pencil';
    CREATE DATABASE app OWNER agent_ro;)");
  admin(R"(\c app
    CREATE SCHEMA sec; CREATE TABLE sec.tokens (token text); INSERT INTO sec.tokens VALUES ('s3cr3t');
    CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT i, 'user' || i FROM generate_series(1, 100) i;
    CREATE TABLE ledger (n int);
    CREATE FUNCTION steal() RETURNS text LANGUAGE sql AS 'SELECT token FROM sec.tokens';
    CREATE FUNCTION bend() RETURNS text LANGUAGE sql AS
      'SELECT set_config(''standard_conforming_strings'', ''off'', false)';
    GRANT ALL ON SCHEMA public, sec TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA public, sec TO PUBLIC;)");
}

Server::~Server() {
  try {
    run(as_postgres(bin + std::string("pg_ctl -s -m immediate -D ") + (directory_ / "data").string() +
                    " stop"));
  } catch (const std::exception&) {  // the directory goes either way
  }
  std::filesystem::remove_all(directory_);
}

std::string Server::admin(std::string_view sql) const {
  const auto file = scratch("clawpatrol-sql");
  write_file(file / "sql", sql);
  std::string output;
  try {
    const bool app =
        sql.find("CREATE ROLE") == std::string_view::npos && sql.find("\\c ") == std::string_view::npos;
    output =
        run("psql -X -q -A -t -v ON_ERROR_STOP=1 -h " + directory_.string() + " -p " + std::to_string(port_) +
            " -U admin -d " + (app ? "app" : "postgres") + " -f " + (file / "sql").string());
  } catch (...) {
    std::filesystem::remove_all(file);
    throw;
  }
  std::filesystem::remove_all(file);
  while (output.ends_with('\n')) output.pop_back();
  return output;
}

std::string Server::log() const {
  std::stringstream text;
  text << std::ifstream(directory_ / "log").rdbuf();
  return text.str();
}

std::shared_ptr<Policy> Gateway::load(const std::string& rules) {
  const std::string port = std::to_string(Server::instance().port());
  const std::string text = R"(
schema = 1
[gateway]
endpoint = "gw.example.com:51820"
subnet = ["10.86.0.0/24"]
virtual = ["198.18.0.0/16"]
[peer.tester]
profile = "data"
[profile.data]
credentials = ["pg"]
[endpoint.pg-prod]
type = "postgres"
hosts = ["127.0.0.1:)" + port +
                           R"("]
tls = "disable"
)" + setup_.endpoint + R"(
[credential.pg]
type = "postgres"
endpoint = "pg-prod"
user = ")" + setup_.user + "\"\n" +
                           setup_.settings + rules;
  LoadResult loaded = load_policy_text(text);
  if (!loaded.policy) throw std::runtime_error(loaded.diagnostics.render());
  loaded.policy->generation = ++generation_;
  return loaded.policy;
}

Gateway::Gateway(Setup setup) : setup_(std::move(setup)), serving_(setup_.audit_bytes) {
  shared().policy.replace(load(setup_.rules));
  if (!setup_.password.empty()) REQUIRE(shared().credentials->set("pg", setup_.password));
  shared().cancel_keys = std::make_unique<CancelKeys>();
  shared().authority = *tls::Authority::open(*tls::make_authority(std::time(nullptr)));
  shared().leaves = std::make_unique<Leaves>(*shared().authority);
  shared().server_context = *tls::ServerContext::create();
  serving_.start([this](Worker& worker, Fd socket) {
    ClaimedFlow claimed = serving_.claim(tester, "pg-prod", "postgres", Server::instance().port());
    if (claimed.flow) worker.flows().spawn(serve_postgres(worker, std::move(socket), std::move(claimed)));
  });
}

void Gateway::use(std::string rules) {
  shared().policy.replace(load(rules));
}

Agent::Agent(std::uint16_t port) : socket_(connect_to_loopback(port)) {}

Agent::Agent(std::uint16_t port, const std::vector<std::pair<std::string, std::string>>& parameters)
    : Agent(port) {
  std::vector<std::pair<std::string, std::string>> all = {{"user", "somebody"}, {"database", "app"}};
  for (const auto& parameter : parameters) {
    auto same = std::ranges::find(all, parameter.first, &std::pair<std::string, std::string>::first);
    if (same == all.end())
      all.push_back(parameter);
    else
      same->second = parameter.second;
  }
  std::string out;
  append_startup(out, 0, all);
  send(out);
  auto messages = until('Z');
  INFO(field(messages, 'M') << " / " << field(messages, 'D'));
  REQUIRE(code(messages).empty());
  for (const Message& message : messages)
    if (message.type == 'K') key_ = message.body;
}

void Agent::send(std::string_view bytes) {
  send_whole(socket_.get(), bytes);
}

bool Agent::fill() {
  return receive_into(socket_.get(), buffer_) == Received::some;
}

std::vector<Message> Agent::until(char type) {
  std::vector<Message> messages;
  while (true) {
    auto step = frames_.peek(buffer_);
    if (auto* parsed = std::get_if<Parsed<Frame>>(&step)) {
      const Frame frame = parsed->event;
      frames_.take(frame);
      partial_ += frame.body;
      const bool ends = frame.ends;
      buffer_.erase(0, parsed->size);
      if (!ends) continue;
      messages.push_back({frame.type, std::exchange(partial_, {})});
      if (frame.type == type) return messages;
      continue;
    }
    if (!fill()) return messages;
  }
}

std::vector<Message> Agent::query(std::string_view sql) {
  send(q(sql));
  return until('Z');
}

bool Agent::closed() {
  while (fill()) {
  }
  return true;
}

std::vector<Message> refused_login(Gateway& gateway,
                                   const std::vector<std::pair<std::string, std::string>>& extra) {
  std::vector<std::pair<std::string, std::string>> all = {{"user", "x"}, {"database", "app"}};
  all.insert(all.end(), extra.begin(), extra.end());
  Agent agent(gateway.port());
  std::string out;
  append_startup(out, 0, all);
  agent.send(out);
  return agent.until('Z');
}

std::string kinds(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages)
    if (message.type != 'N' && message.type != 'S') text.push_back(message.type);
  return text;
}

std::string field(const std::vector<Message>& messages, char field) {
  for (const Message& message : messages) {
    if (message.type != 'E') continue;
    Reader reader(message.body);
    while (true) {
      const char name = static_cast<char>(reader.u8());
      if (!reader.ok() || name == 0) break;
      const std::string_view value = reader.cstring();
      if (name == field) return std::string(value);
    }
    return "";
  }
  return "";
}

std::string code(const std::vector<Message>& messages) {
  return field(messages, 'C');
}

std::vector<std::string> rows(const std::vector<Message>& messages) {
  std::vector<std::string> out;
  for (const Message& message : messages) {
    if (message.type != 'D') continue;
    Reader reader(message.body);
    reader.u16();
    const std::int32_t size = reader.i32();
    out.emplace_back(size < 0 ? std::string_view("NULL") : reader.bytes(static_cast<std::size_t>(size)));
  }
  return out;
}

std::string tag(const std::vector<Message>& messages) {
  std::string last;
  for (const Message& message : messages)
    if (message.type == 'C') last = message.body.substr(0, message.body.size() - 1);
  return last;
}

char status(const std::vector<Message>& messages) {
  char last = '?';
  for (const Message& message : messages)
    if (message.type == 'Z') last = message.body[0];
  return last;
}

std::string q(std::string_view sql) {
  std::string out;
  append_query(out, sql);
  return out;
}

std::string parse(std::string_view sql, std::string_view name) {
  std::string out;
  append_parse(out, name, sql);
  return out;
}

std::string bind(std::string_view statement, std::string_view portal,
                 const std::vector<std::string>& values) {
  std::string rest, out;
  Writer writer(rest);
  writer.u16(0).u16(static_cast<std::uint16_t>(values.size()));
  for (const std::string& value : values) writer.u32(static_cast<std::uint32_t>(value.size())).bytes(value);
  writer.u16(0);
  append_bind(out, portal, statement, rest);
  return out;
}

std::string execute(std::string_view portal, std::uint32_t rows) {
  std::string out;
  append_execute(out, portal, rows);
  return out;
}

std::string close(std::string_view statement) {
  std::string out;
  append_close(out, Target::statement, statement);
  return out;
}

std::string raw(char type, std::string_view body) {
  std::string out;
  append_header(out, type, body.size());
  out += body;
  return out;
}

}  // namespace clawpatrol::postgres::lab
