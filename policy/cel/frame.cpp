#include "policy/cel/frame.h"

namespace clawpatrol::cel {

void* Arena::allocate(std::size_t size) {
  size = (size + alignof(Value) - 1) / alignof(Value) * alignof(Value);
  used_ += size;
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
  char* copy = make<char>(text.size());
  if (!copy) return out_of_budget();
  if (!text.empty()) std::memcpy(copy, text.data(), text.size());
  return Value::of_string({copy, text.size()});
}

Value Frame::optional(Value held) {
  Value* copy = make<Value>(1);
  if (!copy) return out_of_budget();
  *copy = held;
  return Value::of_optional(copy);
}

Value Frame::network(Kind kind, const Network& network) {
  auto* copy = make<Network>(1);
  if (!copy) return out_of_budget();
  *copy = network;
  return kind == Kind::ip ? Value::of_ip(copy) : Value::of_cidr(copy);
}

Value Frame::list_of(std::span<const Value> items) {
  auto* data = make<ListData>(1);
  if (!data) return out_of_budget();
  return Value::of_list(new (data) ListData{items.data(), items.size()});
}

Value Frame::map_of(std::span<const Entry> entries) {
  auto* data = make<MapData>(1);
  if (!data) return out_of_budget();
  return Value::of_map(new (data) MapData{entries.data(), entries.size()});
}

Value Frame::open_list_of(std::span<const Value> items, std::uint16_t facet) {
  auto* data = make<ListData>(1);
  if (!data) return out_of_budget();
  return Value::of_list(new (data) ListData{items.data(), items.size(), true}, facet);
}

}  // namespace clawpatrol::cel
