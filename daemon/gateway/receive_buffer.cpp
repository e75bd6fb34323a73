#include "daemon/gateway/receive_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace clawpatrol {

namespace {

// Of first_size: who rests leaves it to who receives next on this thread.
thread_local std::vector<char> spare;

}  // namespace

void ReceiveBuffer::consume(std::size_t count) {
  begin_ += count;
  if (begin_ == end_) begin_ = end_ = 0;
}

std::span<char> ReceiveBuffer::space() {
  if (bytes_.empty() && most_ >= first_size) bytes_.swap(spare);
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
  if (begin_ != end_) return;
  if (bytes_.size() == first_size) bytes_.swap(spare);
  std::vector<char>().swap(bytes_);
}

}  // namespace clawpatrol
