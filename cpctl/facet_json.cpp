#include "cpctl/facet_json.h"

#include "daemon/control/message.h"
#include "policy/action_json.h"
#include "policy/cel/facet_values.h"

namespace clawpatrol::cpctl {

std::string facets_json(const Action& action, FacetFamily family) {
  control::JsonObject object;
  for (const FacetInfo& facet : facet_table) {
    if (facet.family != family) continue;
    const cel::Value value = cel::facet_reader(facet.id)(action);
    if (value.kind == cel::Kind::unknown && value.why() == Unknown::not_applicable) continue;
    object.add_json(facet.path.substr(facet.path.find('.') + 1), value_json(value));
  }
  return object.text();
}

}  // namespace clawpatrol::cpctl
