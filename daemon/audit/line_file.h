// Reads a segment line by line.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::audit {

class LineFile {
 public:
  static std::expected<LineFile, Error> open(const std::filesystem::path& path);

  // The next whole line without its newline, valid until the next call. Nothing at the end of what is there
  // now: a later call finds what was appended since.
  std::expected<std::optional<std::string_view>, Error> next();

  std::uint64_t offset() const { return offset_; }  // behind the last line given out
  std::size_t torn_bytes() const {
    return end_ - begin_;
  }  // behind the last newline, once next() gave nothing

 private:
  explicit LineFile(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  std::expected<bool, Error> read_more();

  Fd fd_;
  std::filesystem::path path_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what is in the buffer
  std::size_t searched_ = 0;         // no newline before this
  std::uint64_t offset_ = 0;
};

struct SegmentFile {
  std::string name;
  std::uint64_t first_seq = 0;
};

// The segments of a log, oldest first.
std::expected<std::vector<SegmentFile>, Error> list_segments(const std::filesystem::path& directory);

}  // namespace clawpatrol::audit
