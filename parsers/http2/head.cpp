#include "parsers/http2/head.h"

#include <algorithm>
#include <array>
#include <optional>

#include "parsers/http1/framing.h"
#include "parsers/http1/head.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http2 {
namespace {

using http::Field;
using http::Fields;
using http::RequestHead;
using http::ResponseHead;
using Refused = std::unexpected<Malformed>;

Refused refuse(std::string_view why) {
  return Refused(Malformed{why});
}

// RFC 9113, 8.2.2: an endpoint that finds one of these treats the message as malformed.
bool is_of_connection(std::string_view name) {
  constexpr std::array<std::string_view, 5> names = {"connection", "keep-alive", "proxy-connection",
                                                     "transfer-encoding", "upgrade"};
  return std::ranges::find(names, name) != names.end();
}

bool is_name(std::string_view name) {
  return http1::is_token(name) && std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_value(std::string_view value) {
  if (value != http1::trimmed(value)) return false;
  return std::ranges::all_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= ' ' && byte != 0x7f) || c == '\t';
  });
}

std::expected<void, Malformed> check_field(const Field& field) {
  if (!is_name(field.name)) return refuse("bad byte in the name of a header");
  if (!is_value(field.value)) return refuse("bad byte in the value of a header");
  if (is_of_connection(field.name)) return refuse("header of the connection in HTTP/2");
  if (field.name == "te" && field.value != "trailers") return refuse("TE is not trailers");
  return {};
}

std::expected<void, Malformed> check_fields(const Fields& fields, std::size_t from) {
  if (fields.size() > max_fields) return refuse("too many headers");
  for (std::size_t i = from; i < fields.size(); ++i)
    if (auto checked = check_field(fields[i]); !checked) return checked;
  return {};
}

struct Pseudo {
  std::optional<std::string_view> method, scheme, path, authority, status;
  std::size_t count = 0;
};

// Each once, and none behind a field: is_name() refuses the colon there.
std::expected<Pseudo, Malformed> read_pseudo(const Fields& fields) {
  Pseudo pseudo;
  for (const Field& field : fields) {
    if (!field.name.starts_with(':')) break;
    std::optional<std::string_view>* place = field.name == ":method"      ? &pseudo.method
                                             : field.name == ":scheme"    ? &pseudo.scheme
                                             : field.name == ":path"      ? &pseudo.path
                                             : field.name == ":authority" ? &pseudo.authority
                                             : field.name == ":status"    ? &pseudo.status
                                                                          : nullptr;
    if (!place) return refuse("unknown pseudo-header field");
    if (place->has_value()) return refuse("pseudo-header field stands twice");
    *place = field.value;
    ++pseudo.count;
  }
  return pseudo;
}

std::expected<void, Malformed> check_request(const Pseudo& pseudo, Scheme scheme) {
  if (pseudo.status) return refuse(":status in a request");
  if (!pseudo.method) return refuse("no :method");
  if (*pseudo.method == "CONNECT") return refuse("CONNECT: this is no proxy");
  if (!pseudo.path || !pseudo.scheme) return refuse("no :path or :scheme");
  if (*pseudo.scheme != (scheme == Scheme::https ? "https" : "http"))
    return refuse(":scheme is not the connection's");
  if (!pseudo.path->starts_with('/') && *pseudo.path != "*") return refuse(":path is not a path");
  for (std::string_view text : {*pseudo.method, *pseudo.path})  // these separate the parts of a request line
    if (text.find_first_of(" \t\r\n") != std::string_view::npos || text.contains('\0'))
      return refuse("white space in :method or :path");
  return {};
}

// What :authority or Host says; both, where both are there, in the same words but for what reads alike.
std::expected<std::string_view, Malformed> authority_of(const Pseudo& pseudo, const Fields& fields) {
  std::optional<std::string_view> host;
  for (const Field& field : fields) {
    if (field.name != "host") continue;
    if (host) return refuse("more than one Host");
    host = field.value;
  }
  if (!pseudo.authority && !host) return refuse("no :authority");
  if (!pseudo.authority) return *host;
  auto read = http1::read_authority(*pseudo.authority);
  if (!read) return refuse(":authority is not host and port");
  if (host && http1::read_authority(*host) != read) return refuse(":authority is not the Host");
  return *pseudo.authority;
}

// The fields that are handed on in place of `fields`, cookies in one.
Fields joined(const Fields& fields, std::size_t from) {
  Fields out;
  Field* cookie = nullptr;
  out.reserve(fields.size());  // so that the cookie stays where it is
  for (std::size_t i = from; i < fields.size(); ++i) {
    if (fields[i].name == "host") continue;
    if (fields[i].name == "cookie" && cookie) {
      cookie->value.append("; ").append(fields[i].value);
      continue;
    }
    out.push_back(fields[i]);
    if (fields[i].name == "cookie") cookie = &out.back();
  }
  return out;
}

