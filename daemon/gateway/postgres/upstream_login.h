// The gateway's own login at the server, up to its first ReadyForQuery. Sans I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/credentials/store.h"
#include "daemon/gateway/postgres/scram.h"
#include "parsers/postgres/frame.h"

namespace clawpatrol::postgres {

// What decides how the server reads text must be what our analysis assumes (attacks.md, 1 and 2).
bool is_safe_client_encoding(std::string_view name);
// Whether a value that the server reports lets the connection go on.
bool is_safe_report(std::string_view parameter, std::string_view value);

struct LoginFailure {
  std::string code;     // SQLSTATE for the agent
  std::string message;  // for the agent; never a secret
  std::string detail;
};

class UpstreamLogin {
 public:
  struct Request {
    std::string user;
    std::string credential;      // its name, for messages; empty: none
    bool private_path = false;   // loopback: a password in the clear stays on this machine
    std::string end_point = {};  // the digest of the certificate that the server has shown; "": none
    std::vector<std::pair<std::string, std::string>> parameters;  // user, database and the rest, as judged
    SaltedPasswords& salted_passwords;                            // outlives the login
  };
  UpstreamLogin(Request request, credentials::Secret password);

  enum class State : std::uint8_t { going_on, logged_in, failed };
  std::string start() const;  // the startup packet
  // One whole message of the server; appends the answer, if any.
  State take(const Frame& frame, std::string& to_server);

  const LoginFailure& failure() const { return failure_; }
  const std::string& greeting() const { return greeting_; }  // ParameterStatus and notices, as sent
  std::uint32_t process() const { return process_; }
  const std::string& encoding() const { return encoding_; }  // client_encoding, as the server reports it
  const std::string& server_encoding() const { return server_encoding_; }  // never changes; "": not reported
  const std::string& key() const { return key_; }

 private:
  State authenticate(std::string_view body, std::string& to_server);
  State begin_sasl(std::string_view mechanisms, std::string& to_server);
  State continue_sasl(std::string_view data, std::string& to_server);
  State parameter(const Frame& frame);
  State refused(std::string_view body);
  State ready();
  State fail(std::string message, std::string detail = {});

  Request request_;
  credentials::Secret password_;
  std::optional<Scram> scram_;
  bool verified_ = false;  // the server proved that it knows the password
  bool authenticated_ = false;
  LoginFailure failure_;
  std::string greeting_;
  std::uint32_t process_ = 0;
  std::string key_;
  std::string strings_;  // as reported
  std::string encoding_, server_encoding_;
};

}  // namespace clawpatrol::postgres
