// DNS queries, as a resolver's clients send them: RFC 1035 section 4, EDNS of RFC 6891.
//
//   header    id(2) flags(2) questions(2) answers(2) authorities(2) additional(2)
//   question  name type(2) class(2)              exactly one, class IN
//   OPT       00 type=41(2) size(2) extended-rcode(1) version(1) flags(2) length(2) options      at most one
//
// Strict: what this cannot read in exactly one way is not answered with anything but an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "parsers/bytes.h"

namespace clawpatrol::dns {

inline constexpr std::size_t max_query = 4096;  // bytes of one message that we read
inline constexpr std::size_t max_name = 255;    // on the wire, with the root's byte
inline constexpr std::size_t max_label = 63;
inline constexpr std::size_t header_size = 12;

enum class RecordType : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  hinfo = 13,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  opt = 41,
  svcb = 64,
  https = 65,
  axfr = 252,
  any = 255,
};

// "A", "AAAA", ...; "TYPE1234" where it has no name here (RFC 3597).
std::string text_of(RecordType type);

enum class Rcode : std::uint16_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_error = 3,
  not_implemented = 4,
  refused = 5,
  bad_version = 16,  // needs EDNS
};

struct Edns {
  std::uint16_t udp_size = 512;  // what the client can receive, never below 512
  bool dnssec_ok = false;
  bool operator==(const Edns&) const = default;
};

// What an answer repeats of the message that it answers.
struct Header {
  std::uint16_t id = 0;
  std::uint8_t opcode = 0;
  bool recursion_desired = false;
  bool checking_disabled = false;
  bool operator==(const Header&) const = default;
};

struct Query {
  Header header;
  std::string question;  // as sent, letter case kept (some clients compare it): name, type and class
  std::string name;  // lower case, no trailing dot, "" for the root; other bytes than a-z 0-9 - _ are \DDD
  bool hostname =
      false;  // only labels of letters, digits, '-' and '_', and not something that reads as an address
  RecordType type = RecordType::a;
  std::optional<Edns> edns;
  bool operator==(const Query&) const = default;
};

// A message whose header could be read and that gets an error instead of an answer.
struct BadQuery {
  Header header;
  Rcode rcode = Rcode::format_error;
  std::string question{};  // empty where it could not be read
  std::optional<Edns> edns{};
  std::string_view why{};  // a literal
  bool operator==(const BadQuery&) const = default;
};

// Malformed: dropped without an answer (no header, or itself an answer).
using QueryResult = std::variant<Query, BadQuery, Malformed>;

QueryResult parse_query(std::string_view message);

// One message of a TCP stream: length(2) message (RFC 1035, 4.2.2). The event is the message without its
// length.
Step<std::string_view> next_message(std::string_view buffer);

}  // namespace clawpatrol::dns
