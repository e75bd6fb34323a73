#include "policy/cel/frame.h"

#include <algorithm>
#include <cstring>

namespace clawpatrol::cel {

void* Arena::allocate(std::size_t size) {
  size = (size + alignof(Value) - 1) / alignof(Value) * alignof(Value);
  if (size > left_) {
    std::size_t whole = sizeof(Chunk) + size;
    std::size_t chunk = std::max(whole, std::min(chunks_ ? 2 * chunks_->size : 4096, std::size_t{256} << 10));
    chunks_ = new (::operator new(chunk)) Chunk{chunks_, chunk};
    next_ = reinterpret_cast<std::byte*>(chunks_ + 1);
    left_ = chunk - sizeof(Chunk);
  }
  void* given = next_;
  next_ += size;
  left_ -= size;
  return given;
}

void Arena::release() {
  for (Chunk* chunk = chunks_; chunk != nullptr;) {
    Chunk* before = chunk->before;
    ::operator delete(chunk);
    chunk = before;
  }
}

std::string_view Arena::keep(std::string_view text) {
  if (text.empty()) return {"", 0};
  char* copy = make<char>(text.size());
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

Value Frame::string(std::string_view text) {
  if (!charge_text(text.size())) return out_of_budget();
  return Value::of_string(arena_.keep(text));
}

Value Frame::list(std::span<const Value> items) {
  if (!charge(2 + items.size())) return out_of_budget();
  Value* copy = arena_.make<Value>(items.size());
  std::copy(items.begin(), items.end(), copy);
  return Value::of_list(new (arena_.allocate(sizeof(ListData))) ListData{copy, items.size()});
}

}  // namespace clawpatrol::cel
