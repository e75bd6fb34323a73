// How text becomes ASCII JSON and can be turned back, byte for byte.
#pragma once

#include <string>
#include <string_view>

namespace clawpatrol {

// Appends `text` as a JSON string with its quotes: ASCII only (\uXXXX, control and bidi characters included);
// bytes that are not UTF-8 become \udcXX (lone surrogates, reversible). RFC 8259.
void append_json_string(std::string& out, std::string_view text);

}  // namespace clawpatrol
