// A real PostgreSQL 15 of our own, a gateway in front of it on loopback, and an agent that speaks raw
// messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring/fd.h"
#include "parsers/postgres/frame.h"
#include "tests/daemon/gateway/lab/serving.h"

namespace clawpatrol::postgres::lab {

// One for the test program: made at first use, stopped and removed at exit. Roles: `admin` (superuser,
// trusted by the unix socket), agent_scram, agent_md5, agent_plain (password `pencil`), agent_ro (trusted).
class Server {
 public:
  static Server& instance();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();
  std::uint16_t port() const { return port_; }
  // Runs SQL as superuser; what psql prints, unaligned and without headers.
  std::string admin(std::string_view sql) const;
  std::string log() const;

 private:
  Server();
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
};

// Serves 127.0.0.1:port() as endpoint pg-prod for peer `tester`.
class Gateway {
 public:
  struct Setup {
    std::string rules;              // [[rule]] tables
    std::string user = "agent_ro";  // of the credential
    std::string password = "pencil";
    std::string settings = {};          // further tables, such as [limits]
    std::string endpoint = {};          // further keys of pg-prod
    std::size_t audit_bytes = 1 << 30;  // that the peer may write before it is denied
  };
  explicit Gateway(Setup setup);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  std::uint16_t port() const { return serving_.port(); }
  void use(std::string rules);  // another generation
  Shared& shared() { return serving_.shared(); }
  std::string audit_log() const { return serving_.audit_log(); }

 private:
  std::shared_ptr<Policy> load(const std::string& rules);

  Setup setup_;
  std::uint64_t generation_ = 0;
  clawpatrol::lab::Serving serving_;
};

struct Message {
  char type = 0;
  std::string body;
};

// An agent: blocking, every read bounded by ten seconds.
class Agent {
 public:
  explicit Agent(std::uint16_t port);
  Agent(std::uint16_t port, const std::vector<std::pair<std::string, std::string>>& parameters);  // logs in

  void send(std::string_view bytes);
  // Messages up to and with one of `type`, or all there are when the connection ends.
  std::vector<Message> until(char type);
  std::vector<Message> query(std::string_view sql);
  bool closed();  // reads to the end of the connection
  const std::string& key() const { return key_; }

 private:
  bool fill();
  Fd socket_;
  std::string buffer_;
  FrameStream frames_{Side::backend, 1 << 24};
  std::string partial_;
  std::string key_;
};

// What a login with these parameters beside user and database is told, up to ReadyForQuery or the end.
std::vector<Message> refused_login(Gateway& gateway,
                                   const std::vector<std::pair<std::string, std::string>>& extra);

std::string kinds(const std::vector<Message>& messages);  // types, without D's neighbours: "TDCZ"
std::string code(const std::vector<Message>& messages);   // SQLSTATE of the first error, or ""
std::string field(const std::vector<Message>& messages, char field);
std::vector<std::string> rows(const std::vector<Message>& messages);  // first column
std::string tag(const std::vector<Message>& messages);                // of the last CommandComplete
char status(const std::vector<Message>& messages);                    // of the last ReadyForQuery

// Messages of an agent.
std::string q(std::string_view sql);
std::string parse(std::string_view sql, std::string_view name = "");
std::string bind(std::string_view statement = "", std::string_view portal = "",
                 const std::vector<std::string>& values = {});
std::string execute(std::string_view portal = "", std::uint32_t rows = 0);
std::string close(std::string_view statement);
std::string raw(char type, std::string_view body = "");

inline constexpr const char* allow_all = R"toml(
[[rule]]
name = "all"
endpoint = "pg-prod"
on = ["statement", "login", "cancel", "function_call", "replication"]
verdict = "allow"
)toml";

inline constexpr const char* careful = R"toml(
[[rule]]
name = "no-drop"
endpoint = "pg-prod"
priority = 10
condition = "sql.verbs.exists(v, v in ['drop', 'truncate', 'delete'])"
verdict = "deny"
reason = "Nothing is dropped here"

[[rule]]
name = "not-the-secrets"
endpoint = "pg-prod"
condition = "!('tokens' in sql.tables) && action.kind in ['read', 'write', 'session']"
verdict = "allow"
)toml";

}  // namespace clawpatrol::postgres::lab
