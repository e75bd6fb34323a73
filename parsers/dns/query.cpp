#include "parsers/dns/query.h"

#include <fmt/format.h>

#include <algorithm>

namespace clawpatrol::dns {

namespace {

constexpr std::uint16_t class_in = 1;
constexpr std::uint16_t flag_response = 0x8000;
constexpr std::uint16_t flag_truncated = 0x0200;
constexpr std::uint16_t flag_recursion_desired = 0x0100;
constexpr std::uint16_t flag_checking_disabled = 0x0010;
constexpr std::uint32_t edns_dnssec_ok = 0x8000;

struct Name {
  std::string text{};
  bool hostname = false;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// False where the label holds a byte that no host name has; it is then written as \DDD, so that a dot within
// a label never reads as the dot between two.
bool append_label(std::string& text, std::string_view label) {
  bool plain = true;
  for (char c : label) {
    if (is_letter(c) || is_digit(c) || c == '-' || c == '_') {
      text.push_back(lower(c));
    } else {
      fmt::format_to(std::back_inserter(text), "\\{:03}", static_cast<unsigned char>(c));
      plain = false;
    }
  }
  return plain;
}

// The system's resolver reads `1.2.3.4`, `127.1` and `0x7f000001` as addresses and would not ask anybody.
bool reads_as_address(std::string_view name) {
  std::string_view last = name.substr(name.find_last_of('.') + 1);
  if (last.starts_with("0x")) return true;
  return std::ranges::all_of(last, is_digit);
}

// Compression is not allowed here: a question is the first name of its message, so a pointer could only point
// forward or at itself.
std::optional<Name> read_name(Reader& reader) {
  Name name{.hostname = true};
  std::size_t wire_size = 1;
  while (std::uint8_t length = reader.u8()) {
    wire_size += length + 1u;
    if (length > max_label || wire_size > max_name) return std::nullopt;
    std::string_view label = reader.bytes(length);
    if (!reader.ok()) return std::nullopt;
    if (!name.text.empty()) name.text.push_back('.');
    if (!append_label(name.text, label)) name.hostname = false;
  }
  if (!reader.ok()) return std::nullopt;
  if (name.text.empty() || reads_as_address(name.text)) name.hostname = false;
  return name;
}

bool options_are_whole(std::string_view options) {
  Reader reader(options);
  while (reader.ok() && reader.left() > 0) {
    reader.u16();
    reader.bytes(reader.u16());
  }
  return reader.complete();
}

struct Opt {
  Edns edns;
  std::uint8_t version = 0;
};

std::optional<Opt> read_opt(Reader& reader) {
  std::uint8_t root = reader.u8();
  std::uint16_t type = reader.u16();
  std::uint16_t size = reader.u16();
  std::uint32_t flags = reader.u32();
  std::string_view options = reader.bytes(reader.u16());
  if (!reader.ok() || root != 0 || type != static_cast<std::uint16_t>(RecordType::opt)) return std::nullopt;
  if (!options_are_whole(options)) return std::nullopt;
  return Opt{
      .edns = {.udp_size = std::max<std::uint16_t>(size, 512), .dnssec_ok = (flags & edns_dnssec_ok) != 0},
      .version = static_cast<std::uint8_t>(flags >> 16)};
}

struct Counts {
  std::uint16_t questions, answers, authorities, additional;
};

std::optional<std::string_view> problem_with(std::uint16_t flags, const Counts& counts) {
  if (flags & flag_truncated) return "a query that is truncated";
  if (counts.questions != 1) return "not exactly one question";
  if (counts.answers != 0 || counts.authorities != 0) return "records that a query does not have";
  if (counts.additional > 1) return "more than one additional record";
  return std::nullopt;
}

// What stands after the header.
std::variant<Query, BadQuery> read_body(const Header& header, Reader reader, std::string_view body,
                                        bool has_opt) {
  BadQuery bad{.header = header};
  std::optional<Name> name = read_name(reader);
  if (!name) return bad.why = "a name that cannot be read", bad;
  std::uint16_t type = reader.u16();
  std::uint16_t record_class = reader.u16();
  if (!reader.ok()) return bad.why = "a question that is cut off", bad;
  std::string_view question = body.substr(0, body.size() - reader.left());
  std::optional<Opt> opt;
  if (has_opt) {
    opt = read_opt(reader);
    if (!opt) return bad.why = "an additional record that is not a whole OPT", bad;
    bad.edns = opt->edns;
  }
  if (!reader.complete()) return bad.why = "bytes after the message", bad;
  bad.question = question;
  if (opt && opt->version != 0)
    return bad.rcode = Rcode::bad_version, bad.why = "an unknown EDNS version", bad;
  if (record_class != class_in) return bad.rcode = Rcode::refused, bad.why = "a class that is not IN", bad;
  if (type == static_cast<std::uint16_t>(RecordType::opt) || type == 0)
    return bad.why = "a type that cannot be asked for", bad;
  Query query{.header = header,
              .question = std::string(question),
              .name = std::move(name->text),
              .hostname = name->hostname,
              .type = RecordType{type},
              .edns = bad.edns};
  return query;
}

}  // namespace

std::string text_of(RecordType type) {
  switch (type) {
    case RecordType::a: return "A";
    case RecordType::ns: return "NS";
    case RecordType::cname: return "CNAME";
    case RecordType::soa: return "SOA";
    case RecordType::ptr: return "PTR";
    case RecordType::hinfo: return "HINFO";
    case RecordType::mx: return "MX";
    case RecordType::txt: return "TXT";
    case RecordType::aaaa: return "AAAA";
    case RecordType::srv: return "SRV";
    case RecordType::opt: return "OPT";
    case RecordType::svcb: return "SVCB";
    case RecordType::https: return "HTTPS";
    case RecordType::axfr: return "AXFR";
    case RecordType::any: return "ANY";
  }
  return fmt::format("TYPE{}", static_cast<std::uint16_t>(type));
}

QueryResult parse_query(std::string_view message) {
  if (message.size() > max_query) return Malformed{"longer than a query may be"};
  Reader reader(message);
  std::uint16_t id = reader.u16();
  std::uint16_t flags = reader.u16();
  Counts counts{reader.u16(), reader.u16(), reader.u16(), reader.u16()};
  if (!reader.ok()) return Malformed{"shorter than a header"};
  // Answering an answer is how two servers talk to each other for ever.
  if (flags & flag_response) return Malformed{"an answer, not a query"};
  Header header{.id = id,
                .opcode = static_cast<std::uint8_t>((flags >> 11) & 0xf),
                .recursion_desired = (flags & flag_recursion_desired) != 0,
                .checking_disabled = (flags & flag_checking_disabled) != 0};
  if (header.opcode != 0) {
    return BadQuery{
        .header = header, .rcode = Rcode::not_implemented, .why = "an operation that is not QUERY"};
  }
  if (auto why = problem_with(flags, counts)) return BadQuery{.header = header, .why = *why};
  auto result = read_body(header, reader, message.substr(header_size), counts.additional == 1);
  if (auto* bad = std::get_if<BadQuery>(&result)) return std::move(*bad);
  return std::move(std::get<Query>(result));
}

Step<std::string_view> next_message(std::string_view buffer) {
  if (buffer.size() < 2) return NeedMore{2};
  std::size_t size = Reader(buffer).u16();
  if (size < header_size) return Malformed{"a message that is shorter than a header"};
  if (size > max_query) return Malformed{"longer than a query may be"};
  if (buffer.size() < 2 + size) return NeedMore{2 + size};
  return Parsed<std::string_view>{buffer.substr(2, size), 2 + size};
}

}  // namespace clawpatrol::dns
