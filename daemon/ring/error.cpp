#include "daemon/ring/error.h"

#include <cstring>

namespace clawpatrol {

Error os_error(int code, std::string_view what_failed) {
  char text[128];
  std::string what(what_failed);
  what += ": ";
  what += ::strerror_r(code, text, sizeof text);  // GNU's, which never fails
  return Error{code, std::move(what)};
}

}  // namespace clawpatrol
