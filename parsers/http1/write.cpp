#include "parsers/http1/write.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "parsers/http1/response.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http1 {
namespace {

using Written = std::expected<void, std::string_view>;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

std::string authority_text(const Authority& authority, std::uint16_t default_port) {
  const bool v6 = authority.host.contains(':');
  std::string text = v6 ? "[" + authority.host + "]" : authority.host;
  if (authority.port && *authority.port != default_port) text += ":" + std::to_string(*authority.port);
  return text;
}

// Whether `text` is one head, and ends where it ends.
bool is_one_head(std::string_view text) {
  LineScanner scanner;
  auto found = scanner.find_end(text, max_head);
  auto* parsed = std::get_if<Parsed<std::size_t>>(&found);
  return parsed && parsed->event == text.size();
}

// Whether `fields` stand in `headers` in their order, with `others` more behind them.
bool holds(const std::vector<Header>& headers, std::size_t before, const http::Fields& fields,
           std::size_t behind) {
  if (headers.size() != before + fields.size() + behind) return false;
  return std::ranges::equal(std::span(headers).subspan(before, fields.size()), fields,
                            [](const Header& read, const http::Field& field) {
                              return read.name == field.name && read.value == trimmed(field.value);
                            });
}

struct OwnFields {
  std::string text;
  std::size_t count = 0;

  void add(std::string_view name, std::string_view value) {
    append_field(text, name, value);
    ++count;
  }
};

OwnFields framing_of(const http::RequestHead& head) {
  OwnFields own;
  if (head.has_body && head.content_length)
    own.add("Content-Length", std::to_string(*head.content_length));
  else if (head.has_body)
    own.add("Transfer-Encoding", "chunked");
  if (head.expects_continue) own.add("Expect", "100-continue");
  if (!head.upgrade.empty()) {
    own.add("Upgrade", head.upgrade);
    own.add("Connection", "Upgrade");
  } else if (!http::value_of(head.fields, "te").empty()) {
    own.add("Connection", "TE");
  }
  return own;
}

// What the server will read is what `head` says (attacks.md, 18).
bool says_same(std::string_view text, const http::RequestHead& head, std::size_t own) {
  if (!is_one_head(text)) return false;
  auto read = read_head(text);
  if (!read || !holds(read->headers, 1, head.fields, own)) return false;
  const Framing framing = !head.has_body        ? Framing::none
                          : head.content_length ? Framing::length
                                                : Framing::chunked;
  return read->method == head.method && read->target == head.target &&
         read->authority.host == head.authority.host && read->framing == framing &&
         read->content_length == head.content_length.value_or(0) && same_name(read->upgrade, head.upgrade);
}

}  // namespace

Written append_request(std::string& out, const http::RequestHead& head, std::uint16_t default_port) {
  const std::size_t begin = out.size();
  out.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  append_field(out, "Host", authority_text(head.authority, default_port));
  for (const http::Field& field : head.fields) append_field(out, field.name, field.value);
  const OwnFields own = framing_of(head);
  out.append(own.text).append("\r\n");
  if (says_same(std::string_view(out).substr(begin), head, own.count)) return {};
  out.resize(begin);
  return std::unexpected("the request cannot be written in HTTP/1.1 as it was judged");
}

static bool ends_as(BodyEnd end, const ResponseStart& start) {
  switch (end) {
    case BodyEnd::none: return start.framing == Framing::none;
    case BodyEnd::length: return start.framing == Framing::length;
    case BodyEnd::chunked: return start.framing == Framing::chunked;
    case BodyEnd::by_close: return start.framing == Framing::until_close;
  }
  __builtin_unreachable();
}

Written append_response(std::string& out, const http::ResponseHead& head, const ResponseForm& form) {
  const std::size_t begin = out.size();
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ");
  out.append(reason_of(head.status)).append("\r\n");
  for (const http::Field& field : head.fields) append_field(out, field.name, field.value);
  OwnFields own;
  if (form.end == BodyEnd::chunked) own.add("Transfer-Encoding", "chunked");
  if (form.end == BodyEnd::length || (form.end == BodyEnd::none && head.content_length))
    own.add("Content-Length", std::to_string(head.content_length.value_or(0)));
  if (!head.upgrade.empty()) own.add("Upgrade", head.upgrade);
  if (!form.connection.empty()) own.add("Connection", form.connection);
  out.append(own.text).append("\r\n");
  const std::string_view text = std::string_view(out).substr(begin);
  auto read = is_one_head(text) ? read_response_start(text, form.asked) : std::unexpected(Malformed{});
  if (read && read->status == head.status && holds(read->headers, 0, head.fields, own.count) &&
      ends_as(form.end, *read))
    return {};
  out.resize(begin);
  return std::unexpected("the response cannot be written in HTTP/1.1");
}

void append_chunk_size(std::string& out, std::size_t size) {
  char text[20];
  auto end = std::to_chars(text, text + sizeof text, size, 16).ptr;
  out.append(text, end).append("\r\n");
}

void append_last_chunk(std::string& out, const http::Fields& trailers) {
  out.append("0\r\n");
  for (const http::Field& trailer : trailers) append_field(out, trailer.name, trailer.value);
  out.append("\r\n");
}

std::string_view reason_of(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "";
  }
}

}  // namespace clawpatrol::http1
