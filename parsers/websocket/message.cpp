#include "parsers/websocket/message.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "parsers/json.h"

namespace clawpatrol::websocket {
namespace {

constexpr std::size_t step_bytes = 64 << 10;
constexpr std::string_view tail("\x00\x00\xff\xff", 4);  // what the sender left out: RFC 7692, 7.2.1

}  // namespace

struct Inflater::State {
  z_stream stream{};
  bool ready = false;
  ~State() {
    if (ready) inflateEnd(&stream);
  }
};

Inflater::Inflater(const Compression& compression)
    : state_(std::make_unique<State>()), compression_(compression) {
  state_->ready = inflateInit2(&state_->stream, -compression.window_bits) == Z_OK;
  lost_ = !state_->ready;
}

Inflater::~Inflater() = default;

Facet<std::string> Inflater::inflate(std::string_view message, std::size_t limit) {
  if (lost_) return Unknown::undecodable;
  lost_ = true;  // unless it goes well
  if (!compression_.keeps_context) inflateReset(&state_->stream);
  const std::size_t most = std::min(limit, std::max(ratio_free_bytes, message.size() * max_ratio));
  std::string out;
  z_stream& stream = state_->stream;
  for (std::string_view in : {message, tail}) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream.avail_in = static_cast<uInt>(in.size());
    do {
      const std::size_t before = out.size();
      out.resize(std::min(before + step_bytes, most + 1));
      stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      stream.avail_out = static_cast<uInt>(out.size() - before);
      const int status = ::inflate(&stream, Z_SYNC_FLUSH);
      out.resize(out.size() - stream.avail_out);
      // A last block would end the stream, and servers differ in what they make of that.
      if (status != Z_OK && status != Z_BUF_ERROR) return Unknown::undecodable;
      if (out.size() > most) return Unknown::over_limit;
    } while (stream.avail_in > 0 || stream.avail_out == 0);
  }
  lost_ = false;
  return out;
}

MessageReader::MessageReader(Deflate deflate, const Compression& compression, std::size_t limit)
    : limit_(limit) {
  if (deflate == Deflate::negotiated) inflater_.emplace(compression);
}

void MessageReader::add(const FrameHead& head) {
  if (head.opcode == Opcode::continuation) return;
  gathered_.clear();
  over_limit_ = false;
}

void MessageReader::add(const FrameHead& head, const Payload& payload) {
  if (payload.bytes.size() > limit_ - gathered_.size()) over_limit_ = true;
  if (!over_limit_) unmask(payload.bytes, head.mask, payload.offset, gathered_);
}

Facet<std::string> MessageReader::take(const FrameHead& head) {
  std::string whole = std::exchange(gathered_, {});
  if (std::exchange(over_limit_, false)) {
    if (head.compressed) inflater_.emplace(Compression{0, false});  // what follows may refer to it
    return Unknown::over_limit;
  }
  if (!head.compressed) return whole;
  return inflater_->inflate(whole, limit_);
}

WsFacets facets_of(Sender sender, Opcode message, Facet<std::string> payload) {
  WsFacets facets;
  facets.direction = std::string(sender == Sender::client ? "up" : "down");
  facets.opcode = std::string(name_of(message));
  if (message != Opcode::text) return facets;
  if (!payload) {
    facets.text = payload.why();
    facets.json = payload.why();
    return facets;
  }
  if (!is_utf8(*payload)) {
    facets.text = Unknown::unparseable;
    facets.json = Unknown::unparseable;
    return facets;
  }
  auto json = read_json_document(*payload);
  facets.json = json ? Facet<Document>(std::move(*json)) : Facet<Document>(json.error());
  facets.text = std::move(*payload);
  return facets;
}

}  // namespace clawpatrol::websocket
