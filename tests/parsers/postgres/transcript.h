// The recorded sessions of shared/fixtures/postgres: one connection's two directions as bytes and as frames.
#pragma once

#include <string>
#include <vector>

namespace clawpatrol::postgres {

struct RecordedFrame {
  std::string type;  // one letter, or "startup:CODE"
  std::size_t size = 0;
  bool operator==(const RecordedFrame&) const = default;
};

struct RecordedDirection {
  std::string bytes;
  std::vector<RecordedFrame> frames;
};

struct Recording {
  std::string client;
  RecordedDirection frontend;
  RecordedDirection backend;  // without the answers to encryption requests, which are not messages
};

const std::vector<Recording>& recordings();

}  // namespace clawpatrol::postgres
