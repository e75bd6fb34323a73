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

// What a direction was cut into: every message by its type and size, and how many body bytes. The bytes need
// no looking at: parts are views, and each is checked to lie where the one before it ended.
struct Seen {
  std::size_t messages = 0, digest = 0, body = 0;
  bool operator==(const Seen&) const = default;
};

struct Cutter {
  explicit Cutter(Side side) : stream(side, 1 << 20), starting(side == Side::frontend) {}

  // Returns how much was consumed. `list`, where there is one, gets every message.
  std::size_t feed(std::string_view bytes, std::vector<RecordedFrame>* list = nullptr) {
    std::size_t used = 0;
    while (starting && used < bytes.size()) {
      auto step = parse_first_packet(bytes.substr(used));
      if (std::holds_alternative<Malformed>(step)) FAIL("malformed first packet");
      auto* packet = std::get_if<Parsed<FirstPacket>>(&step);
      if (packet == nullptr) return used;
      const std::uint32_t code = Reader(bytes.substr(used + 4)).u32();
      note(code, packet->size);
      if (list) list->push_back({"startup:" + std::to_string(code), packet->size});
      used += packet->size;
      starting = !std::holds_alternative<Startup>(packet->event);
    }
    while (used < bytes.size()) {
      auto step = stream.peek(bytes.substr(used));
      if (std::holds_alternative<Malformed>(step)) FAIL("malformed message");
      auto* parsed = std::get_if<Parsed<Frame>>(&step);
      if (parsed == nullptr) return used;
      const Frame& frame = parsed->event;
      if (frame.raw.data() != bytes.data() + used || frame.raw.size() != parsed->size)
        FAIL("not in its place");
      stream.take(frame);
      seen.body += frame.body.size();
      if (frame.begins) note(static_cast<unsigned char>(frame.type), frame.size);
      if (frame.begins && list) list->push_back({std::string(1, frame.type), frame.size});
      used += parsed->size;
    }
    return used;
  }

  void note(std::uint32_t type, std::size_t size) {
    ++seen.messages;
    seen.digest = (seen.digest * 31 + type) * 31 + size;
  }

  FrameStream stream;
  bool starting;
  Seen seen;
};

std::vector<RecordedFrame> frames_of(Side side, std::string_view bytes) {
  std::vector<RecordedFrame> frames;
  Cutter cutter(side);
  REQUIRE(cutter.feed(bytes, &frames) == bytes.size());
  return frames;
}

// What feeding up to a position leaves behind: all that the bytes behind it can meet.
struct Fed {
  Cutter cutter;
  std::size_t used = 0;
  void up_to(std::string_view bytes, std::size_t end) { used += cutter.feed(bytes.substr(used, end - used)); }
  bool operator==(const Fed& other) const {
    return used == other.used && cutter.seen == other.cutter.seen &&
           cutter.starting == other.cutter.starting &&
           cutter.stream.within_message() == other.cutter.stream.within_message();
  }
};

Fed in_one_piece(Side side, std::string_view bytes, std::size_t end) {
  Fed fed{Cutter(side)};
  fed.up_to(bytes, end);
  return fed;
}

void check_cuts(Side side, std::string_view bytes) {
  const Fed whole = in_one_piece(side, bytes, bytes.size());
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Fed fed = in_one_piece(side, bytes, cut);
    fed.up_to(bytes, bytes.size());
    if (!(fed == whole)) FAIL("cut at " << cut);
  }
}

// With one cut shown to change nothing, a pair changes nothing if the second leaves behind what it would
// leave alone.
void check_pairs(Side side, std::string_view bytes) {
  std::vector<Fed> alone;
  for (std::size_t end = 0; end <= bytes.size(); ++end) alone.push_back(in_one_piece(side, bytes, end));
  for (std::size_t first = 1; first < bytes.size(); ++first) {
    if (alone[first] == alone[first - 1]) continue;  // it leaves what the position before it left
    for (std::size_t second = first + 1; second <= bytes.size(); ++second) {
      Fed fed = alone[first];
      fed.up_to(bytes, second);
      if (!(fed == alone[second])) FAIL("cut at " << first << " and " << second);
    }
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
    CHECK(frames_of(Side::frontend, recording.frontend.bytes) == recording.frontend.frames);
    CHECK(frames_of(Side::backend, recording.backend.bytes) == recording.backend.frames);
  }
}

TEST_CASE("a session cut at any position gives the same frames") {
  for (const Recording& recording : recordings()) {
    INFO(recording.client);
    check_cuts(Side::frontend, recording.frontend.bytes);
    check_cuts(Side::backend, recording.backend.bytes);
  }
}

// Of each recording its beginning, which holds its every kind of message; the rest repeats them.
TEST_CASE("a session cut at any pair of positions gives the same frames") {
  constexpr std::size_t window = 2048;
  for (const Recording& recording : recordings()) {
    INFO(recording.client);
    check_pairs(Side::frontend, std::string_view(recording.frontend.bytes).substr(0, window));
    check_pairs(Side::backend, std::string_view(recording.backend.bytes).substr(0, window));
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
