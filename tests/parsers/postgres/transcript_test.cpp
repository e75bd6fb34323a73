// Golden transcripts and the cut test.
#include "tests/parsers/postgres/transcript.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"
#include "parsers/postgres/frame.h"
#include "parsers/postgres/frontend.h"
#include "parsers/postgres/startup.h"

namespace clawpatrol::postgres {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

void add(RecordedDirection& direction, const std::string& type, std::size_t size, std::string bytes) {
  if (bytes.size() < size) {  // recorded bodies are cut at 1,500 bytes; the one that is cut is a Query
    bytes.resize(size, 'x');
    bytes.back() = '\0';
  }
  direction.bytes += bytes;
  direction.frames.push_back({type, size});
}

Recording read_recording(const nlohmann::json& line) {
  Recording recording;
  recording.client = line["client"];
  for (const auto& frame : line["frames"]) {
    const std::string type = frame[1];
    if (frame[0] == "F")
      add(recording.frontend, type, frame[2], from_hex(frame[3]));
    else if (type != "N" || frame[2] != 1)
      add(recording.backend, type, frame[2], from_hex(frame[3]));
  }
  return recording;
}

// What a direction was cut into: types and sizes, and every body byte by a running sum.
struct Seen {
  std::vector<RecordedFrame> frames;
  std::size_t body_sum = 0;
  bool operator==(const Seen&) const = default;
};

struct Cutter {
  explicit Cutter(Side side) : stream(side, 1 << 20), starting(side == Side::frontend) {}

  // Returns how much was consumed.
  std::size_t feed(std::string_view bytes) {
    std::size_t used = 0;
    while (starting && used < bytes.size()) {
      auto step = parse_first_packet(bytes.substr(used));
      REQUIRE(!std::holds_alternative<Malformed>(step));
      auto* packet = std::get_if<Parsed<FirstPacket>>(&step);
      if (packet == nullptr) return used;
      const std::uint32_t code = Reader(bytes.substr(used + 4)).u32();
      seen.frames.push_back({"startup:" + std::to_string(code), packet->size});
      used += packet->size;
      starting = !std::holds_alternative<Startup>(packet->event);
    }
    while (used < bytes.size()) {
      auto step = stream.peek(bytes.substr(used));
      REQUIRE(!std::holds_alternative<Malformed>(step));
      auto* parsed = std::get_if<Parsed<Frame>>(&step);
      if (parsed == nullptr) return used;
      stream.take(parsed->event);
      note(parsed->event);
      used += parsed->size;
    }
    return used;
  }

  void note(const Frame& frame) {
    if (frame.begins) seen.frames.push_back({std::string(1, frame.type), frame.size});
    for (char c : frame.body) seen.body_sum = seen.body_sum * 31 + static_cast<unsigned char>(c);
  }

  FrameStream stream;
  bool starting;
  Seen seen;
};

Seen in_pieces(Side side, std::string_view bytes, std::vector<std::size_t> cuts) {
  Cutter cutter(side);
  cuts.push_back(bytes.size());
  std::size_t begin = 0;
  for (std::size_t end : cuts) {
    begin += cutter.feed(bytes.substr(begin, end - begin));
  }
  REQUIRE(begin == bytes.size());
  return cutter.seen;
}

void check_cuts(Side side, const RecordedDirection& direction) {
  const Seen whole = in_pieces(side, direction.bytes, {});
  REQUIRE(whole.frames == direction.frames);
  // A session's start holds its every kind of message; the rest repeats them.
  const std::string_view bytes = std::string_view(direction.bytes).substr(0, 2048);
  const Seen head = [&] {
    Cutter cutter(side);
    cutter.feed(bytes);
    return cutter.seen;
  }();
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Cutter cutter(side);
    const std::size_t used = cutter.feed(bytes.substr(0, cut));
    cutter.feed(bytes.substr(used));
    if (!(cutter.seen == head)) FAIL("cut at " << cut);
  }
}

}  // namespace

const std::vector<Recording>& recordings() {
  static const std::vector<Recording> all = [] {
    std::vector<Recording> read;
    std::ifstream file(CLAWPATROL_FIXTURES "/postgres/client_transcripts.jsonl");
    for (std::string line; std::getline(file, line);)
      read.push_back(read_recording(nlohmann::json::parse(line)));
    return read;
  }();
  return all;
}

