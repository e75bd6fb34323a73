// Memory of texts that most of their owners need for a moment only: who is done with one leaves it to the
// next. One of each thread.
#pragma once

#include <string>

namespace clawpatrol {

class SpareText {
 public:
  // To a text that is empty.
  void lend(std::string& text) {
    if (text.capacity() < text_.capacity()) text.swap(text_);
  }
  // Whatever it holds is forgotten, and no memory is left with it.
  void give_back(std::string& text) {
    text.clear();
    if (text.capacity() > text_.capacity()) text_.swap(text);
    std::string().swap(text);
  }

 private:
  std::string text_;
};

}  // namespace clawpatrol
