// Any bytes as a connection's requests: read whole, and again cut where the first byte says, the events are
// the same; what rules see of them is made too, under both readings of a path. Every head that is read can be
// written anew or is refused, and what is written is read as one head. Then the same bytes as responses.
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/http/wire.h"
#include "parsers/http1/request.h"
#include "parsers/http1/response.h"
#include "parsers/http1/write.h"
#include "parsers/kubernetes/request.h"

using namespace clawpatrol;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void write_anew(const http1::Head& head) {
  http::RequestHead request = http::request_head(head);
  if (request.authority.host.empty()) request.authority.host = "h";
  std::string out;
  if (!http1::append_request(out, request, 80)) return;
  http1::RequestReader reader;
  auto step = reader.next(out);
  auto* parsed = std::get_if<Parsed<http1::Event>>(&step);
  check(parsed && parsed->size == out.size());
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
      write_anew(*head);
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

std::string read_responses(std::string_view bytes, std::size_t step) {
  http1::ResponseReader reader;
  std::string told;
  std::size_t done = 0, end = 0;
  bool in_data = false;
  reader.expect(step % 2 ? http1::Asked::head : http1::Asked::ordinary);
  while (true) {
    const std::string buffer(bytes.substr(done, end - done));
    auto next = reader.next(buffer);
    if (auto* wrong = std::get_if<Malformed>(&next)) return told + "malformed: " + std::string(wrong->why);
    if (auto* more = std::get_if<NeedMore>(&next)) {
      check(more->at_least > buffer.size());
      if (end == bytes.size()) return told + (reader.ends_here() ? " ends" : " more");
      end = std::min(bytes.size(), end + step);
      continue;
    }
    auto& parsed = std::get<Parsed<http1::ResponseEvent>>(next);
    check(parsed.size <= buffer.size());
    if (auto* start = std::get_if<http1::ResponseStart>(&parsed.event)) {
      told += "\n" + std::to_string(start->status);
      std::string out;
      const auto head = http::response_head(*start, http1::Asked::ordinary);
      (void)http1::append_response(out, head, {.end = http1::BodyEnd::chunked, .connection = ""});
      if (start->status == 101) return told;
    }
    if (auto* data = std::get_if<http1::Data>(&parsed.event))
      told.append(in_data ? "" : "\ndata ").append(data->bytes);
    in_data = std::holds_alternative<http1::Data>(parsed.event);
    if (std::holds_alternative<http1::End>(parsed.event)) {
      told += "\nend";
      reader.expect(http1::Asked::ordinary);
    }
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
  const std::size_t odd = step | 1;  // that asks the same of both
  check(read_responses(bytes, (bytes.size() + 1) | 1) == read_responses(bytes, odd));
  see(bytes, http::Paths::strict);
  see(bytes, http::Paths::lenient);
  return 0;
}
