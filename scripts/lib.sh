# Shared by the scripts: named steps with timings, and the words for who may run them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLICOLOR_FORCE=0
# Run with sudo in somebody else's clone, git would refuse to look at it.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$PWD
# Debian's python has Debian's modules; another may come first in PATH.
PYTHON=/usr/bin/python3

need_root() {
  [ "$(id -u)" = 0 ] && return
  echo "$0: needs root, for network namespaces and BPF: run 'sudo $0'" >&2
  exit 2
}

# step NAME COMMAND...: prints the name, runs the command with its output in a log, prints the seconds. The log is
# shown when the command fails. VERBOSE=1 shows it as it comes.
step() {
  local name=$1 log begun status=0
  shift
  log=$(mktemp)
  begun=$(date +%s.%N)
  printf '%-34s ' "$name"
  if [ "${VERBOSE:-}" = 1 ]; then echo; "$@" 2>&1 | tee "$log" || status=$?; else "$@" >"$log" 2>&1 || status=$?; fi
  printf '%7.1f s  ' "$(echo "$(date +%s.%N) - $begun" | bc)"
  if [ $status = 0 ]; then
    # ctest's closing line says how many ran; a reader of the log wants it.
    grep -E '^[0-9]+% tests passed' "$log" || echo ok
    grep -E '^\s+[0-9]+ - .*\(Skipped\)' "$log" || true
    rm -f "$log"
  else
    echo "FAILED (exit $status)"; cat "$log"; rm -f "$log"
    exit 1
  fi
}

configure() { [ -f "build/$1/build.ninja" ] || cmake --preset "$1"; }
