// What a process has in its heap, in use or given back.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

namespace clawpatrol::tests {

// Of the main thread's. Secrets are in pages of their own, so that what is sought can be held in one. Seek
// the last bytes of a text: the first of what is given back are malloc's own.
inline std::size_t occurrences_in_heap(std::string_view sought) {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with("[heap]")) continue;
    std::uintptr_t begin = 0, end = 0;
    std::sscanf(line.c_str(), "%lx-%lx", &begin, &end);
    const auto* at = reinterpret_cast<const char*>(begin);
    const auto* last = reinterpret_cast<const char*>(end);
    while (at < last) {
      at = static_cast<const char*>(
          ::memmem(at, static_cast<std::size_t>(last - at), sought.data(), sought.size()));
      if (!at) break;
      ++count;
      ++at;
    }
  }
  return count;
}

}  // namespace clawpatrol::tests
