// nghttp2 and what is around it, as a pair of peers whose bytes are spoiled on the way, and each of them with
// bytes of no peer at all: nothing that could be read in two ways comes out, and no more than the windows let
// in.
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/http2/session.h"

using namespace clawpatrol;
using namespace clawpatrol::http2;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_text(std::string_view text) {
  check(text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
}

void check_fields(const http::Fields& fields) {
  for (const auto& field : fields) {
    check(!field.name.empty() && field.name.find_first_of(": \t") == std::string::npos);
    check_text(field.name);
    check_text(field.value);
  }
}

// One side: what it hears is checked, and answered or consumed.
class Side {
 public:
  explicit Side(Role role) : session_(role, Scheme::https, Limits{}) {
    if (role == Role::client) ask();
  }

  void hear(std::string_view bytes) {
    now_ += std::chrono::milliseconds(1);
    for (bool more = true; more;) {
      more = session_.receive(bytes, now_);
      for (const Event& event : session_.take_events())
        std::visit([&](const auto& each) { heard(each); }, event);
    }
    check(unconsumed_ <= Limits{}.connection_window);
  }
  std::string say() {
    std::string out;
    session_.take_output(out, 64 << 10);
    for (const Event& event : session_.take_events())
      std::visit([&](const auto& each) { heard(each); }, event);
    return out;
  }
  bool over() const { return session_.over(); }

 private:
  void ask() {
    http::RequestHead head;
    head.method = "POST";
    head.target = "/a?b";
    head.authority.host = "a";
    head.fields = {{"X-A", "b"}, {"cookie", "c=d"}};
    head.has_body = true;
    for (int i = 0; i < 3; ++i) {
      auto stream = session_.request(head);
      if (!stream) return;
      session_.write(*stream, "body");
      session_.finish(*stream, {{"x-sum", "4"}});
    }
  }
  void heard(const RequestCame& came) {
    check_text(came.head.method);
    check(came.head.target.starts_with('/') || came.head.target == "*");
    check_text(came.head.target);
    check(!came.head.authority.host.empty());
    check_fields(came.head.fields);
    http::ResponseHead head;
    head.status = 200;
    head.has_body = true;
    session_.respond(came.stream, head);
    session_.write(came.stream, "answer");
    session_.finish(came.stream, {{"x-end", "1"}});
  }
  void heard(const RequestRefused& refused) {
    http::ResponseHead head;
    head.status = 400;
    session_.respond(refused.stream, head);
  }
  void heard(const ResponseCame& came) {
    check(came.head.status >= 100 && came.head.status <= 999 && came.head.status != 101);
    check_fields(came.head.fields);
  }
  void heard(const DataCame& data) {
    check(!data.bytes.empty());
    unconsumed_ += data.bytes.size();
    if (unconsumed_ < 300'000) return;  // late, so that windows close
    session_.consumed(data.stream, data.bytes.size());
    unconsumed_ -= data.bytes.size();
  }
  void heard(const BodyEnded& end) { check_fields(end.trailers); }
  void heard(const Closed&) {}

  Session session_;
  Clock::time_point now_{std::chrono::hours(1)};
  std::size_t unconsumed_ = 0;
};

void alone(Role role, std::string_view bytes, std::size_t step) {
  Side side(role);
  for (std::size_t at = 0; at < bytes.size() && !side.over(); at += step) {
    const std::string piece(bytes.substr(at, step));  // a copy, so that reading past it is seen
    side.hear(piece);
    (void)side.say();
  }
}

// Every two bytes of `spoiling` say how far to go on, and what to do to the byte there.
void together(std::string_view spoiling) {
  Side client(Role::client), server(Role::server);
  std::size_t next = 0, wait = 0;
  char with = 0;
  auto spoil = [&](std::string bytes) {
    for (char& byte : bytes) {
      if (wait-- > 0) continue;
      byte = static_cast<char>(byte ^ with);
      with = 0;
      wait = 1 << 30;
      if (next + 1 >= spoiling.size()) continue;
      wait = static_cast<unsigned char>(spoiling[next]);
      with = spoiling[next + 1];
      next += 2;
    }
    return bytes;
  };
  for (int turn = 0; turn < 8 && !client.over() && !server.over(); ++turn) {
    server.hear(spoil(client.say()));
    client.hear(server.say());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t step = 1 + static_cast<unsigned char>(data[0]) % 97;
  const std::string_view bytes(data + 1, size - 1);
  alone(Role::server, bytes, step);
  alone(Role::server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(bytes), step);
  alone(Role::client, bytes, step);
  together(bytes);
  return 0;
}
