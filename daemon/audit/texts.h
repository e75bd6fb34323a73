// Long texts stand in the log once and are named by their digest after that (attacks.md, 27), so that an
// agent that repeats a statement does not fill the disk with it.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

namespace clawpatrol::audit {

// Which texts stand in the segment in use. Thread-safe, so that all workers share one.
class LongTexts {
 public:
  struct Reference {
    std::string sha256;  // of the text's bytes, not of their JSON form
    bool must_be_written =
        false;  // the text is not in this segment yet: a line before this one has to hold it
  };

  explicit LongTexts(std::size_t capacity = 4096) : capacity_(capacity) {}

  // `segment` is Log::segment(): what was written in another one must be written again. Where the log rotates
  // between this and the append, the text stands in the segment before.
  Reference refer(std::string_view text, std::uint64_t segment);

  // After an append that failed: what those lines held is not there.
  void forget();

 private:
  const std::size_t capacity_;  // past it all are forgotten, and written once more
  std::mutex mutex_;
  std::uint64_t segment_ = 0;
  std::unordered_set<std::string> written_;
};

}  // namespace clawpatrol::audit
