#include "parsers/kubernetes/selectors.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "parsers/http1/text.h"

namespace clawpatrol::kubernetes {
namespace {

// --- conversions of a query's values ---

// Of the first value; the others are not looked at.
bool is_true(std::string_view value) {
  const std::string low = http1::lower_case(value);
  return low != "false" && low != "0";
}

bool is_int64(std::string_view value) {
  if (value.starts_with('+')) value.remove_prefix(1);
  if (value.starts_with('+') || value.empty()) return false;
  std::int64_t read = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), read);
  return error == std::errc() && end == value.data() + value.size();
}

bool numbers_parse(const Params& params) {
  for (std::string_view name : {"timeoutSeconds", "limit"})
    if (params.has(name) && !is_int64(params.first(name))) return false;
  return true;
}

// --- field selectors ---

struct FieldTerm {
  std::string field, value;
  bool equal = true;
};

// What stands between the commas that no backslash escapes.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  if (text.empty()) return terms;
  std::size_t begin = 0;
  bool escaped = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (escaped)
      escaped = false;
    else if (text[i] == '\\')
      escaped = true;
    else if (text[i] == ',') {
      terms.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  terms.push_back(text.substr(begin));
  return terms;
}

// None where a "," or "=" is not escaped, or a backslash stands before anything else.
std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (++i == text.size() || !std::string_view("\\,=").contains(text[i])) return std::nullopt;
    } else if (text[i] == ',' || text[i] == '=') {
      return std::nullopt;
    }
    out.push_back(text[i]);
  }
  return out;
}

std::optional<FieldTerm> read_term(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (std::string_view op : {"!=", "==", "="}) {
      if (!text.substr(i).starts_with(op)) continue;
      auto value = unescaped(text.substr(i + op.size()));
      if (!value) return std::nullopt;
      return FieldTerm{std::string(text.substr(0, i)), std::move(*value), op != "!="};
    }
  }
  return std::nullopt;
}

std::optional<std::vector<FieldTerm>> read_field_selector(std::string_view text) {
  std::vector<FieldTerm> terms;
  for (std::string_view part : split_terms(text)) {
    if (part.empty()) continue;
    auto term = read_term(part);
    if (!term) return std::nullopt;
    terms.push_back(std::move(*term));
  }
  return terms;
}

// path.IsValidPathSegmentName
bool is_segment(std::string_view name) {
  return name != "." && name != ".." && !name.contains('/') && !name.contains('%');
}

// --- label selectors ---

bool is_alphanumeric(char c) {
  return http1::is_letter(c) || http1::is_digit(c);
}

// A name of at most 63: letters and digits at its ends, those and "-_." within.
bool is_qualified(std::string_view name) {
  return !name.empty() && name.size() <= 63 && is_alphanumeric(name.front()) &&
         is_alphanumeric(name.back()) && std::ranges::all_of(name, [](char c) {
           return is_alphanumeric(c) || std::string_view("-_.").contains(c);
         });
}

// A DNS subdomain, in lower case.
bool is_subdomain(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || http1::is_digit(c); };
  while (true) {
    const std::size_t dot = name.find('.');
    std::string_view label = name.substr(0, dot);
    if (label.empty() || !plain(label.front()) || !plain(label.back())) return false;
    if (!std::ranges::all_of(label, [&](char c) { return plain(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_label_key(std::string_view key) {
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return is_qualified(key);
  return is_subdomain(key.substr(0, slash)) && is_qualified(key.substr(slash + 1));
}

bool is_label_value(std::string_view value) {
  return value.empty() || is_qualified(value);
}

enum class Token : std::uint8_t {
  end,
  word,
  comma,
  open,
  close,
  bang,
  equal,
  not_equal,
  less,
  greater,
  error
};

class LabelReader {
 public:
  explicit LabelReader(std::string_view text) : text_(text) { advance(); }

  bool read() {
    if (token_ == Token::end) return true;
    while (true) {
      if (!requirement()) return false;
      if (token_ == Token::end) return true;
      if (token_ != Token::comma) return false;
      advance();
      // A comma at the end is refused: what stands behind it is no key.
      if (token_ != Token::word && token_ != Token::bang) return false;
    }
  }

 private:
  void advance() {
    while (!text_.empty() && std::string_view(" \t\r\n").contains(text_.front())) text_.remove_prefix(1);
    if (text_.empty()) {
      token_ = Token::end;
      return;
    }
    constexpr std::string_view special = "=!(),><";
    if (!special.contains(text_.front())) {
      const std::size_t end = std::min(text_.find_first_of("=!(),>< \t\r\n"), text_.size());
      word_ = text_.substr(0, end);
      text_.remove_prefix(end);
      token_ = Token::word;
      return;
    }
    std::size_t end = 0;
    // A run of operators is one symbol, as long as it stays one.
    std::string_view longest;
    for (std::string_view symbol : {"=", "==", "!=", "!", "(", ")", ",", ">", "<"})
      if (text_.starts_with(symbol) && symbol.size() > longest.size()) longest = symbol;
    end = longest.size();
    token_ = longest == "=" || longest == "==" ? Token::equal
             : longest == "!="                 ? Token::not_equal
             : longest == "!"                  ? Token::bang
             : longest == "("                  ? Token::open
             : longest == ")"                  ? Token::close
             : longest == ","                  ? Token::comma
             : longest == ">"                  ? Token::greater
             : longest == "<"                  ? Token::less
                                               : Token::error;
    text_.remove_prefix(end);
  }

  bool requirement() {
    const bool negated = token_ == Token::bang;
    if (negated) advance();
    if (token_ != Token::word || !is_label_key(word_)) return false;
    advance();
    if (negated) return token_ == Token::end || token_ == Token::comma;
    switch (token_) {
      case Token::end:
      case Token::comma: return true;
      case Token::equal:
      case Token::not_equal: advance(); return exact_value();
      case Token::less:
      case Token::greater: advance(); return number();
      case Token::word: return (word_ == "in" || word_ == "notin") && set();
      default: return false;
    }
  }

  bool exact_value() {
    if (token_ == Token::end || token_ == Token::comma) return true;
    if (token_ != Token::word || !is_label_value(word_)) return false;
    advance();
    return true;
  }

  bool number() {
    if (token_ != Token::word || !is_int64(word_) || !is_label_value(word_)) return false;
    advance();
    return true;
  }

  bool set() {
    advance();
    if (token_ != Token::open) return false;
    advance();
    while (token_ == Token::word || token_ == Token::comma) {
      if (token_ == Token::word && !is_label_value(word_)) return false;
      const bool word = token_ == Token::word;
      advance();
      if (word && token_ == Token::word) return false;
    }
    if (token_ != Token::close) return false;
    advance();
    return true;
  }

  std::string_view text_;
  std::string_view word_;
  Token token_ = Token::end;
};

}  // namespace

bool is_label_selector(std::string_view text) {
  return LabelReader(text).read();
}

// What does not parse is a list of everything, and a watch all the same.
ListOptions read_list_options(const Params& params) {
  ListOptions options;
  options.watch = params.has("watch") && is_true(params.first("watch"));
  auto fields = read_field_selector(params.first("fieldSelector"));
  if (!fields || !numbers_parse(params) || !is_label_selector(params.first("labelSelector"))) return options;
  for (const FieldTerm& term : *fields) {
    if (!term.equal || term.field != "metadata.name") continue;
    if (is_segment(term.value)) options.name = term.value;
    return options;
  }
  return options;
}

}  // namespace clawpatrol::kubernetes
