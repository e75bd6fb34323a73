#include "policy/config/toml_string.h"

#include <charconv>

namespace clawpatrol::config {
namespace {

std::size_t utf8_size(std::uint32_t code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

class StringMap {
 public:
  explicit StringMap(std::string_view literal)
      : text_(literal),
        quote_(literal.empty() ? '"' : literal[0]),
        long_form_(literal.size() >= 3 && literal[1] == quote_ && literal[2] == quote_),
        at_(long_form_ ? 3 : 1) {}

  std::vector<std::size_t> build() {
    if (long_form_) skip_newline();  // the first one does not count
    while (at_ < text_.size() && !at_end()) step();
    offsets_.push_back(at_);
    return std::move(offsets_);
  }

 private:
  // Three quotes end a long string, unless more quotes follow: those before the last three are its own.
  bool at_end() const {
    if (text_[at_] != quote_) return false;
    if (!long_form_) return true;
    std::size_t run = 0;
    while (at_ + run < text_.size() && text_[at_ + run] == quote_ && run < 5) ++run;
    return run == 3;
  }

  void skip_newline() {
    if (text_.substr(at_).starts_with("\r\n"))
      at_ += 2;
    else if (text_.substr(at_).starts_with("\n"))
      at_ += 1;
  }

  void step() {
    if (quote_ == '"' && text_[at_] == '\\') return escape();
    offsets_.push_back(at_++);
  }

  void escape() {
    std::size_t begin = at_;
    char kind = begin + 1 < text_.size() ? text_[begin + 1] : '\\';
    if (kind == 'u' || kind == 'U') {
      std::size_t digits = kind == 'u' ? 4 : 8;
      std::string_view hex = text_.substr(begin + 2, digits);
      std::uint32_t code = 0;
      std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      offsets_.insert(offsets_.end(), utf8_size(code), begin);
      at_ = begin + 2 + hex.size();
    } else if (kind == ' ' || kind == '\t' || kind == '\n' || kind == '\r') {
      std::size_t next = text_.find_first_not_of(" \t\r\n", begin + 1);  // a line continuation is no bytes
      at_ = next == std::string_view::npos ? text_.size() : next;
    } else {
      offsets_.push_back(begin);
      at_ = begin + 2;
    }
  }

  std::string_view text_;
  char quote_;
  bool long_form_;
  std::size_t at_;
  std::vector<std::size_t> offsets_;
};

}  // namespace

std::vector<std::size_t> map_toml_string(std::string_view literal) {
  return StringMap(literal).build();
}

}  // namespace clawpatrol::config
