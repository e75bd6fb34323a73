#include "parsers/websocket/message.h"

#include <zlib.h>

#include <catch2/catch.hpp>

using namespace clawpatrol;
using namespace clawpatrol::websocket;

namespace {

// As a sender of permessage-deflate: one stream, flushed behind each message, without its last four bytes.
class Deflater {
 public:
  explicit Deflater(int bits = 15) {
    REQUIRE(deflateInit2(&stream_, 9, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  }
  ~Deflater() { deflateEnd(&stream_); }
  std::string message(const std::string& text, int flush = Z_SYNC_FLUSH) {
    std::string out(text.size() + 1000, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    deflate(&stream_, flush);
    out.resize(out.size() - stream_.avail_out);
    if (flush == Z_SYNC_FLUSH) out.resize(out.size() - 4);
    return out;
  }

 private:
  z_stream stream_{};
};

// A message in frames of `size` bytes, as a MessageReader hears it.
Facet<std::string> hear(MessageReader& reader, const std::string& payload, std::size_t size,
                        bool compressed) {
  FrameHead head;
  for (std::size_t at = 0; at == 0 || at < payload.size(); at += size) {
    head = {.opcode = at == 0 ? Opcode::text : Opcode::continuation,
            .message = Opcode::text,
            .final = at + size >= payload.size(),
            .compressed = compressed,
            .size = std::min(size, payload.size() - at),
            .mask = {1, 2, 3, 4}};
    reader.add(head);
    std::string masked;
    unmask(std::string_view(payload).substr(at, size), head.mask, 0, masked);
    if (!masked.empty()) reader.add(head, {masked, 0});
  }
  return reader.take(head);
}

}  // namespace

TEST_CASE("messages are put together from their frames and inflated, with the context of those before") {
  Deflater deflater;
  MessageReader reader(Deflate::negotiated, {}, 1 << 20);
  const std::string text = "the same words again and again, the same words";
  const std::string first = deflater.message(text), second = deflater.message(text);
  CHECK(second.size() < first.size() / 2);  // it refers to the first
  CHECK(*hear(reader, first, 10, true) == text);
  CHECK(*hear(reader, second, 3, true) == text);
  CHECK(*hear(reader, "plain", 2, false) == "plain");
  CHECK(*hear(reader, std::string(1, '\0'), 100, true) == "");
}

TEST_CASE("a context that was agreed to be forgotten is") {
  Deflater deflater;
  MessageReader reader(Deflate::negotiated, {15, false}, 1 << 20);
  const std::string text = "the same words again and again, the same words";
  CHECK(hear(reader, deflater.message(text), 100, true).known());
  CHECK(hear(reader, deflater.message(text), 100, true).why() == Unknown::undecodable);
}

TEST_CASE("a message that is too long, or swells too much, is not known, and nothing compressed behind it") {
  Deflater deflater;
  MessageReader reader(Deflate::negotiated, {}, 1000);
  CHECK(hear(reader, std::string(1001, 'x'), 100, false).why() == Unknown::over_limit);
  CHECK(*hear(reader, std::string(1000, 'x'), 100, false) == std::string(1000, 'x'));
  CHECK(hear(reader, deflater.message(std::string(1001, 'x')), 100, true).why() == Unknown::over_limit);
  CHECK(hear(reader, deflater.message("x"), 100, true).why() == Unknown::undecodable);
  Deflater bomb;
  MessageReader wide(Deflate::negotiated, {}, 100 << 20);
  CHECK(hear(wide, bomb.message(std::string(8 << 20, 'x')), 1 << 20, true).why() == Unknown::over_limit);
  MessageReader spoiled(Deflate::negotiated, {}, 1000);
  CHECK(hear(spoiled, std::string(1001, 'x'), 100, true).why() == Unknown::over_limit);
  CHECK(hear(spoiled, Deflater().message("x"), 100, true).why() == Unknown::undecodable);
}

TEST_CASE("a stream that ends, or is none, is undecodable") {
  MessageReader ended(Deflate::negotiated, {}, 1000);
  CHECK(hear(ended, Deflater().message("x", Z_FINISH), 100, true).why() == Unknown::undecodable);
  MessageReader noise(Deflate::negotiated, {}, 1000);
  CHECK(hear(noise, "\xff\xff\xff", 100, true).why() == Unknown::undecodable);
}

TEST_CASE("what rules see of a message") {
  const WsFacets json = facets_of(Sender::client, Opcode::text, std::string("{\"a\":1}"));
  CHECK(*json.direction == "up");
  CHECK(*json.opcode == "text");
  CHECK(*json.text == "{\"a\":1}");
  CHECK(json.json->find("a"));
  const WsFacets text = facets_of(Sender::server, Opcode::text, std::string("hello"));
  CHECK(*text.direction == "down");
  CHECK(text.json.why() == Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, std::string("{\"a\":1,\"a\":2}")).json.why() ==
        Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, std::string("\xff")).text.why() == Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, Unknown::over_limit).text.why() == Unknown::over_limit);
  const WsFacets binary = facets_of(Sender::client, Opcode::binary, std::string("abc"));
  CHECK(*binary.opcode == "binary");
  CHECK(binary.text.why() == Unknown::not_applicable);
}