TEST_CASE("recorded sessions of nineteen clients are cut into the frames that were recorded") {
  REQUIRE(recordings().size() == 32);
  for (const Recording& recording : recordings()) {
    INFO(recording.client);
    CHECK(in_pieces(Side::frontend, recording.frontend.bytes, {}).frames == recording.frontend.frames);
    CHECK(in_pieces(Side::backend, recording.backend.bytes, {}).frames == recording.backend.frames);
  }
}

TEST_CASE("a session cut at any position gives the same frames") {
  for (const Recording& recording : recordings()) {
    INFO(recording.client);
    check_cuts(Side::frontend, recording.frontend);
    check_cuts(Side::backend, recording.backend);
  }
}

TEST_CASE("a session cut at any pair of positions gives the same frames") {
  const RecordedDirection& psql = recordings().front().frontend;
  const std::string_view bytes = std::string_view(psql.bytes).substr(0, 1024);
  const Seen head = [&] {
    Cutter cutter(Side::frontend);
    cutter.feed(bytes);
    return cutter.seen;
  }();
  for (std::size_t first = 1; first < bytes.size(); ++first) {
    for (std::size_t second = first + 1; second < bytes.size(); ++second) {
      Cutter cutter(Side::frontend);
      std::size_t used = cutter.feed(bytes.substr(0, first));
      used += cutter.feed(bytes.substr(used, second - used));
      cutter.feed(bytes.substr(used));
      if (!(cutter.seen == head)) FAIL("cut at " << first << " and " << second);
    }
  }
}

namespace {

// A message that was read and written again is the message that was recorded.
std::string written_again(const Frame& frame) {
  std::string out;
  if (frame.type == 'Q') append_query(out, read_query(frame.body)->text);
  if (frame.type == 'P') {
    auto parse = read_parse(frame.body);
    REQUIRE(parse);
    append_parse(out, parse->name, parse->text, parse->type_count, parse->types);
  }
  if (frame.type == 'B') {
    auto bind = read_bind(frame.body);
    REQUIRE(bind);
    append_bind(out, bind->portal, bind->statement, bind->after_names);
  }
  if (frame.type == 'D' || frame.type == 'C') {
    auto describe = read_describe(frame.body);
    REQUIRE(describe);
    const Target target{describe->kind};
    frame.type == 'D' ? append_describe(out, target, describe->name)
                      : append_close(out, target, describe->name);
  }
  if (frame.type == 'E') {
    auto execute = read_execute(frame.body);
    REQUIRE(execute);
    append_execute(out, execute->portal, execute->max_rows);
  }
  if (is_empty_message(frame.type)) append_empty(out, frame.type);
  if (frame.type == 'd' || frame.type == 'p' || frame.type == 'f') out = frame.raw;
  return out;
}

void check_backend_message(const Frame& frame) {
  switch (frame.type) {
    case 'R': CHECK(read_authentication(frame.body)); break;
    case 'S': CHECK(read_parameter_status(frame.body)); break;
    case 'K': CHECK(read_backend_key(frame.body)); break;
    case 'E':
    case 'N': CHECK(read_error(frame.body)); break;
    case 'Z': CHECK(read_ready(frame.body)); break;
    case 'C': CHECK(read_command_complete(frame.body)); break;
    case 'v': CHECK(read_negotiate_version(frame.body)); break;
    default: break;
  }
}

template <class Visit>
void for_each_message(Side side, std::string_view bytes, Visit visit) {
  if (side == Side::frontend) {
    while (!bytes.empty()) {
      auto step = parse_first_packet(bytes);
      auto& packet = std::get<Parsed<FirstPacket>>(step);
      bytes.remove_prefix(packet.size);
      if (std::holds_alternative<Startup>(packet.event)) break;
    }
  }
  FrameStream stream(side, 1 << 20);
  while (!bytes.empty()) {
    auto step = stream.peek(bytes);
    auto& parsed = std::get<Parsed<Frame>>(step);
    stream.take(parsed.event);
    visit(parsed.event);
    bytes.remove_prefix(parsed.size);
  }
}

}  // namespace

TEST_CASE("every recorded message is read, and written again as it was") {
  std::size_t messages = 0;
  for (const Recording& recording : recordings()) {
    INFO(recording.client);
    for_each_message(Side::frontend, recording.frontend.bytes, [&](const Frame& frame) {
      CHECK(written_again(frame) == frame.raw);
      ++messages;
    });
    for_each_message(Side::backend, recording.backend.bytes, check_backend_message);
  }
  CHECK(messages > 800);
}

}  // namespace clawpatrol::postgres
