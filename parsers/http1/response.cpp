#include "parsers/http1/response.h"

#include <algorithm>

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

// The reason, and the space before it, may be left out; nobody reads it.
std::expected<void, Malformed> read_status_line(std::string_view line, ResponseStart& start) {
  const bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  if (!known) return refuse("status line of another version than HTTP/1.1 and HTTP/1.0");
  start.minor_version = line[7] - '0';
  line.remove_prefix(9);
  const bool digits = line.size() >= 3 && std::ranges::all_of(line.substr(0, 3), is_digit);
  if (!digits || line[0] == '0' || (line.size() > 3 && line[3] != ' '))
    return refuse("status is not three digits");
  start.status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  return {};
}

std::size_t count(const ResponseStart& start, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      start.headers, [name](const Header& header) { return same_name(header.name, name); }));
}

// A server that means a body where there is none would have its bytes read as the next response: what says
// so of a response that cannot have one is refused or, where it is common, ends the connection.
std::expected<void, Malformed> read_body_size(ResponseStart& start, Asked asked) {
  const std::size_t encoded = count(start, "transfer-encoding"), sized = count(start, "content-length");
  if (encoded > 1 || sized > 1) return refuse("a header that must stand once stands twice");
  if (encoded && sized) return refuse("Content-Length beside Transfer-Encoding");
  if (encoded && start.minor_version == 0) return refuse("Transfer-Encoding in HTTP/1.0");
  if (encoded && !same_name(start.only("transfer-encoding"), "chunked"))
    return refuse("Transfer-Encoding is not chunked");
  if (sized) {
    auto length = read_length(start.only("content-length"));
    if (!length) return Refused(length.error());
    start.content_length = *length;
  }
  if (!may_have_body(start.status, asked)) {
    const bool never = start.status < 200 || start.status == 204;
    if (never && start.content_length.value_or(0) > 0) return refuse("a length of what has no body");
    if (never && encoded) start.keep_alive = false;
    if (never) start.content_length = std::nullopt;
    return {};
  }
  start.framing = encoded ? Framing::chunked : sized ? Framing::length : Framing::until_close;
  return {};
}

std::expected<void, Malformed> read_options(ResponseStart& start) {
  bool close = false, keep = false, upgrade = false, bad = false;
  for (const Header& header : start.headers) {
    if (!same_name(header.name, "connection")) continue;
    each_member(header.value, [&](std::string_view option) {
      close |= same_name(option, "close");
      keep |= same_name(option, "keep-alive");
      upgrade |= same_name(option, "upgrade");
      bad |= !is_token(option);
      return true;
    });
  }
  if (bad) return refuse("Connection holds what is no name");
  start.keep_alive = !close && (start.minor_version == 1 || keep);
  if (start.status != 101) return {};
  if (!upgrade || count(start, "upgrade") != 1) return refuse("101 that does not say what it changes to");
  start.upgrade = start.only("upgrade");
  return {};
}

}  // namespace

bool may_have_body(int status, Asked asked) {
  return asked == Asked::ordinary && status >= 200 && status != 204 && status != 304;
}

std::string_view ResponseStart::only(std::string_view name) const {
  for (const Header& header : headers)
    if (same_name(header.name, name)) return header.value;
  return {};
}

std::expected<ResponseStart, Malformed> read_response_start(std::string_view text, Asked asked) {
  ResponseStart start;
  start.headers.reserve(usual_headers);
  if (auto line = read_status_line(take_line(text), start); !line) return Refused(line.error());
  for (std::string_view line = take_line(text); !line.empty(); line = take_line(text)) {
    auto header = read_header(line);
    if (!header) return Refused(header.error());
    if (start.headers.size() == max_headers) return refuse("too many headers");
    start.headers.push_back(*header);
  }
  if (auto options = read_options(start); !options) return Refused(options.error());
  if (auto size = read_body_size(start, asked); !size) return Refused(size.error());
  return start;
}

void ResponseReader::expect(Asked asked) {
  asked_ = asked;
  state_ = State::start;
}

Step<ResponseEvent> ResponseReader::next(std::string_view buffer) {
  switch (state_) {
    case State::unasked:
      if (buffer.empty()) return NeedMore{1};
      return Malformed{"a response that nobody asked for"};
    case State::changed: return Malformed{"read after the protocol has changed"};
    case State::start: return start(buffer);
    case State::body: break;
  }
  auto step = body_.next(buffer);
  if (auto* more = std::get_if<NeedMore>(&step)) return *more;
  if (auto* wrong = std::get_if<Malformed>(&step)) return *wrong;
  auto& parsed = std::get<Parsed<BodyEvent>>(step);
  if (auto* data = std::get_if<Data>(&parsed.event)) return Parsed<ResponseEvent>{*data, parsed.size};
  state_ = State::unasked;
  return Parsed<ResponseEvent>{std::move(std::get<End>(parsed.event)), parsed.size};
}

Step<ResponseEvent> ResponseReader::start(std::string_view buffer) {
  auto found = scanner_.find_end(buffer, max_head);
  if (auto* more = std::get_if<NeedMore>(&found)) return *more;
  if (auto* wrong = std::get_if<Malformed>(&found)) return *wrong;
  const std::size_t size = std::get<Parsed<std::size_t>>(found).event;
  if (size == 2) return Malformed{"empty line before a response"};
  auto start = read_response_start(buffer.substr(0, size), asked_);
  if (!start) return start.error();
  scanner_ = {};
  if (start->status == 101) {
    state_ = State::changed;
  } else if (start->status >= 200) {
    body_.begin(start->framing, start->content_length.value_or(0));
    state_ = State::body;
  }
  return Parsed<ResponseEvent>{std::move(*start), size};
}

}  // namespace clawpatrol::http1
