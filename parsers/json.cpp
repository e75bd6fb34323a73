#include "parsers/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace clawpatrol {
namespace {

void append_utf8(std::string& out, std::uint32_t point) {
  auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xe0 | point >> 12);
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3f));
    }
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

// The size of the character that `text` begins with; 0: there is none.
std::size_t character_size(std::string_view text) {
  auto byte = [text](std::size_t i) -> unsigned char {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  auto follows = [&byte](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if ((first & 0xf0) == 0xe0) {
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first < 0xf0 || first > 0xf4) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return follows(1) && follows(2) && follows(3) ? 4 : 0;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Goes down by recursion, which max_document_depth bounds.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  std::expected<Document, Unknown> read() {
    Document document;
    bool good = value(document, 0);
    skip_space();
    if (!good || at_ != text_.size()) return std::unexpected(why_);
    return document;
  }
  std::string_view problem() const { return problem_; }  // once it was not read

 private:
  bool over_limit() {
    why_ = Unknown::over_limit;
    return refuse("it nests too deep, or holds more than 100,000 values");
  }
  bool refuse(std::string_view problem) {
    problem_ = problem;
    return false;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }

  bool value(Document& into, std::size_t depth) {
    if (depth > max_document_depth || ++values_ > max_document_values) return over_limit();
    skip_space();
    switch (peek()) {
      case '{': return object(into.value.emplace<Document::Members>(), depth);
      case '[': return array(into.value.emplace<Document::Items>(), depth);
      case '"': return string(into.value.emplace<std::string>());
      case 't': into.value = true; return take_word("true");
      case 'f': into.value = false; return take_word("false");
      case 'n': return take_word("null");
      default: return number(into);
    }
  }

  bool object(Document::Members& members, std::size_t depth) {
    ++at_;
    skip_space();
    if (take('}')) return true;
    while (true) {
      skip_space();
      Document::Member& member = members.emplace_back();
      if (peek() != '"' || !string(member.name)) return false;
      skip_space();
      if (!take(':') || !value(member.value, depth + 1)) return false;
      skip_space();
      if (take('}')) return names_are_distinct(members) || refuse("a name stands twice in an object");
      if (!take(',')) return false;
    }
  }

  bool array(Document::Items& items, std::size_t depth) {
    ++at_;
    skip_space();
    if (take(']')) return true;
    while (true) {
      if (!value(items.emplace_back(), depth + 1)) return false;
      skip_space();
      if (take(']')) return true;
      if (!take(',')) return false;
    }
  }

  bool string(std::string& into) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (!escape(into)) return false;
        continue;
      }
      const std::size_t size = character_size(text_.substr(at_));
      if (size == 0) return refuse("a text in it is not UTF-8");
      if (static_cast<unsigned char>(c) < ' ') return refuse("a text in it holds a control character");
      into.append(text_.substr(at_, size));
      at_ += size;
    }
    return false;
  }

  bool escape(std::string& into) {
    ++at_;
    constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (take('u')) return code_point(into) || refuse("an escape (\\u) in it is no character");
    const std::size_t which = at_ < text_.size() ? names.find(text_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos) return false;
    into.push_back(meanings[which]);
    ++at_;
    return true;
  }

  // A half of a surrogate pair alone is no character; readers replace it, drop it or keep it.
  bool code_point(std::string& into) {
    auto first = four_digits();
    if (!first || (*first >= 0xdc00 && *first <= 0xdfff)) return false;
    std::uint32_t point = *first;
    if (point >= 0xd800 && point <= 0xdbff) {
      if (!take_word("\\u")) return false;
      auto second = four_digits();
      if (!second || *second < 0xdc00 || *second > 0xdfff) return false;
      point = 0x10000 + ((point - 0xd800) << 10) + (*second - 0xdc00);
    }
    append_utf8(into, point);
    return true;
  }

  std::optional<std::uint32_t> four_digits() {
    std::string_view digits = text_.substr(at_, 4);
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4) return std::nullopt;
    at_ += 4;
    return value;
  }

  bool digits() {
    const std::size_t before = at_;
    while (is_digit(peek())) ++at_;
    return at_ > before;
  }

  bool number(Document& into) {
    const std::size_t begin = at_;
    take('-');
    if (peek() == '0')
      ++at_;
    else if (!digits())
      return false;
    bool whole = true;
    if (take('.')) {
      whole = false;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      whole = false;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return false;
    }
    const std::string_view digits = text_.substr(begin, at_ - begin);
    return (whole ? integer(into, digits) : real(into, digits)) ||
           refuse("a number in it is larger than can be kept");
  }

  template <class Number>
  static std::optional<Number> number_in(std::string_view text) {
    Number value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }

  static bool integer(Document& into, std::string_view text) {
    if (auto value = number_in<std::int64_t>(text)) {
      into.value = *value;
      return true;
    }
    auto value = number_in<std::uint64_t>(text);
    if (value) into.value = *value;
    return value.has_value();
  }

  static bool real(Document& into, std::string_view text) {
    auto value = number_in<double>(text);
    if (value) into.value = *value;
    return value && std::isfinite(*value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
  Unknown why_ = Unknown::unparseable;
  std::string_view problem_ = "it is no JSON document";
};

}  // namespace

std::expected<Document, Unknown> read_json_document(std::string_view text) {
  return JsonReader(text).read();
}

std::string_view json_problem(std::string_view text) {
  JsonReader reader(text);
  return reader.read() ? std::string_view() : reader.problem();
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0 || size > text.size()) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool names_are_distinct(const Document::Members& members) {
  std::vector<std::string_view> names;
  names.reserve(members.size());
  for (const Document::Member& member : members) names.push_back(member.name);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) == names.end();
}

}  // namespace clawpatrol
