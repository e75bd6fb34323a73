// Several files as one: tables are united, `[[rule]]` arrays concatenated, a name defined twice is an error.
#pragma once

#include "policy/config/document.h"

namespace clawpatrol::config {

// Files are merged in the order of the calls.
void merge_document(Node& into, Node from, Report& report);

}  // namespace clawpatrol::config
