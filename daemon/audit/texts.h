// Long texts stand in the log once and are named by their digest after that (attacks.md, 27), so that an
// agent that repeats a statement does not fill the disk with it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

namespace clawpatrol::audit {

// One worker's: not thread-safe. Appends JSON values:
//   "the text"                               up to `longest_inline` bytes
//   {"sha256":"…64…","text":"the text"}      the first time in a segment
//   {"sha256":"…64…"}                        afterwards
// The text itself then stands in an earlier line of the same segment, or, where the log rotated between
// composing the line and writing it, in the segment before. The digest is of the text's bytes, not of their
// JSON form.
class LongTexts {
 public:
  static constexpr std::size_t longest_inline = 512;

  explicit LongTexts(std::size_t capacity = 4096) : capacity_(capacity) {}

  // `segment` is Log::segment(): what was written in another one is written again.
  void append(std::string& out, std::string_view text, std::uint64_t segment);

  // After an append to the log that failed: what those lines held may not be there.
  void forget() { written_.clear(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Hash {
    std::size_t operator()(const Digest& digest) const;
  };
  const std::size_t capacity_;  // past it all are forgotten, and written once more
  std::uint64_t segment_ = 0;
  std::unordered_set<Digest, Hash> written_;
};

}  // namespace clawpatrol::audit
