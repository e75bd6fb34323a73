// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the client's half and the server's; and
// PostgreSQL's MD5 answer. A channel is bound to the server's certificate (tls-server-end-point, RFC 5929).
//
// Passwords are used as their bytes are, as PostgreSQL does where SASLprep does not apply: right for ASCII,
// and for other text that is already in normal form.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/postgres/salted_passwords.h"

namespace clawpatrol::postgres {

// Fewer iterations make the password cheap to guess for who poses as the server; more are a way to keep us
// busy.
inline constexpr int least_iterations = 4096;
inline constexpr int most_iterations = 200'000;

class Scram {
 public:
  using Failure = std::string_view;  // a literal

  // `end_point`: the digest of the server's certificate; "": no TLS, or none can be made. The best that the
  // server offers is chosen: nothing where it has none of ours. A server that can bind a channel, of whom
  // somebody between us has hidden it, is told that we could too, and ends the login.
  static std::optional<Scram> choose(const std::vector<std::string_view>& offered,
                                     std::string_view end_point);
  explicit Scram(std::string nonce);  // unbound: for the RFC's own example
  ~Scram();
  Scram(Scram&&) = default;
  Scram(const Scram&) = delete;
  Scram& operator=(const Scram&) = delete;

  std::string_view mechanism() const;
  std::string client_first() const;
  // Derives SaltedPassword from the password and what the server has sent; false: it failed.
  using Salt = std::function<bool(std::string_view salt, int iterations, SaltedPassword& out)>;
  std::expected<std::string, Failure> client_final(std::string_view server_first, const Salt& salt);
  // Whether the server knows the password too. Nothing else proves that it is the server.
  bool verify(std::string_view server_final) const;

  // The user name inside the exchange: PostgreSQL ignores it and takes the startup packet's.
  std::string user;

 private:
  Scram(std::string nonce, std::string header, std::string_view end_point);
  std::string client_first_bare() const;
  std::string nonce_;
  std::string header_, bound_;  // what is said of channel binding, and to what it is bound
  std::string server_signature_;
};

// The server's half, bound to the end of TLS where there is one (tls-server-end-point, RFC 5929).
class ScramServer {
 public:
  using Failure = std::string_view;  // a literal

  // `end_point`: the digest of the certificate that was shown; "": no TLS, and no channel binding.
  ScramServer(std::string end_point, std::string salt);
  ScramServer(std::string end_point, std::string salt, std::string nonce);  // for the RFC's own example

  std::vector<std::string_view> mechanisms() const;  // best first
  std::expected<std::string, Failure> first(std::string_view mechanism, std::string_view client_first);
  // Of a client that has proved that it knows the password, and is at the other end of this very TLS.
  std::expected<std::string, Failure> final(std::string_view client_final, const SaltedPassword& salted);

 private:
  std::string end_point_, salt_, nonce_;
  std::string header_;        // what the client said of channel binding
  std::string conversation_;  // both first messages
};

std::string md5_answer(std::string_view user, std::string_view password, std::string_view salt);

}  // namespace clawpatrol::postgres
