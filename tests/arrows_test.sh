#!/usr/bin/env bash
# Includes point one way (house style, rule 1): tests -> {cpctl, daemon} -> policy -> parsers/facets.h, and
# cpctl, daemon -> parsers; bpf/shared.h is the only bridge to the kernel. Usage: arrows_test.sh ROOT
set -euo pipefail
root=${1:?usage: arrows_test.sh ROOT}

# Prints every include that points the wrong way. A quoted name without a slash is of the same directory.
wrong_includes() {
  local tree=$1
  (cd "$tree" && grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<][^">]+[">]' \
    --include='*.h' --include='*.c' --include='*.cpp' bpf parsers policy daemon cpctl tests 2>/dev/null || true) |
    awk -F: -v tree="$tree" '
    {
      file = $1; line = $2
      text = $0; sub(/^[^:]*:[^:]*:[[:space:]]*#[[:space:]]*include[[:space:]]*/, "", text)
      name = substr(text, 2); sub(/[">].*/, "", name)
      from = file; sub(/\/.*/, "", from)
      to = name; sub(/\/.*/, "", to)
      ok = 1
      # <bpf/libbpf.h> is the system library: an angled name counts where the tree has such a file.
      if (text ~ /^</ && system("test -e \"" tree "/" name "\"") != 0) ok = 1
      else if (name ~ /^\.\.?\//) ok = 0
      else if (to !~ /^(bpf|parsers|policy|daemon|cpctl|tests|build)$/ || name == to) ok = 1
      else if (to == "build") ok = 0
      else if (to == from) ok = 1
      else if (name == "bpf/shared.h") ok = (from == "daemon" || from == "cpctl" || from == "tests")
      else if (to == "bpf") ok = 0
      else if (from == "tests") ok = 1
      else if (from == "policy") ok = (name == "parsers/facets.h")
      else if (from == "daemon") ok = (to == "policy" || to == "parsers")
      else if (from == "cpctl") ok = (to == "daemon" || to == "policy" || to == "parsers")
      else ok = 0
      if (!ok) printf "%s:%s: %s/ may not include %s\n", file, line, from, name
    }'
}

# The test of the test: each of these must be found, and nothing else.
self_test() {
  local tree expected found
  tree=$(mktemp -d)
  trap 'rm -rf "$tree"' RETURN
  mkdir -p "$tree"/{bpf,parsers,policy/sql,daemon/netd,cpctl,tests}
  printf '#include "daemon/ring/ring.h"\n#include <vector>\n#include "parsers/bytes.h"\n' >"$tree/parsers/a.h"
  printf '#include "parsers/bytes.h"\n#include "parsers/facets.h"\n#include "policy/b.h"\n' >"$tree/policy/sql/a.cpp"
  printf '  #  include <cpctl/console.h>\n#include "policy/policy.h"\n#include "bpf/shared.h"\n#include <bpf/bpf.h>\n' >"$tree/daemon/netd/a.cpp"
  touch "$tree/cpctl/console.h"
  printf '#include "bpf/steer.bpf.h"\n#include "../daemon/a.h"\n#include "daemon/a.h"\n' >"$tree/cpctl/a.cpp"
  printf '#include "shared.h"\n#include "parsers/facets.h"\n' >"$tree/bpf/a.bpf.c"
  printf '#include "cpctl/a.h"\n#include "bpf/shared.h"\n' >"$tree/tests/a.cpp"
  expected='bpf/a.bpf.c:2 cpctl/a.cpp:1 cpctl/a.cpp:2 daemon/netd/a.cpp:1 parsers/a.h:1 policy/sql/a.cpp:1'
  found=$(wrong_includes "$tree" | sed -E 's/^([^:]+:[0-9]+):.*/\1/' | sort | paste -sd' ')
  [ "$found" = "$expected" ] || { echo "arrows_test: found '$found', expected '$expected'" >&2; return 1; }
}

self_test
wrong=$(wrong_includes "$root")
[ -z "$wrong" ] || { echo "$wrong"; exit 1; }
