#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

// Writes a message's length when its body has been written.
class Message {
 public:
  Message(std::string& out, char type) : out_(out), writer_(out) {
    out_.push_back(type);
    length_at_ = out_.size();
    writer_.u32(0);
  }
  ~Message() {
    const auto length = static_cast<std::uint32_t>(out_.size() - length_at_);
    for (int i = 0; i < 4; ++i)
      out_[length_at_ + static_cast<std::size_t>(i)] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  Writer* operator->() { return &writer_; }

 private:
  std::string& out_;
  Writer writer_;
  std::size_t length_at_ = 0;
};

void append_target(std::string& out, char type, Target target, std::string_view name) {
  Message message(out, type);
  message->u8(static_cast<std::uint8_t>(target)).cstring(name);
}

void append_field(Message& message, char field, std::string_view value) {
  if (!value.empty()) message->u8(static_cast<std::uint8_t>(field)).cstring(value);
}

}  // namespace

void append_startup(std::string& out, std::uint16_t minor, Parameters parameters) {
  std::string body;
  Writer writer(body);
  writer.u32(3U << 16 | minor);
  for (const auto& [name, value] : parameters) writer.cstring(name).cstring(value);
  writer.u8(0);
  Writer(out).u32(static_cast<std::uint32_t>(body.size() + 4)).bytes(body);
}

void append_ssl_request(std::string& out) {
  Writer(out).u32(8).u32(80877103);
}

void append_cancel(std::string& out, std::uint32_t process, std::string_view key) {
  Writer(out).u32(static_cast<std::uint32_t>(12 + key.size())).u32(80877102).u32(process).bytes(key);
}

void append_query(std::string& out, std::string_view text) {
  Message(out, 'Q')->cstring(text);
}

void append_parse(std::string& out, std::string_view name, std::string_view text, std::uint16_t type_count,
                  std::string_view types) {
  Message(out, 'P')->cstring(name).cstring(text).u16(type_count).bytes(types);
}

void append_bind(std::string& out, std::string_view portal, std::string_view statement,
                 std::string_view after_names) {
  Message(out, 'B')->cstring(portal).cstring(statement).bytes(after_names);
}

void append_describe(std::string& out, Target target, std::string_view name) {
  append_target(out, 'D', target, name);
}
void append_close(std::string& out, Target target, std::string_view name) {
  append_target(out, 'C', target, name);
}

void append_execute(std::string& out, std::string_view portal, std::uint32_t max_rows) {
  Message(out, 'E')->cstring(portal).u32(max_rows);
}

void append_sasl_initial(std::string& out, std::string_view mechanism, std::string_view response) {
  Message(out, 'p')->cstring(mechanism).u32(static_cast<std::uint32_t>(response.size())).bytes(response);
}

void append_sasl_response(std::string& out, std::string_view response) {
  Message(out, 'p')->bytes(response);
}
void append_password(std::string& out, std::string_view password) {
  Message(out, 'p')->cstring(password);
}
void append_empty(std::string& out, char type) {
  append_header(out, type, 0);
}

void append_header(std::string& out, char type, std::size_t body_size) {
  Writer(out).u8(static_cast<std::uint8_t>(type)).u32(static_cast<std::uint32_t>(body_size + 4));
}

void append_error(std::string& out, const ErrorText& error) {
  Message message(out, 'E');
  append_field(message, 'S', error.severity);
  append_field(message, 'V', error.severity);
  append_field(message, 'C', error.code);
  append_field(message, 'M', error.message);
  append_field(message, 'D', error.detail);
  append_field(message, 'H', error.hint);
  if (error.position > 0) append_field(message, 'P', std::to_string(error.position));
  message->u8(0);
}

void append_authentication_ok(std::string& out) {
  Message(out, 'R')->u32(0);
}

void append_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms) {
  Message message(out, 'R');
  message->u32(10);
  for (std::string_view mechanism : mechanisms) message->cstring(mechanism);
  message->u8(0);
}

void append_sasl_continue(std::string& out, std::string_view data) {
  Message(out, 'R')->u32(11).bytes(data);
}

void append_sasl_final(std::string& out, std::string_view data) {
  Message(out, 'R')->u32(12).bytes(data);
}

void append_parameter_status(std::string& out, std::string_view name, std::string_view value) {
  Message(out, 'S')->cstring(name).cstring(value);
}

void append_backend_key(std::string& out, std::uint32_t process, std::string_view key) {
  Message(out, 'K')->u32(process).bytes(key);
}

void append_ready(std::string& out, char state) {
  Message(out, 'Z')->u8(static_cast<std::uint8_t>(state));
}

void append_negotiate_version(std::string& out, std::uint32_t minor,
                              std::span<const std::string_view> unknown) {
  Message message(out, 'v');
  // The whole version number, as every server sends it and libpq 18 insists on.
  message->u32(std::uint32_t{3} << 16 | minor).u32(static_cast<std::uint32_t>(unknown.size()));
  for (std::string_view name : unknown) message->cstring(name);
}

}  // namespace clawpatrol::postgres
