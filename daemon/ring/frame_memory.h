// Memory of coroutines' frames. A request makes some forty of them, one behind the other and of few sizes,
// some larger than what malloc(3) keeps at hand: a thread keeps those that it had last.
#pragma once

#include <cstddef>

namespace clawpatrol {

// Any thread; a frame may be given back by another than the one that took it. Ends the program for want of
// memory. What is given back is not wiped: of a secret a frame holds the owner, never the bytes.
void* take_frame(std::size_t size);
void give_back_frame(void* frame, std::size_t size) noexcept;

}  // namespace clawpatrol
