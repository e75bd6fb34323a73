#include "parsers/http1/head.h"

#include <string.h>

#include <algorithm>
#include <bit>

#include "parsers/http1/framing.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http1 {
namespace {

using Refused = std::unexpected<Malformed>;

constexpr std::size_t usual_headers = 16;

Refused refuse(std::string_view why) {
  return Refused(Malformed{why});
}

// The line that `text` begins with; it and its CRLF are taken off. There is one: LineScanner found the end.
std::string_view take_line(std::string_view& text) {
  std::size_t end = text.find("\r\n");
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

// Upper case alone: a server that takes `delete` for DELETE reads another method than the rules do.
bool is_method(std::string_view text) {
  return !text.empty() && text.size() <= max_method && text != "PRI" && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
  });
}

// No space, control, byte above 0x7e, and no fragment, which a client keeps to itself.
bool is_target(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

void split_query(std::string_view text, Head& head) {
  std::size_t mark = text.find('?');
  head.path = text.substr(0, mark);
  head.query = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1);
}

// The authority of `scheme://authority/path?query`, or Malformed.
std::expected<Authority, Malformed> read_absolute(Head& head) {
  std::string_view rest = head.target;
  std::size_t scheme = rest.find("://");
  if (scheme == std::string_view::npos) return refuse("target is neither a path nor absolute");
  if (!same_name(rest.substr(0, scheme), "http") && !same_name(rest.substr(0, scheme), "https"))
    return refuse("target has another scheme than http and https");
  rest.remove_prefix(scheme + 3);
  std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  auto authority = read_authority(rest.substr(0, end));
  if (!authority) return refuse("authority of the target is not host and port");
  split_query(rest.substr(end), head);
  if (head.path.empty()) head.path = "/";
  return *authority;
}

std::expected<void, Malformed> read_request_line(std::string_view line, Head& head) {
  std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return refuse("request line without a target");
  head.method = line.substr(0, first);
  if (!is_method(head.method)) return refuse("not a method");
  line.remove_prefix(first + 1);
  std::size_t second = line.find(' ');
  if (second == std::string_view::npos) return refuse("request line without a version");
  head.target = line.substr(0, second);
  std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return refuse("version is not HTTP/1.1 or HTTP/1.0");
  head.minor_version = version.back() - '0';
  if (head.target.empty() || !is_target(head.target)) return refuse("bad byte in the target");
  if (head.target.size() > max_target) return refuse("target is too long");
  return {};
}

// The target's form must suit the method, and what it says of the host must be what Host says.
std::expected<void, Malformed> read_target(Head& head, bool has_host) {
  if (head.method == "CONNECT") return refuse("CONNECT: this is no proxy");
  if (head.target == "*") {
    if (head.method != "OPTIONS") return refuse("target * of another method than OPTIONS");
    head.path = head.target;
    return {};
  }
  if (head.target.starts_with('/')) {
    split_query(head.target, head);
    return {};
  }
  auto authority = read_absolute(head);
  if (!authority) return Refused(authority.error());
  if (!has_host) {
    head.authority = std::move(*authority);
    return {};
  }
  // A port that is left out is not filled in: that would take the scheme's word for it.
  if (*authority != head.authority) return refuse("authority of the target is not the Host");
  return {};
}

std::expected<bool, Malformed> read_host(Head& head) {
  bool found = false;
  for (const Header& header : head.headers) {
    if (!same_name(header.name, "host")) continue;
    if (found) return refuse("more than one Host");
    found = true;
    auto authority = read_authority(header.value);
    if (!authority) return refuse("Host is not host and port");
    head.authority = std::move(*authority);
  }
  if (!found && head.minor_version == 1) return refuse("no Host");
  return found;
}

// How many bytes come before the first control byte or DEL, as far as whole words show it: most of a head is
// skipped by it.
std::size_t printable_prefix(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t each = ~std::uint64_t{0} / 255, top = each << 7;
  std::size_t count = 0;
  for (; count + sizeof(std::uint64_t) <= text.size(); count += sizeof(std::uint64_t)) {
    std::uint64_t word;
    memcpy(&word, text.data() + count, sizeof word);
    const std::uint64_t no_del = word ^ each * 0x7f;
    const std::uint64_t found = ((word - each * ' ') & ~word & top) | ((no_del - each) & ~no_del & top);
    // The lowest that is marked is one; those above it may have borrowed.
    if (found) return count + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  return count;
}

}  // namespace

std::string_view Head::only(std::string_view name) const {
  for (const Header& header : headers)
    if (same_name(header.name, name)) return header.value;
  return {};
}

std::expected<Header, Malformed> read_header(std::string_view line) {
  if (line.starts_with(' ') || line.starts_with('\t')) return refuse("folded header line");
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse("header line without a colon");
  std::string_view name = line.substr(0, colon);
  if (name.ends_with(' ') || name.ends_with('\t')) return refuse("white space before the colon of a header");
  if (!is_token(name)) return refuse("bad byte in the name of a header");
  return Header{name, trimmed(line.substr(colon + 1))};
}

std::expected<Head, Malformed> read_head(std::string_view text) {
  Head head;
  head.headers.reserve(usual_headers);
  if (auto line = read_request_line(take_line(text), head); !line) return Refused(line.error());
  std::string_view raw_transfer_encoding;
  for (std::string_view line = take_line(text); !line.empty(); line = take_line(text)) {
    auto header = read_header(line);
    if (!header) return Refused(header.error());
    if (head.headers.size() == max_headers) return refuse("too many headers");
    if (same_name(header->name, "transfer-encoding")) raw_transfer_encoding = line;
    head.headers.push_back(*header);
  }
  auto has_host = read_host(head);
  if (!has_host) return Refused(has_host.error());
  if (auto target = read_target(head, *has_host); !target) return Refused(target.error());
  if (auto framed = read_framing(head, raw_transfer_encoding); !framed) return Refused(framed.error());
  if (auto connection = read_connection(head); !connection) return Refused(connection.error());
  return head;
}

Step<std::size_t> LineScanner::find_end(std::string_view buffer, std::size_t limit) {
  const std::string_view allowed = buffer.substr(0, limit);
  for (;; ++scanned_) {
    const bool after_cr = scanned_ > line_begin_ && buffer[scanned_ - 1] == '\r';
    if (!after_cr) scanned_ += printable_prefix(allowed.substr(scanned_));
    if (scanned_ >= buffer.size()) return NeedMore{buffer.size() + 1};
    if (scanned_ >= limit) return Malformed{"head is too long"};
    const char c = buffer[scanned_];
    if (after_cr != (c == '\n')) return Malformed{after_cr ? "bare CR" : "bare LF"};
    if (c == '\n') {
      if (scanned_ - line_begin_ == 1) return Parsed<std::size_t>{scanned_ + 1, scanned_ + 1};
      line_begin_ = scanned_ + 1;
    } else if ((static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
      return Malformed{"control byte in the head"};
    }
  }
}

}  // namespace clawpatrol::http1
