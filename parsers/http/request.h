// What rules see of an HTTP request, whichever version of HTTP it came in.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "parsers/facets.h"
#include "parsers/http1/head.h"

namespace clawpatrol::http {

enum class Paths : std::uint8_t { strict, lenient };

// How far a body is looked into. What is not asked for does not apply.
enum class Bodies : std::uint8_t {
  parsed,  // http.body and http.body_json
  text,    // http.body
  unread,  // neither: it need not be here, and its size is that of what is
};

struct Options {
  std::size_t body_inspect = 1 << 20;
  Bodies bodies = Bodies::parsed;
  Paths paths = Paths::strict;  // strict: a path with two readings is refused
};

enum class BodyState : std::uint8_t {
  whole,
  cut,     // there is more than a limit lets us see
  unread,  // it has not been looked at yet
};

// The parts of a request: views of the caller's, but for the host.
struct Request {
  std::string_view method;
  std::string host;  // lower case, no port; "": none was named
  std::string_view raw_path;
  std::string_view query;
  std::vector<http1::Header> headers;
  std::string_view body;  // without its framing, as sent
  BodyState body_state = BodyState::whole;
  // Of a body that is not whole, where the head says it.
  std::optional<std::uint64_t> declared_size = {};
  bool upgrades = false;
};

Request request_of(const http1::Head& head);  // its body is to be added

// The error says why the request is refused whatever the rules say; a literal.
std::expected<HttpFacets, std::string_view> facets_of(const Request& request, const Options& options);

// GET, HEAD and OPTIONS read; an upgrade executes, since nobody reads what follows; all else writes, also
// what a header asks to have taken for another method. raised() of classes.h has the last word.
ActionKind kind_of(const Request& request);

}  // namespace clawpatrol::http
