#include "parsers/http/described.h"

#include <algorithm>

#include "parsers/http1/request.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http {
namespace {

struct Target {
  std::string_view authority, path, query;
};

// As far as it can be told apart; whether it is a target that is served is for the parser to say.
Target split(std::string_view text) {
  Target target;
  const std::size_t scheme = text.find("://");
  if (!text.starts_with('/') && scheme != std::string_view::npos) {
    text.remove_prefix(scheme + 3);
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    target.authority = text.substr(0, end);
    text.remove_prefix(end);
  }
  const std::size_t mark = text.find('?');
  target.path = text.substr(0, mark);
  if (mark != std::string_view::npos) target.query = text.substr(mark + 1);
  if (target.path.empty() && !target.authority.empty()) target.path = "/";
  return target;
}

// The body stands there without its framing, whatever a recording says of it.
bool is_framing(std::string_view name) {
  return http1::same_name(name, "content-length") || http1::same_name(name, "transfer-encoding");
}

std::string_view host_in(const Described& described) {
  for (const DescribedHeader& header : described.headers)
    if (http1::same_name(header.name, "host")) return header.value;
  return {};
}

std::string as_wire(const Described& described, std::string_view authority) {
  std::string wire = described.method + " " + described.target + " HTTP/1.1\r\n";
  if (host_in(described).empty())
    wire.append("Host: ").append(authority.empty() ? "localhost" : authority).append("\r\n");
  for (const DescribedHeader& header : described.headers)
    if (!is_framing(header.name)) wire += header.name + ": " + header.value + "\r\n";
  if (!described.body.empty()) wire += "Content-Length: " + std::to_string(described.body.size()) + "\r\n";
  return wire + "\r\n";
}

// Whether the head is these parts and nothing else: a part that holds the end of a line would be several.
bool says_same(const http1::Head& head, const Described& described) {
  auto own = head.headers.begin();
  if (host_in(described).empty()) ++own;
  if (head.method != described.method || head.target != described.target) return false;
  for (const DescribedHeader& header : described.headers) {
    if (is_framing(header.name)) continue;
    if (own == head.headers.end() || own->name != header.name || own->value != http1::trimmed(header.value))
      return false;
    ++own;
  }
  if (!described.body.empty() && own != head.headers.end()) ++own;
  return own == head.headers.end();
}

}  // namespace

DescribedRequest read_described(const Described& described) {
  const Target target = split(described.target);
  DescribedRequest read;
  read.request = {.method = described.method,
                  .host = {},
                  .raw_path = target.path,
                  .query = target.query,
                  .headers = {},
                  .body = described.body};
  for (const DescribedHeader& header : described.headers)
    if (!is_framing(header.name)) read.request.headers.push_back({header.name, http1::trimmed(header.value)});
  const std::string wire = as_wire(described, target.authority);
  http1::RequestReader reader;
  auto step = reader.next(wire);
  if (auto* wrong = std::get_if<Malformed>(&step)) {
    read.refused = wrong->why;
    return read;
  }
  auto* parsed = std::get_if<Parsed<http1::Event>>(&step);
  if (!parsed || !says_same(std::get<http1::Head>(parsed->event), described) || parsed->size != wire.size()) {
    read.refused = "a part holds more than itself";
    return read;
  }
  const http1::Head& head = std::get<http1::Head>(parsed->event);
  read.request.upgrades = !head.upgrade.empty();
  if (!host_in(described).empty() || !target.authority.empty()) read.request.host = head.authority.host;
  return read;
}

}  // namespace clawpatrol::http
