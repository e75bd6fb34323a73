// Values of the binary formats that clients use, as the text that the server would show for them.
//
// PostgreSQL 15's *_recv functions (src/backend/utils/adt) read the bytes, its *_out functions write the
// text. Floating-point numbers have the shortest digits that read back,
// of which there can be two. Dates and times are ISO, whatever DateStyle a session has, and times with a zone
// are in UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::postgres {

// Nullopt: a type that is not known here, bytes that the server would refuse, or a number of which the text
// would be much longer than the bytes (a numeric's weight can say 100 kB in ten bytes). Known are bool, int2,
// int4, int8, oid, float4, float8, numeric, text, varchar, bpchar, name, "char", bytea, uuid, date,
// timestamp, timestamptz, json, jsonb, and arrays of these.
std::optional<std::string> text_of_binary(std::uint32_t type_oid, std::string_view bytes);

}  // namespace clawpatrol::postgres
