// Text to syntax tree: google/cel-spec, doc/langdef.md, "Syntax", whole but for messages being made later.
#pragma once

#include "policy/cel/ast.h"

namespace clawpatrol::cel {

inline constexpr std::size_t max_source_bytes = 64 * 1024;
inline constexpr std::size_t max_nodes = 16 * 1024;
inline constexpr std::size_t max_height = 200;  // of the tree, so that everything after may recurse

enum class Macros : std::uint8_t { expand, off };

// `pool` owns the tree, `arena` the text of its literals.
std::expected<Ast*, Problem> parse(std::string_view source, AstPool& pool, Arena& arena, Macros macros);

}  // namespace clawpatrol::cel
