#include "parsers/http1/response.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;
using namespace clawpatrol::http1;

namespace {

struct Answers {
  std::string events;  // data of one body together, however it was cut
  std::string refused;
  bool ends_here = false, at_rest = false;
  bool operator==(const Answers&) const = default;
};

void add(Answers& answers, const ResponseEvent& event, bool& in_data) {
  if (auto* start = std::get_if<ResponseStart>(&event)) {
    answers.events +=
        std::to_string(start->status) + " framing " + std::to_string(static_cast<int>(start->framing)) +
        " length " + (start->content_length ? std::to_string(*start->content_length) : "-") +
        (start->keep_alive ? " keep" : " close") + " upgrade=" + std::string(start->upgrade) + "\n";
    for (const Header& header : start->headers)
      answers.events += "  " + std::string(header.name) + "=" + std::string(header.value) + "\n";
  }
  if (auto* data = std::get_if<Data>(&event)) {
    CHECK_FALSE(data->bytes.empty());
    answers.events += (in_data ? "" : "data ") + std::string(data->bytes);
  }
  in_data = std::holds_alternative<Data>(event);
  if (auto* end = std::get_if<End>(&event)) {
    answers.events += "\nend\n";
    for (const Header& trailer : end->trailers)
      answers.events += "  " + std::string(trailer.name) + "=" + std::string(trailer.value) + "\n";
  }
}

// Reads one response to what was asked; each buffer is a copy of its own, so that a read past its end is
// seen.
Answers read_cut(std::string_view bytes, Asked asked, std::vector<std::size_t> cuts = {}) {
  cuts.push_back(bytes.size());
  ResponseReader reader;
  reader.expect(asked);
  Answers answers;
  bool in_data = false, over = false;
  std::size_t done = 0;
  for (std::size_t end : cuts) {
    while (!over) {
      const std::string buffer(bytes.substr(done, end - done));
      auto step = reader.next(buffer);
      if (auto* wrong = std::get_if<Malformed>(&step)) {
        answers.refused = wrong->why;
        return answers;
      }
      if (auto* more = std::get_if<NeedMore>(&step)) {
        CHECK(more->at_least > buffer.size());
        break;
      }
      auto& parsed = std::get<Parsed<ResponseEvent>>(step);
      REQUIRE(parsed.size <= buffer.size());
      add(answers, parsed.event, in_data);
      auto* start = std::get_if<ResponseStart>(&parsed.event);
      over = start && start->status == 101;
      done += parsed.size;
    }
  }
  answers.ends_here = reader.ends_here();
  answers.at_rest = reader.at_rest();
  if (!over && done < bytes.size()) answers.refused = "left over";
  return answers;
}

std::string refusal(const std::string& bytes, Asked asked = Asked::ordinary) {
  return read_cut(bytes, asked).refused;
}

}  // namespace

TEST_CASE("a response ends where its framing says, and 1xx heads precede it") {
  Answers read = read_cut(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A:  b \r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: "
      "1\r\n\r\n",
      Asked::ordinary);
  CHECK(read.refused == "");
  CHECK(read.at_rest);
  CHECK(read.events ==
        "100 framing 0 length - keep upgrade=\n103 framing 0 length - keep upgrade=\n  Link=</a>\n"
        "200 framing 2 length - keep upgrade=\n  Transfer-Encoding=chunked\n  X-A=b\n"
        "data abc\nend\n  X-Sum=1\n");
  CHECK(
      read_cut("HTTP/1.1 200\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", Asked::ordinary).events ==
      "200 framing 1 length 2 close upgrade=\n  Content-Length=2\n  Connection=close\ndata ab\nend\n");
}

