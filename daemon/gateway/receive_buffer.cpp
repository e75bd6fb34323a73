#include "daemon/gateway/receive_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace clawpatrol {

void ReceiveBuffer::consume(std::size_t count) {
  begin_ += count;
  if (begin_ == end_) begin_ = end_ = 0;
}

std::span<char> ReceiveBuffer::space() {
  if (bytes_.empty()) bytes_.resize(std::min(first_size, most_));
  if (end_ == bytes_.size() && begin_ > 0) {
    std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (std::exchange(filled_, false) || end_ * 2 > bytes_.size())
    bytes_.resize(std::min(bytes_.size() * 2, std::max(most_, bytes_.size())));
  return std::span(bytes_).subspan(end_);
}

void ReceiveBuffer::release() {
  if (begin_ == end_) bytes_ = {};
}

}  // namespace clawpatrol
