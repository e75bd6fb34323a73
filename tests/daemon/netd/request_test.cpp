#include "daemon/netd/request.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace clawpatrol::netd;

namespace {

std::string bytes_of(const Message& message) {
  return {reinterpret_cast<const char*>(&message), sizeof message};
}

Message hello(std::uint32_t workers) {
  Message message;
  message.type = MessageType::hello;
  message.hello.workers = workers;
  return message;
}

}  // namespace

TEST_CASE("the three requests are taken") {
  CHECK(parse_request(bytes_of(hello(1)))->hello.workers == 1);
  CHECK(parse_request(bytes_of(hello(max_workers))));
  Message message;
  message.type = MessageType::get_statistics;
  CHECK(parse_request(bytes_of(message)));
  message.type = MessageType::reload;
  CHECK(parse_request(bytes_of(message)));
}

TEST_CASE("attack 25: messages that lie are refused") {
  CHECK_FALSE(parse_request(""));
  for (std::size_t size = 0; size < sizeof(Message); size++)
    CHECK_FALSE(parse_request(bytes_of(hello(1)).substr(0, size)));
  CHECK_FALSE(parse_request(bytes_of(hello(1)) + "x"));
  CHECK_FALSE(parse_request(bytes_of(hello(0))));
  CHECK_FALSE(parse_request(bytes_of(hello(max_workers + 1))));
  Message message = hello(1);
  message.version = 2;
  CHECK_FALSE(parse_request(bytes_of(message)));
  message = hello(1);
  message.length = 12;
  CHECK_FALSE(parse_request(bytes_of(message)));
  message = hello(1);
  message.raw[200] = 1;
  CHECK_FALSE(parse_request(bytes_of(message)));
  message.type = MessageType::reload;
  CHECK_FALSE(parse_request(bytes_of(message)));
}

TEST_CASE("attack 25: what only netd says is refused from the daemon") {
  for (int type = 0; type < 256; type++) {
    if (type == 1) continue;
    Message message;
    message.type = static_cast<MessageType>(type);
    bool known = type == static_cast<int>(MessageType::get_statistics) ||
                 type == static_cast<int>(MessageType::reload);
    CHECK(parse_request(bytes_of(message)).has_value() == known);
  }
}