TEST_CASE("what has no body ends with its head, whatever its head says of a length") {
  CHECK(read_cut("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Asked::head).events ==
        "200 framing 0 length 7 keep upgrade=\n  Content-Length=7\n\nend\n");
  CHECK(read_cut("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", Asked::ordinary).at_rest);
  CHECK(read_cut("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Asked::ordinary).at_rest);
  CHECK(read_cut("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", Asked::ordinary)
            .events.starts_with("204 framing 0 length - close"));
  CHECK(refusal("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc") == "a length of what has no body");
}

TEST_CASE("without a length a body lasts until the connection ends") {
  Answers read = read_cut("HTTP/1.0 200 OK\r\n\r\nabc", Asked::ordinary);
  CHECK(read.events == "200 framing 3 length - close upgrade=\ndata abc");
  CHECK(read.ends_here);
  CHECK_FALSE(read_cut("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", Asked::ordinary).ends_here);
  CHECK_FALSE(read_cut("HTTP/1.1 200 OK\r\nContent-Le", Asked::ordinary).ends_here);
}

TEST_CASE("101 says what it changes to, and nothing behind it is read as a response") {
  Answers read =
      read_cut("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
               Asked::ordinary);
  CHECK(read.events.starts_with("101 framing 0 length - keep upgrade=websocket\n"));
  CHECK(refusal("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n") ==
        "101 that does not say what it changes to");
  CHECK(refusal("HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n") ==
        "101 that does not say what it changes to");
}

TEST_CASE("responses with two readings, or none, are refused") {
  const std::pair<const char*, const char*> lies[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "Content-Length beside Transfer-Encoding"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
       "a header that must stand once stands twice"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "Content-Length is not a number"},
      {"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "Content-Length is not a number"},
      {"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", "Content-Length is not a number"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", "Content-Length is too long"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding is not chunked"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", "Transfer-Encoding is not chunked"},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"},
      {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "folded header line"},
      {"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", "white space before the colon of a header"},
      {"HTTP/1.1 200 OK\r\nX\r\n\r\n", "header line without a colon"},
      {"HTTP/1.1 200 OK\nX: a\r\n\r\n", "bare LF"},
      {"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "bare CR"},
      {"HTTP/1.1 20 OK\r\n\r\n", "status is not three digits"},
      {"HTTP/1.1 2000 OK\r\n\r\n", "status is not three digits"},
      {"HTTP/1.1 099 OK\r\n\r\n", "status is not three digits"},
      {"HTTP/1.1  200 OK\r\n\r\n", "status is not three digits"},
      {"HTTP/2 200 OK\r\n\r\n", "status line of another version than HTTP/1.1 and HTTP/1.0"},
      {"ICY 200 OK\r\n\r\n", "status line of another version than HTTP/1.1 and HTTP/1.0"},
      {"<html>\r\n\r\n", "status line of another version than HTTP/1.1 and HTTP/1.0"},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", "empty line before a response"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "bad chunk size"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
       "chunk is longer than its size"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n",
       "a response that nobody asked for"},
  };
  for (const auto& [bytes, why] : lies) {
    CAPTURE(bytes);
    CHECK(refusal(bytes) == why);
  }
  CHECK(refusal("HTTP/1.1 200 OK\r\n" + std::string(70'000, 'x')) == "head is too long");
  ResponseReader unasked;
  CHECK(std::get<Malformed>(unasked.next("H")).why == "a response that nobody asked for");
}

TEST_CASE("however responses are cut, they are read alike") {
  const std::string sessions[] = {
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"
      "4;n=\"v\"\r\nabcd\r\n1\r\ne\r\n0\r\nX-Sum: 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
      "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nabcde",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
  };
  for (const std::string& bytes : sessions) {
    const Answers whole = read_cut(bytes, Asked::ordinary);
    for (std::size_t i = 0; i <= bytes.size(); ++i)
      for (std::size_t j = i; j <= bytes.size(); ++j) {
        Answers cut = read_cut(bytes, Asked::ordinary, {i, j});
        if (cut == whole) continue;
        CAPTURE(bytes, i, j);
        CHECK(cut.events == whole.events);
        CHECK(cut.refused == whole.refused);
      }
  }
}
