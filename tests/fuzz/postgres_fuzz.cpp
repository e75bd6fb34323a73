// Both directions of the PostgreSQL wire, from one byte string: the first byte chooses. Checks that cutting
// is the same for any cut, and that reading never leaves a body.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"
#include "parsers/postgres/frame.h"
#include "parsers/postgres/frontend.h"
#include "parsers/postgres/options.h"
#include "parsers/postgres/startup.h"
#include "parsers/postgres/values.h"

using namespace clawpatrol;
using namespace clawpatrol::postgres;

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

void read_frontend(const Frame& frame) {
  std::string again;
  if (frame.type == 'Q') {
    if (auto query = read_query(frame.body)) append_query(again, query->text);
  } else if (frame.type == 'P') {
    if (auto parse = read_parse(frame.body))
      append_parse(again, parse->name, parse->text, parse->type_count, parse->types);
  } else if (frame.type == 'B') {
    auto bind = read_bind(frame.body);
    if (!bind) return;
    append_bind(again, bind->portal, bind->statement, bind->after_names);
    bind->values.for_each([&](std::uint16_t i, std::optional<std::string_view> value) {
      bind->is_binary(i);
      // Its text is of the size of the bytes, whatever they are said to be.
      for (std::uint32_t type : {1114, 1700, 1007, 1009, 1231}) {
        auto text = text_of_binary(type, value.value_or(""));
        require(!text || text->size() <= 16 * value.value_or("").size() + 128);
      }
      if (value)
        require(value->data() >= frame.body.data() &&
                value->data() + value->size() <= frame.body.data() + frame.body.size());
    });
  } else if (frame.type == 'E') {
    if (auto execute = read_execute(frame.body)) append_execute(again, execute->portal, execute->max_rows);
  } else if (frame.type == 'F') {
    (void)read_function_call(frame.body);
  } else if (frame.type == 'D' || frame.type == 'C') {
    if (auto describe = read_describe(frame.body))
      append_describe(again, Target{describe->kind}, describe->name), again[0] = frame.type;
  }
  require(again.empty() || again == frame.raw);
}

void read_backend(const Frame& frame) {
  (void)read_authentication(frame.body);
  (void)read_parameter_status(frame.body);
  (void)read_backend_key(frame.body);
  (void)read_error(frame.body);
  (void)read_ready(frame.body);
  (void)read_command_complete(frame.body);
  (void)read_negotiate_version(frame.body);
  (void)sasl_mechanisms(frame.body);
}

// Bytes up to the first malformed frame, fed in pieces of `step`; returns a digest of what was seen.
std::size_t cut(Side side, std::string_view bytes, std::size_t step) {
  FrameStream stream(side, 64);
  std::size_t digest = 0, begin = 0;
  for (std::size_t end = 0; end <= bytes.size() + step; end += step) {
    std::string_view window = bytes.substr(begin, std::min(end, bytes.size()) - begin);
    while (!window.empty()) {
      auto next = stream.peek(window);
      auto* parsed = std::get_if<Parsed<Frame>>(&next);
      if (parsed == nullptr) break;
      const Frame& frame = parsed->event;
      stream.take(frame);
      if (frame.whole()) side == Side::frontend ? read_frontend(frame) : read_backend(frame);
      if (frame.begins) digest = digest * 31 + static_cast<unsigned char>(frame.type) + frame.size;
      for (char c : frame.body) digest = digest * 31 + static_cast<unsigned char>(c);
      window.remove_prefix(parsed->size);
      begin += parsed->size;
    }
  }
  return digest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const char choice = bytes[0];
  bytes.remove_prefix(1);
  if (choice == 's') (void)parse_first_packet(bytes);
  if (choice == 'o') (void)parse_options(bytes);
  const Side side = choice == 'b' ? Side::backend : Side::frontend;
  const std::size_t whole = cut(side, bytes, bytes.size() + 1);
  // One byte more at a time shows at most the frames that whole bytes show; digests agree where all was
  // consumed.
  require(cut(side, bytes, 1) == whole);
  return 0;
}
