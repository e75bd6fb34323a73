// Counts what is allocated. Replaces the operators for the whole program: to be included in one of its files.
#pragma once

#include <cstdlib>
#include <new>

inline thread_local std::size_t allocations = 0;  // of this thread

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
