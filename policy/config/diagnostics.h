// Problems in the operator's files, all reported at once: file:line:column, a caret and a hint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol {

// Lines and columns from 1; columns count bytes. Line 0: the file as a whole.
struct Place {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t width = 1;  // for the caret line
  bool operator==(const Place&) const = default;
};

enum class Severity : std::uint8_t { error, warning };

// Another place that belongs to a problem, such as where the other definition stands.
struct Related : Place {
  std::string note;         // "first defined here"
  std::string source_line;  // the text of that line, for the caret
};

struct Diagnostic {
  Severity severity = Severity::error;
  std::string_view code = {};  // "CP0203" (policy/lints/codes.h), a literal; "": none
  Place place;
  std::string message;
  std::string hint;         // a sentence, or empty
  std::string source_line;  // the text of that line, for the caret; secrets in it are masked
  std::vector<Related> related;
};

struct Diagnostics {
  std::vector<Diagnostic> items;
  bool has_errors() const;
  std::size_t errors() const;
  std::size_t warnings() const;
  // For a person, without colour: what a good compiler prints, and a last line that counts. Empty when there
  // is nothing to say. Control and bidi characters of the files come out as '?'.
  std::string render() const;
};

}  // namespace clawpatrol
