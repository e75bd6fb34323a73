// From a byte of a string's value back to the byte of the file that it was written as, so that a caret can
// stand under the right character of a condition.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace clawpatrol::config {

// `literal` begins with the string's opening quotes and may go on after its end. Element i is the offset in
// `literal` of what byte i of the value was written as; the last element is that of the closing quotes. All
// four kinds of strings of TOML 1.0, with escapes, line continuations and CR LF. The literal must be valid
// TOML.
std::vector<std::size_t> map_toml_string(std::string_view literal);

}  // namespace clawpatrol::config
