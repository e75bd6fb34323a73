#include "daemon/ring/frame_memory.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

using namespace clawpatrol;

namespace {

struct Frame {
  void* memory;
  std::size_t size;
};

std::vector<Frame> frames_of_all_sizes() {
  std::vector<Frame> frames;
  for (std::size_t size = 1; size < 6000; size += 61)
    for (int i = 0; i < 3; ++i) frames.push_back({take_frame(size), size});
  return frames;
}

void fill(const std::vector<Frame>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i)
    std::memset(frames[i].memory, static_cast<int>(i % 251), frames[i].size);
}

bool hold_what_was_written(const std::vector<Frame>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::vector<unsigned char> wanted(frames[i].size, static_cast<unsigned char>(i % 251));
    if (std::memcmp(frames[i].memory, wanted.data(), wanted.size()) != 0) return false;
  }
  return true;
}

void give_back(const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) give_back_frame(frame.memory, frame.size);
}

}  // namespace

TEST_CASE("frames of all sizes are each their own, also those that are used again") {
  for (int round = 0; round < 3; ++round) {
    const std::vector<Frame> frames = frames_of_all_sizes();
    fill(frames);
    CHECK(hold_what_was_written(frames));
    give_back(frames);
  }
}

TEST_CASE("a frame may be given back by another thread, and outlive the one that took it") {
  std::vector<Frame> frames;
  std::thread([&] { frames = frames_of_all_sizes(); }).join();
  fill(frames);
  CHECK(hold_what_was_written(frames));
  std::thread([&] { give_back(frames); }).join();
}

#if !__has_feature(address_sanitizer)
TEST_CASE("the frames that a thread had last are used again") {
  std::set<void*> had;
  std::vector<Frame> frames;
  for (int i = 0; i < 100; ++i) {
    frames.push_back({take_frame(300), 300});
    had.insert(frames.back().memory);
  }
  give_back(frames);
  void* again = take_frame(290);  // 300 and 290 are of one class
  CHECK(had.contains(again));
  give_back_frame(again, 290);
}
#endif
