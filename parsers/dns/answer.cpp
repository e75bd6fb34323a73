#include "parsers/dns/answer.h"

#include <algorithm>

namespace clawpatrol::dns {

namespace {

constexpr std::uint16_t flag_response = 0x8000;
constexpr std::uint16_t flag_truncated = 0x0200;
constexpr std::uint16_t flag_recursion_desired = 0x0100;
constexpr std::uint16_t flag_recursion_available = 0x0080;
constexpr std::uint16_t flag_checking_disabled = 0x0010;
constexpr std::uint16_t class_in = 1;
constexpr std::uint16_t pointer_to_question = 0xc000 | header_size;
constexpr std::uint16_t option_extended_error = 15;

struct Counts {
  std::size_t questions = 0, answers = 0, authorities = 0, additional = 0;
};

void write_header(Writer& out, const Header& header, Rcode rcode, std::uint16_t more_flags,
                  const Counts& counts) {
  auto flags = static_cast<std::uint16_t>(flag_response | flag_recursion_available | more_flags |
                                          (header.opcode << 11) | (static_cast<std::uint16_t>(rcode) & 0xf));
  if (header.recursion_desired) flags |= flag_recursion_desired;
  if (header.checking_disabled) flags |= flag_checking_disabled;
  out.u16(header.id).u16(flags);
  for (std::size_t count : {counts.questions, counts.answers, counts.authorities, counts.additional})
    out.u16(static_cast<std::uint16_t>(count));
}

void write_record_head(Writer& out, RecordType type, std::uint32_t ttl, std::size_t size) {
  out.u16(pointer_to_question).u16(static_cast<std::uint16_t>(type)).u16(class_in).u32(ttl);
  out.u16(static_cast<std::uint16_t>(size));
}

// The name that was asked is given as the zone: the gateway knows of no other, and a denial of one name must
// not be taken for a denial of its neighbours.
void write_negative_soa(Writer& out) {
  write_record_head(out, RecordType::soa, negative_ttl_seconds, 2 + 5 * 4);
  out.u8(0).u8(0);  // primary server and mailbox: the root, which is nobody
  out.u32(1).u32(3600).u32(600).u32(86400).u32(negative_ttl_seconds);
}

// Cut between characters, not within one.
std::string_view short_text(std::string_view text) {
  if (text.size() <= max_error_text) return text;
  std::size_t end = max_error_text;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

void write_opt(Writer& out, const Edns& edns, Rcode rcode, const Answer& answer) {
  std::string_view text = short_text(answer.error_text);
  std::size_t size = answer.error ? 4 + 2 + text.size() : 0;
  std::uint32_t extended = static_cast<std::uint32_t>(rcode) >> 4 << 24;
  out.u8(0).u16(static_cast<std::uint16_t>(RecordType::opt)).u16(max_udp_answer);
  out.u32(extended | (edns.dnssec_ok ? 0x8000u : 0u)).u16(static_cast<std::uint16_t>(size));
  if (!answer.error) return;
  out.u16(option_extended_error).u16(static_cast<std::uint16_t>(2 + text.size()));
  out.u16(static_cast<std::uint16_t>(*answer.error)).bytes(text);
}

std::size_t size_of_address(RecordType type) {
  if (type == RecordType::a) return 4;
  return type == RecordType::aaaa ? 16 : 0;
}

std::vector<std::string_view> fitting_addresses(const Query& query, const Answer& answer) {
  std::vector<std::string_view> fitting;
  std::size_t size = size_of_address(query.type);
  for (const std::string& address : answer.addresses)
    if (size != 0 && address.size() == size && fitting.size() < max_addresses) fitting.push_back(address);
  return fitting;
}

std::string truncated(const Query& query, const Answer& answer, std::size_t limit) {
  std::string out;
  Writer writer(out);
  // The text of an error is the first thing that can go; a header, a question and an OPT fit 512 bytes.
  Answer bare{.rcode = answer.rcode, .error = answer.error};
  write_header(writer, query.header, answer.rcode, flag_truncated,
               {.questions = 1, .additional = query.edns ? 1u : 0u});
  writer.bytes(query.question);
  if (query.edns) write_opt(writer, *query.edns, answer.rcode, bare);
  if (out.size() > limit) out.clear();
  return out;
}

}  // namespace

std::size_t udp_limit(const std::optional<Edns>& edns) {
  return edns ? std::clamp<std::size_t>(edns->udp_size, 512, max_udp_answer) : 512;
}

std::string build_answer(const Query& query, const Answer& answer, std::size_t limit) {
  std::vector<std::string_view> addresses = fitting_addresses(query, answer);
  bool negative = addresses.empty() && (answer.rcode == Rcode::no_error || answer.rcode == Rcode::name_error);
  std::string out;
  Writer writer(out);
  write_header(writer, query.header, answer.rcode, 0,
               {.questions = 1,
                .answers = addresses.size(),
                .authorities = negative ? 1u : 0u,
                .additional = query.edns ? 1u : 0u});
  writer.bytes(query.question);
  for (std::string_view address : addresses) {
    write_record_head(writer, query.type, answer.ttl_seconds, address.size());
    writer.bytes(address);
  }
  if (negative) write_negative_soa(writer);
  if (query.edns) write_opt(writer, *query.edns, answer.rcode, answer);
  return out.size() <= limit ? out : truncated(query, answer, limit);
}

std::string build_error(const BadQuery& bad) {
  std::string out;
  Writer writer(out);
  write_header(writer, bad.header, bad.rcode, 0,
               {.questions = bad.question.empty() ? 0u : 1u, .additional = bad.edns ? 1u : 0u});
  writer.bytes(bad.question);
  if (bad.edns) write_opt(writer, *bad.edns, bad.rcode, Answer{});
  return out;
}

std::string framed(std::string_view message) {
  std::string out;
  Writer(out).u16(static_cast<std::uint16_t>(message.size())).bytes(message);
  return out;
}

}  // namespace clawpatrol::dns
