#!/bin/sh
# Runs a test in a network namespace of its own, with an Ethernet interface `agent0`. Nothing is left behind.
if [ "$(id -u)" != 0 ]; then echo "skipped: loading BPF programs needs root"; exit 77; fi
unshare --net true 2>/dev/null || { echo "skipped: this machine allows no network namespaces"; exit 77; }
exec unshare --net sh -c 'ip link set lo up && ip link add agent0 type veth peer name agent1 && exec "$@"' sh "$@"
