#include "parsers/http/wire.h"

#include "parsers/http/classes.h"

namespace clawpatrol::http {
namespace {

// Collects what one request is made of; a body of more than is inspected is counted and not kept.
struct Collector {
  const Options& options;
  WireReading reading = {};
  WireRequest request = {};

  void add(const http1::Data& data) {
    if (request.body.size() + data.bytes.size() > options.body_inspect) request.body_state = BodyState::cut;
    if (request.body_state == BodyState::whole) request.body += data.bytes;
  }

  // False: refused.
  bool end() {
    const Request parts = request.request();
    auto facets = facets_of(parts, options);
    if (!facets) {
      reading.refused = facets.error();
      return false;
    }
    request.facets = std::move(*facets);
    request.kind = raised(kind_of(parts), request.facets);
    reading.requests.push_back(std::move(request));
    request = {};
    return true;
  }

  bool add(http1::Event& event) {
    if (auto* head = std::get_if<http1::Head>(&event)) request.head = std::move(*head);
    if (auto* data = std::get_if<http1::Data>(&event)) add(*data);
    return !std::holds_alternative<http1::End>(event) || end();
  }
};

}  // namespace

Request WireRequest::request() const {
  Request parts = request_of(head);
  parts.body = body;
  parts.body_state = body_state;
  return parts;
}

WireReading read_wire(std::string_view bytes, const Options& options) {
  http1::RequestReader reader;
  Collector collector{options};
  while (true) {
    if (bytes.empty() && reader.between_requests()) break;
    auto step = reader.next(bytes);
    if (auto* wrong = std::get_if<Malformed>(&step)) {
      collector.reading.refused = wrong->why;
      break;
    }
    if (std::holds_alternative<NeedMore>(step)) {
      const bool blank = reader.between_requests() && (bytes == "\r\n" || bytes == "\r");
      if (!blank || collector.reading.requests.empty())
        collector.reading.refused = "the request is incomplete";
      break;
    }
    auto& parsed = std::get<Parsed<http1::Event>>(step);
    if (!collector.add(parsed.event)) break;
    bytes.remove_prefix(parsed.size);
  }
  if (collector.reading.requests.empty() && collector.reading.refused.empty())
    collector.reading.refused = "there is no request";
  return std::move(collector.reading);
}

}  // namespace clawpatrol::http
