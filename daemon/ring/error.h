// What failed, in words an operator can act on: operation, object, cause.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

namespace clawpatrol {

struct Error {
  int code = 0;      // errno, or 0 where there is none
  std::string what;  // `what failed: 'object': why`, lower case, no full stop
};

Error os_error(int code, std::string_view what_failed);  // appends ": strerror(code)"

}  // namespace clawpatrol
