// What a RequestReader says of bytes, as text, so that two readings can be compared.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "parsers/http1/request.h"

namespace clawpatrol::tests {

struct Reading {
  std::string events;  // data of one body together, however it was cut
  std::size_t complete = 0;
  std::string refused;  // why; "": it was not
  bool between = true;  // ends between two requests

  bool operator==(const Reading&) const = default;
};

inline std::string shown(const http1::Head& head) {
  std::string out =
      "head " + std::string(head.method) + " " + head.authority.host + " " + std::string(head.path) + "?" +
      std::string(head.query) + " framing " + std::to_string(static_cast<int>(head.framing)) + " " +
      std::to_string(head.content_length) + (head.keep_alive ? " keep" : " close") +
      (head.expects_continue ? " expects" : "") + " upgrade=" + std::string(head.upgrade) + "\n";
  for (const auto& header : head.headers)
    out += "  " + std::string(header.name) + "=" + std::string(header.value) + "\n";
  return out;
}

inline void add(Reading& reading, const http1::Event& event, bool& in_data) {
  if (auto* head = std::get_if<http1::Head>(&event)) reading.events += shown(*head);
  if (auto* data = std::get_if<http1::Data>(&event)) {
    CHECK_FALSE(data->bytes.empty());
    reading.events += (in_data ? "" : "data ") + std::string(data->bytes);
  }
  in_data = std::holds_alternative<http1::Data>(event);
  if (auto* end = std::get_if<http1::End>(&event)) {
    reading.events += "\nend\n";
    for (const auto& header : end->trailers)
      reading.events += "  " + std::string(header.name) + "=" + std::string(header.value) + "\n";
    ++reading.complete;
  }
}

// Feeds `bytes` so that the buffer grows to each of the cuts in turn. Each buffer is a copy of its own, so
// that a read past its end is seen by ASan.
inline Reading read_cut(std::string_view bytes, std::vector<std::size_t> cuts) {
  cuts.push_back(bytes.size());
  http1::RequestReader reader;
  Reading reading;
  bool in_data = false;
  std::size_t done = 0;
  for (std::size_t end : cuts) {
    while (true) {
      const std::string buffer(bytes.substr(done, end - done));
      auto step = reader.next(buffer);
      if (auto* wrong = std::get_if<Malformed>(&step)) {
        reading.refused = wrong->why;
        return reading;
      }
      if (auto* more = std::get_if<NeedMore>(&step)) {
        CHECK(more->at_least > buffer.size());
        break;
      }
      auto& parsed = std::get<Parsed<http1::Event>>(step);
      REQUIRE(parsed.size <= buffer.size());
      add(reading, parsed.event, in_data);
      done += parsed.size;
    }
  }
  reading.between = reader.between_requests() && done == bytes.size();
  return reading;
}

inline Reading read_whole(std::string_view bytes) {
  return read_cut(bytes, {});
}

}  // namespace clawpatrol::tests
