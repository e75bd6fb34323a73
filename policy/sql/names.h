// Where the name in PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, ... stands as it was written.
#pragma once

#include <string_view>

#include "policy/sql/analysis.h"

namespace clawpatrol::sql {

// Sets name_offset and name_length; `written` is the statement's text. Leaves them 0 when it cannot be told.
void find_name(Statement& statement, std::string_view written);

}  // namespace clawpatrol::sql
