// Content-Encoding of RFC 9110, 8.4, within limits: gzip, deflate (in zlib's form), br, zstd.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/facets.h"

namespace clawpatrol::http {

inline constexpr std::size_t max_codings = 3;
inline constexpr std::size_t max_ratio = 200;               // of what comes out to what goes in,
inline constexpr std::size_t ratio_free_bytes = 256 << 10;  // past this much
inline constexpr int max_zstd_window_log = 23;              // 8 MiB

// `codings` in the order in which they were applied, lower case. Not more than `limit` bytes come out:
// over_limit. A coding that is not known, a stream that is wrong or not at its end, and bytes or a second
// stream behind it (which some read and others do not) are undecodable.
std::expected<std::string, Unknown> decode(std::string_view body, const std::vector<std::string>& codings,
                                           std::size_t limit);

}  // namespace clawpatrol::http
