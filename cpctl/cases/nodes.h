// A case, whatever language it is written in, as a tree in which everything knows where it stands.
#pragma once

#include <optional>
#include <string>

#include "policy/config/document.h"

namespace clawpatrol::cpctl {

// The case of one line of JSON. Everything in it stands at that line. Null is an empty table.
std::optional<config::Node> node_of_json(std::string_view line, const config::Location& at,
                                         config::Report& report);

// Back to JSON, for who reads facets.
std::string json_of_node(const config::Node& node);

}  // namespace clawpatrol::cpctl
