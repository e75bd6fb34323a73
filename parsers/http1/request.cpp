#include "parsers/http1/request.h"

#include <algorithm>

#include "parsers/http1/framing.h"

namespace clawpatrol::http1 {

Step<Event> RequestReader::next(std::string_view buffer) {
  switch (state_) {
    case State::head: return head(buffer);
    case State::body: return body(buffer);
    case State::over:
      if (buffer.empty()) return NeedMore{1};
      return Malformed{"bytes behind the last request"};
  }
  __builtin_unreachable();
}

Step<Event> RequestReader::head(std::string_view buffer) {
  std::size_t skipped = 0;
  if (buffer.starts_with('\r')) {
    if (buffer.size() == 1) return NeedMore{2};
    if (buffer[1] != '\n') return Malformed{"bare CR"};
    skipped = 2;
  }
  auto found = scanner_.find_end(buffer.substr(skipped), max_head);
  if (auto* more = std::get_if<NeedMore>(&found)) return NeedMore{more->at_least + skipped};
  if (auto* wrong = std::get_if<Malformed>(&found)) return *wrong;
  const std::size_t size = std::get<Parsed<std::size_t>>(found).event;
  if (size == 2) return Malformed{"empty line before a request"};
  auto head = read_head(buffer.substr(skipped, size));
  if (!head) return head.error();
  scanner_ = {};
  last_ = !head->keep_alive || !head->upgrade.empty();
  body_.begin(head->framing, head->content_length);
  state_ = State::body;
  return Parsed<Event>{std::move(*head), skipped + size};
}

Step<Event> RequestReader::body(std::string_view buffer) {
  auto step = body_.next(buffer);
  if (auto* more = std::get_if<NeedMore>(&step)) return *more;
  if (auto* wrong = std::get_if<Malformed>(&step)) return *wrong;
  auto& parsed = std::get<Parsed<BodyEvent>>(step);
  if (auto* data = std::get_if<Data>(&parsed.event)) return Parsed<Event>{*data, parsed.size};
  End& end = std::get<End>(parsed.event);
  for (const Header& trailer : end.trailers)
    if (matters_in_trailers(trailer.name)) return Malformed{"trailer that belongs into the head"};
  state_ = last_ ? State::over : State::head;
  return Parsed<Event>{std::move(end), parsed.size};
}

}  // namespace clawpatrol::http1
