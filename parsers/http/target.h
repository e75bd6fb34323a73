// Path and query of a request, as a rule sees them.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "parsers/facets.h"

namespace clawpatrol::http {

inline constexpr std::size_t max_query_pairs = 1000;

// Percent-decodes; none where a "%" does not stand before two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);

struct Path {
  std::string text;               // decoded once, dot segments removed (RFC 3986, 5.2.4)
  std::string_view two_readings;  // why servers could read it in two ways, a literal; "": they cannot
};

// The path that `raw` says. The error, a literal, is of what cannot be read at all.
std::expected<Path, std::string_view> read_path(std::string_view raw);

// name -> [value, ...]; "+" is a space. Unparseable: an escape that is none, a ";" (a separator to some),
// bytes that are not UTF-8, a NUL. Over_limit: too many pairs.
Facet<Document> read_query(std::string_view query);

}  // namespace clawpatrol::http
