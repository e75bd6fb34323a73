// What a policy says that another does not, in the words of its files.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol::cpctl {

struct FieldChange {
  std::string field;
  std::string before, after;  // "": not written, or the default
};

struct Change {
  enum class What : std::uint8_t { added, removed, changed, moved } what = What::changed;
  std::string section;  // "rule", "profile", "limits", ...
  std::string name;     // of the table; "" where there is only one
  std::vector<FieldChange> fields;
};

std::string_view name_of(Change::What what);

// Section by section; rules in the order in which NEW tries them. A rule has moved where what comes before it
// has changed, of the fewest that explain it.
std::vector<Change> changes_between(const Policy& before, const Policy& after);

}  // namespace clawpatrol::cpctl
