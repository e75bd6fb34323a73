// Bind parameters in text form, for `sql.params`.
#pragma once

#include <string_view>

#include "daemon/gateway/postgres/judge.h"
#include "parsers/postgres/frontend.h"

namespace clawpatrol::postgres {

// `types` are the Parse's: four bytes each; a parameter without one, or with 0, is of a type that the server
// chose. One value in binary form of a type that is not decoded here makes the whole list unknown.
SqlParams text_of_params(const Bind& bind, std::uint16_t type_count, std::string_view types);

// Whether a value has a byte above 0x7f: what letter that is, the session's encoding tells.
bool is_beyond_ascii(const Bind& bind);

}  // namespace clawpatrol::postgres
