// What a text comes to, for the tests of this room.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "policy/sql/analysis.h"

namespace clawpatrol::sql {

inline std::vector<std::string> verbs_of(std::string_view text) {
  std::vector<std::string> verbs;
  for (const Statement& statement : analyse(text, {}).statements) {
    verbs.push_back(statement.facets.verb ? *statement.facets.verb : "?");
  }
  return verbs;
}

inline Statement one(std::string_view text, const Options& options = {}) {
  Analysis analysis = analyse(text, options);
  INFO(text << ": " << analysis.error);
  REQUIRE(analysis.readable == Readable::yes);
  REQUIRE(analysis.statements.size() == 1);
  return analysis.statements.front();
}

inline bool has(const Facet<NameList>& list, std::string_view name) {
  return std::ranges::find(list->items, name) != list->items.end();
}

inline bool has_class(const Statement& statement, std::string_view name) {
  return std::ranges::find(statement.facets.classes->items, name) != statement.facets.classes->items.end();
}

inline bool all_open(const SqlFacets& facets) {
  return facets.tables->open && facets.reads->open && facets.writes->open && facets.functions->open &&
         facets.verbs->open && facets.columns->open && facets.classes->open;
}

}  // namespace clawpatrol::sql
