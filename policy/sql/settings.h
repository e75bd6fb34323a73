// Settings: which decide how text is read (attacks.md, 1 and 2), and which matter to what a session may do.
#pragma once

#include <optional>
#include <string_view>

#include "policy/sql/analysis.h"
#include "policy/sql/catalog.h"

namespace clawpatrol::sql {

// What becomes of `name` (in any case) when it is set to `value`; nullopt: a value that the text does not
// tell.
ReadingGuard guard_setting(std::string_view name, std::optional<std::string_view> value);

// standard_conforming_strings or client_encoding, in any case.
bool decides_reading(std::string_view name);

// What is left when the end of `name` is cut off can be such a setting.
bool begins_with_reading_setting(std::string_view name);

// UTF8, SQL_ASCII, or a single-byte encoding that is ASCII below 0x80; names as the server normalises them.
bool is_safe_encoding(std::string_view name);

// What becomes of the search path when it is set to `value`; nullopt: one that the text does not tell.
PathEffect path_effect(std::string_view name, std::optional<std::string_view> value);

// Changes what statements mean or what the session may do: role, search_path, row_security, ...
bool setting_matters(std::string_view name);

// What else setting it amounts to: archive_command runs a program, shared_preload_libraries loads code, ...
Classes setting_classes(std::string_view name);

// Text that is not read as SQL (the body of a DO, of a function) speaks of a setting that decides reading.
bool mentions_reading_settings(std::string_view text);

}  // namespace clawpatrol::sql
