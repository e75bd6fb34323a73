// Long texts stand in the log once and are named by their digest after that (attacks.md, 27), so that an
// agent that repeats a statement does not fill the disk with it.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_set>

namespace clawpatrol::audit {

// Digests of the texts that stand in one segment: with another the text may be pruned, so it is written
// again. Any thread.
class WrittenTexts {
 public:
  static constexpr std::size_t most = 16 * 1024;  // past it all are forgotten, and written once more

  bool contains(const std::string& digest, std::uint64_t segment) const {
    std::lock_guard lock(mutex_);
    return segment == segment_ && digests_.contains(digest);
  }
  // Once the lines with them are recorded.
  void add(std::span<const std::string> digests, std::uint64_t segment) {
    std::lock_guard lock(mutex_);
    if (segment < segment_) return;
    if (segment > segment_ || digests_.size() + digests.size() > most) digests_.clear();
    segment_ = segment;
    digests_.insert(digests.begin(), digests.end());
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t segment_ = 0;
  std::unordered_set<std::string> digests_;
};

}  // namespace clawpatrol::audit
