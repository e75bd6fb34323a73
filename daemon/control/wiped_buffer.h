// Bytes that may hold a secret on their way in: overwritten before the memory is given back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace clawpatrol::control {

class WipedBuffer {
 public:
  WipedBuffer() = default;
  ~WipedBuffer() { wipe(); }
  WipedBuffer(WipedBuffer&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  WipedBuffer& operator=(WipedBuffer&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::string_view view() const { return {bytes_.get(), size_}; }
  std::size_t size() const { return size_; }

  void append(std::string_view more) {
    if (more.empty()) return;
    if (size_ + more.size() > capacity_) grow(size_ + more.size());
    std::memcpy(bytes_.get() + size_, more.data(), more.size());
    size_ += more.size();
  }

  // What follows moves to the front, and what it leaves behind is overwritten.
  void drop_front(std::size_t count) {
    std::size_t left = size_ - count;
    if (left > 0) std::memmove(bytes_.get(), bytes_.get() + count, left);
    if (size_ > left) explicit_bzero(bytes_.get() + left, size_ - left);
    size_ = left;
  }

  void drop_back(std::size_t count) {
    explicit_bzero(bytes_.get() + size_ - count, count);
    size_ -= count;
  }

 private:
  void wipe() {
    if (bytes_) explicit_bzero(bytes_.get(), capacity_);
  }
  void grow(std::size_t needed) {
    std::size_t capacity = std::max<std::size_t>(4096, capacity_);
    while (capacity < needed) capacity *= 2;
    auto larger = std::make_unique<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    wipe();
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace clawpatrol::control
