// Any bytes as a line on the control socket: no crash, and what is read is said again as ASCII that reads the
// same.
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/control/message.h"

using namespace clawpatrol::control;

static void require(bool holds) {
  if (!holds) std::abort();
}

static void look(const Message& message) {
  if (message.is_object()) {
    for (const auto& [name, value] : message.members()) {
      require(message.has(name));
      (void)message.integer(name);
      (void)message.flag(name);
      if (auto number = message.natural(name)) require(message.natural_or_zero(name) == *number);
      look(value);
    }
  }
  for (const Message& element : message.elements()) look(element);
}

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  std::string_view line(data, size);
  auto message = Message::parse(line);
  if (!message) {
    require(!message.error().empty());
    return 0;
  }
  require(message->is_object());
  look(*message);
  std::string json = message->json();
  for (char byte : json) require(byte >= 0x20 && byte < 0x7f);
  auto again = Message::parse(json);
  require(again.has_value() && again->json() == json);
  JsonObject request = message_of_type("echo");
  request.add("line", line);
  auto quoted = Message::parse(request.text());
  require(quoted.has_value() && quoted->text("type") == "echo");
  return 0;
}
