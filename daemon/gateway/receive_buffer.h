#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace clawpatrol {

// Bytes received and not yet consumed.
class ReceiveBuffer {
 public:
  explicit ReceiveBuffer(std::size_t most) : most_(most) {}
  std::string_view view() const { return {bytes_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t count);
  // Where the next bytes go; grows where it is full, or was, up to `most`, and is empty past that.
  std::span<char> space();
  void received(std::size_t count) {
    end_ += count;
    filled_ = end_ == bytes_.size();
  }
  // Gives its memory back where nothing is in it.
  void release();

 private:
  static constexpr std::size_t first_size = 8 << 10;
  std::size_t most_;
  std::vector<char> bytes_;
  std::size_t begin_ = 0, end_ = 0;
  bool filled_ = false;  // by what came last: there is more of it
};

}  // namespace clawpatrol
