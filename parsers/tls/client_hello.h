// The first message of a TLS client, as far as it says whom it is for and what it can: RFC 8446 sections 5.1
// and 4.1.2, server_name of RFC 6066, ALPN of RFC 7301, ECH of RFC 9849.
//
//   record     type=22(1) version=03xx(2) length(2) fragment       the message may lie in several
//   message    type=1(1) length(3) body
//   body       version(2) random(32) session<1> ciphers<2> compression<1> extensions<2>
//   extension  type(2) data<2>
//     0        server_name: list<2> of { kind=0(1) name<2> }, exactly one
//     10, 13   supported_groups, signature_algorithms: list<2> of (2)
//     16       application_layer_protocol_negotiation: list<2> of name<1>
//     43       supported_versions: list<1> of (2)
//     0xfe0d   encrypted_client_hello
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parsers/bytes.h"

namespace clawpatrol::tls {

inline constexpr std::size_t max_record = 1 << 14;
inline constexpr std::size_t max_client_hello = 1 << 14;  // of the message, over all its records
inline constexpr std::size_t max_client_hello_records = 64;

struct ClientHello {
  std::string server_name;             // lower case, one trailing dot dropped; "" where the client names none
  std::vector<std::string> protocols;  // ALPN, in the client's order; empty where it offers none
  bool offers_tls12 = false, offers_tls13 = false;
  // Whether a server with an ECDSA P-256 key can be spoken with: by its signature algorithms, its groups and
  // its cipher suites. What is not sure is false.
  bool takes_ecdsa = false;
  // An encrypted ClientHello, or what many clients send in its place so that nobody relies on its absence:
  // only the holder of the key can tell. We hold none and ignore it, as RFC 9849 (7.1) asks, and the name
  // that counts is the outer one: no endpoint has that of a server that hides others behind it.
  bool has_encrypted_hello = false;
  bool operator==(const ClientHello&) const = default;
};

// Whether a connection that begins with these bytes (at least one) can be TLS.
bool may_be_tls(std::string_view first_bytes);

// Whether it can be a ClientHello in SSL 2.0's form (RFC 5246, E.2), which some servers still answer and
// which names no server; certain from the fourth byte on.
bool may_be_sslv2(std::string_view first_bytes);

// A name that no host can have, two names, one extension twice, or a list that does not add up: Malformed.
Step<ClientHello> read_client_hello(std::string_view buffer);

}  // namespace clawpatrol::tls
