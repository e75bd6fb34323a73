// How many descriptors this process may have, and so how many connections it can serve.
#pragma once

#include <cstddef>

namespace clawpatrol {

// Rings, segments, the control socket's clients, the resolver's connections: what is open beside connections.
inline constexpr std::size_t descriptors_beside = 512;

// Raises the soft limit to the hard one, and returns what it is then.
std::size_t raise_descriptor_limit();

// Each has one descriptor of the agent's and one to its upstream. 0: not even one.
constexpr std::size_t most_connections(std::size_t descriptors) {
  return descriptors > descriptors_beside ? (descriptors - descriptors_beside) / 2 : 0;
}

}  // namespace clawpatrol
