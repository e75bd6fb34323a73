#!/usr/bin/env bash
# What packaging/ says of the programs is so: every metric that the dashboard and the alerts ask for is one that the daemon
# has, the starter configuration loads, the journal's catalogue explains each message, manual pages can be made, and the units' figures are what they are to be.
set -euo pipefail
source=$1 cpctl=$2
failed=0
complain() { echo "packaging: $*" >&2; failed=1; }

known=$(tr '\n' ' ' <"$source/daemon/gateway/metrics.cpp" | grep -oE 'out\.(one|family|histogram)\( *"[a-z_]+"' |
  sed -E -e 's/.*histogram.*"([a-z_]+)"/clawpatrol_\1_bucket\nclawpatrol_\1_sum\nclawpatrol_\1_count/' -e 's/^out.*"([a-z_]+)"/clawpatrol_\1/')
[ "$(wc -l <<<"$known")" -gt 10 ] || complain "no metrics found in daemon/gateway/metrics.cpp"
for name in $(grep -ohE 'clawpatrol_[a-z_]+' "$source"/packaging/grafana/*.json "$source"/packaging/prometheus/*.yml | sort -u); do
  grep -qx "$name" <<<"$known" || complain "'$name' is asked for, and no metric"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$source/packaging/etc" "$work/clawpatrol"
"$cpctl" check "$work/clawpatrol" >"$work/check" 2>&1 || complain "the starter configuration does not load: $(cat "$work/check")"

if command -v scdoc >/dev/null; then
  for page in $(sed -n '/^manuals/,/[^\\]$/p' "$source/packaging/debian/rules" | tr ' \\' '\n\n' | grep '\.[1-8]$'); do
    "$source/packaging/man/make" "$page" >"$work/$page" || complain "no manual page $page"
    [ "$(wc -l <"$work/$page")" -gt 15 ] || complain "the manual page $page is empty"
  done
else
  complain "there is no scdoc: run scripts/setup"
fi

# The links of the documents as they are installed: to others of them.
flatten=$(sed -nE "/^execute_after_dh_installdocs/,/^$/s/.*sed -i '([^']+)'.*/\1/p" "$source/packaging/debian/rules")
documents=$(cat "$source"/packaging/debian/*docs)
for document in $documents; do
  for link in $(sed "$flatten" "$source/$document" | grep -oE '\]\([^)#]+' | cut -c3- | grep -v '^https:'); do
    grep -qE "(^|/)$link\$" <<<"$documents" || [ "$link" = examples/ ] || complain "$document has a link to '$link', which the package has not"
  done
done

# Files that documents name in the source are there; without an ending it is the module's.
for file in $(grep -ohE '`(bpf|cpctl|daemon|packaging|parsers|policy|scripts|tests)/[A-Za-z0-9_/.-]+`' "$source"/README.md "$source"/docs/*.md | tr -d '`' | grep -v NAME | sort -u); do
  [ -e "$source/$file" ] || compgen -G "$source/$file.*" >/dev/null || complain "a document names '$file', which is not there"
done

# The package depends on what its units run and its daemon reads, unless every Debian has it; and the machine that it is tested on gets
# nothing of that by another way.
depends=$(sed -nE 's/^Depends: //p' "$source/packaging/debian/control" | tr -d ' ' | tr ',' '\n')
for program in $(grep -hE '^Exec' "$source"/packaging/debian/*.service | grep -oE '(^|[=+!:@ -])/(usr/)?s?bin/[a-z0-9-]+' | grep -oE '/.*' | grep -vE '/(clawpatrol|cpctl)' | sort -u) /etc/ssl/certs/ca-certificates.crt; do
  case $program in
    /etc/ssl/*) owner=ca-certificates ;;  # made when that is installed: no package has the file
    *) owner=$(dpkg -S "$program" "$(realpath "$program")" 2>/dev/null | grep -v '^diversion ' | sed -n '1s/:.*//p' || true) ;;
  esac
  [ -n "$owner" ] || { complain "no package has $program"; continue; }
  [ "$(dpkg-query -W -f '${Essential}' "$owner" 2>/dev/null)" = yes ] || grep -qxF "$owner" <<<"$depends" ||
    complain "$program is of $owner, which the package does not depend on"
done
for package in $(sed -nE 's/^beside="(.*)"/\1/p' "$source/tests/vm/package" | tr ',' ' '); do
  ! grep -qxF "$package" <<<"$depends" || complain "tests/vm/package puts $package into its machine, so that it cannot see whether Depends brings it"
done

# A counter appears when it first counts: what is compared with an hour ago counts as none where there is nothing of then.
for alert in "$source"/packaging/prometheus/*.yml; do
  python3 - "$alert" <<'PYTHON' || complain "$alert: an alert is silent where an hour ago nothing had been counted"
import re, sys
text = re.sub(r"\s+", " ", open(sys.argv[1]).read())
looks_back = re.findall(r"\(sum by \(([^)]*)\) \((rate\([^()]*\[\w+\]) offset \w+\)\) or 0 \* sum by \(\1\) \(\2\)\)\)", text)
sys.exit(len(re.findall(r" offset \d", text)) != len(looks_back) or not looks_back)
PYTHON
done

# What an alert looks for in a label is what the daemon says there.
reasons=$(grep -ohE 'reason=~?"[^"]*"' "$source"/packaging/prometheus/*.yml "$source"/packaging/grafana/*.json | grep -v '\$' | sed -E 's/.*"(.*)"/\1/' | sort -u)
[ -n "$reasons" ] || complain "no alert looks for a reason"
while read -r reason; do
  grep -qF "\"$reason\"" "$source/daemon/gateway/netd_session.cpp" || complain "no packet is dropped for '$reason'"
done <<<"$reasons"

# The catalogue as journald's own tool reads it: each message by its id, with a subject.
install -D -m 0644 -t "$work/root/usr/lib/systemd/catalog" "$source/packaging/catalog/clawpatrol.catalog"
journalctl --root="$work/root" --update-catalog
ids=$(grep -oE '"[0-9a-f]{32}"' "$source/daemon/journal/messages.cpp" | tr -d '"')
[ "$(wc -w <<<"$ids")" -gt 10 ] || complain "no ids found in daemon/journal/messages.cpp"
for id in $ids; do
  journalctl --root="$work/root" --dump-catalog "$id" >"$work/entry" 2>&1 || complain "journalctl does not know $id: $(cat "$work/entry")"
  grep -q '^Subject: .' "$work/entry" || complain "journalctl has no subject for $id"
done

# systemd-analyze's exposure, at most: $2.
exposure() {
  local figure
  cp "$source/packaging/debian/clawpatrol.$1.service" "$work/$1.service"
  figure=$(systemd-analyze security --offline=true "$work/$1.service" 2>/dev/null | sed -nE 's/.*exposure level for [^:]*: ([0-9.]+).*/\1/p')
  echo "$1: exposure $figure"
  [ -n "$figure" ] && [ "$(bc <<<"$figure <= $2")" = 1 ] || complain "$1.service is exposed $figure, and $2 is the bound"
}
exposure clawpatrol-netd 2.0
exposure clawpatrold 1.3

version=$(sed -nE '1s/.*\(([^)]*)\).*/\1/p' "$source/packaging/debian/changelog")
[ "$("$cpctl" --version)" = "cpctl $version" ] || complain "the changelog has version $version, $("$cpctl" --version)"
exit $failed
