// Bind parameters in text form, for `sql.params`.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/gateway/postgres/judge.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/frontend.h"

namespace clawpatrol::postgres {

// Object ids of parameters' types, four bytes each. One that is absent, or says nothing, is for the server to
// choose.
struct ParamTypes {
  std::uint16_t count = 0;
  std::string_view oids;
  std::uint32_t operator[](std::uint16_t index) const;  // 0: chosen by the server
};

// One value in binary form of a type that is not decoded here makes the whole list unknown.
SqlParams text_of_params(const Bind& bind, ParamTypes types);

// Whether a value in binary form is of a type that only the server knows.
bool has_untyped(const Bind& bind, ParamTypes types);

// Whether the server's types are those that a Parse said, and of what it did not say.
bool agrees(const ParameterDescription& described, ParamTypes parsed);

// Whether a value has a byte above 0x7f: what letter that is, the session's encoding tells.
bool is_beyond_ascii(const SqlParams& params);

}  // namespace clawpatrol::postgres
