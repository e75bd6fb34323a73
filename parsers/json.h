// One JSON document: RFC 8259, and nothing that two readers could take for two documents.
#pragma once

#include <expected>
#include <string_view>

#include "parsers/facets.h"

namespace clawpatrol {

inline constexpr std::size_t max_document_depth = 100;
inline constexpr std::size_t max_document_values = 100'000;

// The error is unparseable (also for a name that stands twice in an object, bytes or escapes that are no
// UTF-8 or no character, a number that would have to be rounded to be an integer or is beyond a double) or
// over_limit.
std::expected<Document, Unknown> read_json_document(std::string_view text);

// Why the text is not read, for people who wrote it: "a name stands twice in an object". "" where it is.
std::string_view json_problem(std::string_view text);

// Whether `text` is UTF-8 as RFC 3629 has it: no surrogates, nothing longer than it needs to be.
bool is_utf8(std::string_view text);

// False where a name stands twice.
bool names_are_distinct(const Document::Members& members);

}  // namespace clawpatrol
