// The list options of a request, as far as they decide what it is: whether they parse, and a name that the
// field selector asks for. fields.ParseSelector, labels.Parse and the conversions of k8s.io/apimachinery.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "parsers/kubernetes/request_info.h"

namespace clawpatrol::kubernetes {

struct ListOptions {
  bool watch = false;
  std::string name;  // of `metadata.name=NAME`; "": of none or of all
};

ListOptions read_list_options(const Params& params);

// Whether labels.Parse takes it.
bool is_label_selector(std::string_view text);

}  // namespace clawpatrol::kubernetes