std::string as_http1(const Pseudo& pseudo, std::string_view authority, const Fields& fields) {
  std::string text;
  text.append(*pseudo.method).append(" ").append(*pseudo.path).append(" HTTP/1.1\r\nhost: ");
  text.append(authority).append("\r\n");
  for (const Field& field : fields) text.append(field.name).append(": ").append(field.value).append("\r\n");
  return text.append("\r\n");
}

bool is_handed_on(const Field& field) {
  return field.name != "content-length" && field.name != "expect" && field.name != "http2-settings";
}

std::optional<std::uint64_t> length_of(std::string_view text) {
  if (text.empty() || text.size() > http1::max_length_digits || !std::ranges::all_of(text, http1::is_digit))
    return std::nullopt;
  std::uint64_t length = 0;
  for (char c : text) length = length * 10 + static_cast<std::uint64_t>(c - '0');
  return length;
}

std::expected<int, Malformed> status_of(const Pseudo& pseudo) {
  if (!pseudo.status || pseudo.count != 1) return refuse("response without :status alone");
  std::string_view text = *pseudo.status;
  if (text.size() != 3 || !std::ranges::all_of(text, http1::is_digit) || text[0] == '0' || text == "101")
    return refuse("bad :status");
  return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

std::expected<void, Malformed> check_trailers(const Fields& fields) {
  if (auto checked = check_fields(fields, 0); !checked) return checked;
  std::size_t size = 0;
  for (const Field& field : fields) size += field.name.size() + field.value.size() + 4;
  if (size > http1::max_head) return refuse("trailers are too long");
  return {};
}

}  // namespace

std::expected<RequestHead, Malformed> read_request_head(const Fields& fields, Scheme scheme, Body body) {
  auto pseudo = read_pseudo(fields);
  if (!pseudo) return Refused(pseudo.error());
  if (auto checked = check_request(*pseudo, scheme); !checked) return Refused(checked.error());
  if (auto checked = check_fields(fields, pseudo->count); !checked) return Refused(checked.error());
  auto authority = authority_of(*pseudo, fields);
  if (!authority) return Refused(authority.error());
  Fields rest = joined(fields, pseudo->count);
  const std::string text = as_http1(*pseudo, *authority, rest);
  // It holds no control byte: what may hold one has been looked at, or is read as a name of a host.
  if (text.size() > http1::max_head) return refuse("head is too long");
  auto read = http1::read_head(text);
  if (!read) return Refused(read.error());
  RequestHead head{.method = std::string(read->method),
                   .target = std::string(*pseudo->path),
                   .authority = std::move(read->authority),
                   .fields = {},
                   .has_body = body == Body::follows,
                   .content_length = std::nullopt,
                   .expects_continue = false,
                   .upgrade = {}};
  if (read->framing == http1::Framing::length) head.content_length = read->content_length;
  if (!head.has_body && head.content_length.value_or(0) > 0) return refuse("the body does not come");
  head.expects_continue = head.has_body && !read->only("expect").empty();
  for (Field& field : rest)
    if (is_handed_on(field)) head.fields.push_back(std::move(field));
  return head;
}

std::expected<ResponseHead, Malformed> read_response_head(const Fields& fields, Body body,
                                                          std::string_view method) {
  auto pseudo = read_pseudo(fields);
  if (!pseudo) return Refused(pseudo.error());
  auto status = status_of(*pseudo);
  if (!status) return Refused(status.error());
  if (auto checked = check_fields(fields, pseudo->count); !checked) return Refused(checked.error());
  if (*status < 200 && body == Body::none) return refuse("interim response that ends its stream");
  ResponseHead head;
  head.status = *status;
  head.has_body =
      body == Body::follows && *status >= 200 && *status != 204 && *status != 304 && method != "HEAD";
  for (std::size_t i = pseudo->count; i < fields.size(); ++i) {
    if (fields[i].name != "content-length") {
      head.fields.push_back(fields[i]);
      continue;
    }
    if (head.content_length) return refuse("more than one Content-Length");
    head.content_length = length_of(fields[i].value);
    if (!head.content_length) return refuse("Content-Length is not a number");
  }
  return head;
}

std::expected<void, Malformed> check_request_trailers(const Fields& fields) {
  if (auto checked = check_trailers(fields); !checked) return checked;
  for (const Field& field : fields)
    if (http1::matters_in_trailers(field.name)) return refuse("trailer that belongs into the head");
  return {};
}

std::expected<Fields, Malformed> read_response_trailers(Fields fields) {
  if (auto checked = check_trailers(fields); !checked) return Refused(checked.error());
  std::erase_if(fields, [](const Field& field) { return http1::matters_in_trailers(field.name); });
  return fields;
}

}  // namespace clawpatrol::http2
