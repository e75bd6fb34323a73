// What a plain scalar of YAML is to an API server of Kubernetes: the resolver of goyaml v2, as
// sigs.k8s.io/yaml has it (resolve.go), and the JSON that is made of it.
#pragma once

#include <string_view>

#include "parsers/json.h"

namespace clawpatrol {

enum class PlainScalar : std::uint8_t {
  read,
  doubtful,  // versions of goyaml read it differently (`1e3`, `1.`), or it has no JSON (`.nan`)
};

// `text` is UTF-8. `into` is changed only where it is read: to null, a truth value, a number, or text.
PlainScalar read_plain_scalar(std::string_view text, Document& into);

}  // namespace clawpatrol
