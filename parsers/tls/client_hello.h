// The first message of a TLS client, as far as it says which name it is for: RFC 8446 sections 5.1 and 4.1.2,
// server_name of RFC 6066.
//
//   record     type=22(1) version=03xx(2) length(2) fragment       the message may lie in several
//   message    type=1(1) length(3) body
//   body       version(2) random(32) session<1> ciphers<2> compression<1> extensions<2>
//   extension  type(2) data<2>; server_name is type 0: list<2> of { kind=0(1) name<2> }, exactly one
#pragma once

#include <string>
#include <string_view>

#include "parsers/bytes.h"

namespace clawpatrol::tls {

inline constexpr std::size_t max_record = 1 << 14;
inline constexpr std::size_t max_client_hello = 1 << 14;  // of the message, over all its records
inline constexpr std::size_t max_client_hello_records = 64;

struct ClientHello {
  std::string server_name;  // lower case, one trailing dot dropped; "" where the client names none
};

// Whether a connection that begins with these bytes (at least one) can be TLS.
bool may_be_tls(std::string_view first_bytes);

// Whether it can be a ClientHello in SSL 2.0's form (RFC 5246, E.2), which some servers still answer and
// which names no server; certain from the fourth byte on.
bool may_be_sslv2(std::string_view first_bytes);

// A name that no host can have, two names, or one extension twice: Malformed.
Step<ClientHello> read_client_hello(std::string_view buffer);

}  // namespace clawpatrol::tls
