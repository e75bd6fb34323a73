// Problems in the operator's files, all reported at once: file:line:column, a caret and a hint.
#pragma once

#include <cstdint>
#include <string>
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

struct Diagnostic {
  Severity severity = Severity::error;
  Place place;
  std::string message;
  std::string hint;               // a sentence, or empty
  std::string source_line;        // the text of that line, for the caret
  std::vector<Place> related;     // such as where the other definition stands
};

struct Diagnostics {
  std::vector<Diagnostic> items;
  bool has_errors() const;
  std::string render() const;  // for a person, no colour
};

}  // namespace clawpatrol
