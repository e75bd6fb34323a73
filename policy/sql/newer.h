// Syntax that PostgreSQL 15's grammar refuses and a newer server's takes, for an error that says so. It
// decides nothing: the text is not read either way.
#pragma once

#include <string>
#include <string_view>

namespace clawpatrol::sql {

// `error` is the grammar's, at `position` (1-based, in characters). A sentence for people, or "" where the
// mistake is none that a newer version is known to take.
std::string newer_syntax(std::string_view text, std::string_view error, std::size_t position);

}  // namespace clawpatrol::sql
