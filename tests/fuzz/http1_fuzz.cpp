// Any bytes as a connection's requests: read whole, and again cut where the first byte says, the events are
// the same; what rules see of them is made too, under both readings of a path.
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/http/wire.h"
#include "parsers/http1/request.h"
#include "parsers/kubernetes/request.h"

using namespace clawpatrol;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

struct Told {
  std::string events;
  bool in_data = false;

  void add(const http1::Event& event) {
    if (auto* head = std::get_if<http1::Head>(&event)) {
      events.append(head->method).append(" ").append(head->target).append("\n");
      for (const auto& header : head->headers) events.append(header.name).append(":").append(header.value);
      check(head->path == "*" || !head->path.empty());
      check(head->framing != http1::Framing::none || head->content_length == 0);
    }
    if (auto* data = std::get_if<http1::Data>(&event)) {
      check(!data->bytes.empty());
      events.append(in_data ? "" : "\ndata ").append(data->bytes);
    }
    in_data = std::holds_alternative<http1::Data>(event);
    if (std::holds_alternative<http1::End>(event)) events += "\nend\n";
  }
};

// Returns what was told; `step` bytes more at a time.
std::string read(std::string_view bytes, std::size_t step) {
  http1::RequestReader reader;
  Told told;
  std::size_t done = 0, end = 0;
  while (true) {
    const std::string buffer(bytes.substr(done, end - done));  // a copy, so that reading past it is seen
    auto next = reader.next(buffer);
    if (auto* wrong = std::get_if<Malformed>(&next))
      return told.events + "malformed: " + std::string(wrong->why);
    if (auto* more = std::get_if<NeedMore>(&next)) {
      check(more->at_least > buffer.size());
      if (end == bytes.size()) return told.events + (reader.between_requests() ? "" : "more");
      end = std::min(bytes.size(), end + step);
      continue;
    }
    auto& parsed = std::get<Parsed<http1::Event>>(next);
    check(parsed.size <= buffer.size());
    told.add(parsed.event);
    done += parsed.size;
  }
}

void see(std::string_view bytes, http::Paths paths) {
  const http::Options options{.body_inspect = 64 << 10, .paths = paths};
  http::WireReading reading = http::read_wire(bytes, options);
  for (const http::WireRequest& request : reading.requests) {
    check(request.facets.method.known() && request.facets.raw_path.known());
    if (request.facets.path) check(*request.facets.path == "*" || request.facets.path->starts_with('/'));
    if (request.facets.body) check(request.facets.body->size() <= options.body_inspect);
    (void)kubernetes::facets_of(request.request(), options);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + static_cast<unsigned char>(data[0]) % 61;
  std::string_view bytes(data + 1, size - 1);
  check(read(bytes, bytes.size() + 1) == read(bytes, step));
  see(bytes, http::Paths::strict);
  see(bytes, http::Paths::lenient);
  return 0;
}
