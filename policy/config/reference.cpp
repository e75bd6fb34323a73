#include "policy/config/reference.h"

#include <fmt/format.h>

#include "parsers/facets.h"
#include "policy/config/keys.h"
#include "policy/config/suggest.h"
#include "policy/config/table.h"

namespace clawpatrol {
namespace {

using config::Key;
using config::Section;
using config::Shape;

constexpr std::string_view preamble = R"(# Configuration

<!-- Generated from policy/config/keys.cpp by scripts/fix; a test compares them. -->

`/etc/clawpatrol/clawpatrol.toml`, then `/etc/clawpatrol/conf.d/*.toml` in the order of their names, are read as one:
tables are united, `[[rule]]` arrays are concatenated in that order, and a name defined twice is an error that shows
both places. A key that is not on this page is an error. `cpctl check` reports everything that is wrong at once.

Secrets are never in these files: `cpctl creds set NAME` reads them from standard input.
Durations are whole numbers with a unit (`"500ms"`, `"90s"`, `"10m"`, `"1h"`, `"7d"`), sizes too (`"512B"`, `"4KiB"`,
`"1MiB"`, `"1GiB"`). `file:NAME` reads a file beside the one that names it.
Names of peers, profiles, endpoints, credentials and rules begin with a letter or digit and go on with those, `-`, `_`
and `.`, at most 63 characters in all.

Rules of an endpoint are tried by priority, then in the order of the files. The first whose condition is true decides;
where none is, `defaults.unmatched` does. A rule whose condition cannot be evaluated denies, in its own name. A rule
sees statements and requests only, unless its `on` says otherwise. Without a rule, a login or a cancel passes if
profile and credential fit, and a `message` of a WebSocket that a rule has allowed to open; `function_call` and
`replication` pass only by a rule that names them.
An agent is told the rule's reason: by PostgreSQL's `42501`, at a login by `FATAL 28000`; a replication connection that no
rule allows gets `FATAL 42501`, as of a server whose role may not replicate.
What a condition may ask is in [facets.md](facets.md).
)";

constexpr std::string_view facets_preamble = R"(# Facets

<!-- Generated from parsers/facets.h by scripts/fix; a test compares them. -->

What a rule's `condition` may ask about an action. A facet that does not apply to the action, or that the gateway could
not obtain, is *unknown*: it spreads through every operator except where `&&` or `||` is already decided, and a rule
whose condition is unknown in the end denies.
A list may be *open*: it holds what was found, and there may be more, because the statement runs code that was not read
(then every list is), or reaches relations that it does not name, as `DROP SCHEMA s CASCADE`, `CREATE ROLE r` and
`VACUUM` do (then `sql.tables`, `sql.reads` and `sql.writes` are).
Of an open list `in` and `exists` can be true; absence, `size`, `==`, `all` and indexing are unknown.
A statement is `sql.unbounded` where its WHERE is absent, constant, not about the row, or leaves out by its form none but
nulls: `id = id`, `id < 5 OR id >= 5`, `name LIKE '%'`, `length(name) >= 0`, `id IN (SELECT id FROM t)` of t itself.
The facets of HTTP exist for endpoints of type `http`, `https` and `kubernetes`. A request has kind `read` where its
method is GET, HEAD or OPTIONS (and no header asks to have it taken for another), `exec` where it asks for an upgrade, else
`write`. At a Kubernetes API server get, list, watch and reviews `read`; exec, attach, port-forward, proxy and ephemeral
containers `exec`; writes to roles, webhooks, certificates, definitions of resources and API services, nodes, namespaces and
service accounts, and whatever is done as somebody else, `admin`.
Messages of a WebSocket are seen by rules whose `on` names `message`, with the facets of the request that opened it beside
their own; a message up is `write`, one down `read`. Where an endpoint has such a rule, pings and pongs go on without what
they carry, and a close without its words, so that nothing passes that no rule has seen.
)";

std::string shape_text(const Key& key) {
  switch (key.shape) {
    case Shape::string: return "string";
    case Shape::strings: return "array of strings";
    case Shape::choice:
    case Shape::choices: {
      std::string text = key.shape == Shape::choices ? "array of " : "";
      auto choices = config::choices_of(key);
      for (std::size_t i = 0; i < choices.size(); ++i)
        text += fmt::format("{}`\"{}\"`", i == 0 ? "" : ", ", choices[i]);
      return text;
    }
    case Shape::integer: return "integer";
    case Shape::boolean: return "boolean";
    case Shape::count: return fmt::format("integer, {}", config::range_text(key));
    case Shape::size: return fmt::format("size, {}", config::range_text(key));
    case Shape::duration: return fmt::format("duration, {}", config::range_text(key));
    case Shape::prefixes: return "array of networks";
    case Shape::addresses: return "array of addresses";
    case Shape::hosts: return "array of hosts";
    case Shape::labels: return "table of strings";
    case Shape::file: return "`file:NAME`";
  }
  __builtin_unreachable();
}

std::string heading(const Section& section) {
  if (section.name.empty()) return "Top of the file";
  if (section.name == "rule") return "`[[rule]]`";
  return fmt::format("`[{}{}]`", section.name, section.named ? ".NAME" : "");
}

// As a heading: "Every action".
std::string heading(FacetFamily family) {
  std::string text(name_of(family));
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace

std::string config_reference_markdown() {
  std::string out(preamble);
  for (const Section& section : config::all_sections()) {
    out += fmt::format("\n## {}\n\n{}\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
                       heading(section), section.meaning);
    for (const Key& key : config::all_keys()) {
      if (key.section == section.name)
        out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, shape_text(key), config::default_of(key),
                           key.meaning);
    }
  }
  return out;
}

std::string facets_reference_markdown() {
  std::string out(facets_preamble);
  for (FacetFamily family : facet_families) {
    out += fmt::format("\n## {}\n\n| facet | type | meaning |\n|---|---|---|\n", heading(family));
    for (const FacetInfo& facet : facet_table) {
      if (facet.family == family)
        out += fmt::format("| `{}` | {} | {} |\n", facet.path, name_of(facet.type), facet.meaning);
    }
  }
  return out;
}

}  // namespace clawpatrol
