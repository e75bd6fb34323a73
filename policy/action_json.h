// An action as facets, in JSON: what `cpctl explain -o json` prints, what a case states, what `cpctl eval`
// reads. One form in both directions (docs/formats.md, "An action as facets").
#pragma once

#include <bitset>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/facets.h"
#include "policy/cel/value.h"
#include "policy/json/read.h"

namespace clawpatrol {

// An action that owns its facets. Whoever makes one sets `type` and what follows from the policy; the reader
// below fills in what is stated.
struct StatedAction {
  ActionType type = ActionType::statement;
  ActionKind kind = ActionKind::exec;
  PeerFacets peer;
  EndpointFacets endpoint;
  DestFacets dest;
  std::string credential;
  std::int64_t now_unix_ns = 0;
  SqlFacets sql;
  SqlParams sql_params;
  SqlSessionFacets sql_session;
  DnsFacets dns;
  HttpFacets http;
  K8sFacets k8s;
  WsFacets ws;
  std::bitset<std::size(facet_table)> stated;  // by FacetId

  bool states(FacetId id) const { return stated.test(static_cast<std::size_t>(id)); }
  bool states_any(std::string_view prefix) const;  // "peer.": whether any facet of it is stated

  // Views of this. A family of which nothing is stated does not apply; within peer, endpoint, dest, the
  // session and dns, what is not stated while another of them is reads as empty, since an Action knows all of
  // such a family or nothing: ask states().
  Action action() const;
};

struct FacetProblem {
  std::string facet;    // as written; "" for the whole
  std::string message;  // lower case, no full stop
  std::string hint;     // a sentence, or empty
};

// `facets` is an object: {"sql.verb": "select"} or {"sql": {"verb": "select"}}, mixed too. A list is an
// array, or {"items": [...], "open": true}; what is not known is {"unknown": "unparseable"} and so on; what
// is not stated does not apply. All problems at once; what is no facet is one.
std::expected<StatedAction, std::vector<FacetProblem>> read_action(const Json& facets);
// The same from text.
std::expected<StatedAction, std::vector<FacetProblem>> read_action_text(std::string_view json);

// Every facet that the action has, by its public name, as one object of ASCII; what is not known says why.
std::string all_facets_json(const Action& action);

// A value of a condition in the same form. bytes are text (those that are not UTF-8 as in read.h), a duration
// is "1.5s", what is undecided is
// {"unknown": why} or {"error": why}.
std::string value_json(cel::Value value);

}  // namespace clawpatrol
