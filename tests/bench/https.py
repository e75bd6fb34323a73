#!/usr/bin/python3
"""HTTPS through nothing, HAProxy, nginx, mitmproxy and us: interleaved repeats, medians, spread, ratios.

    scripts/bench https [--repeats 3] [--seconds 3] [--quick]

The client is h2load, one thread, one request at a time on each connection. See web.py for what is compared.
"""

import argparse
import re
import statistics
import sys

from web import Web, run

LOADS = {  # path, and the body that is sent
    "GET 1 KB": ("/1k", None),
    "download 10 MB": ("/10m", None),
    "upload 10 MB": ("/sink", "10m"),
}
PROTOCOLS = {"h1": ["--h1"], "h2": []}


def h2load(lab, target, protocol, load, clients, seconds):
    """Requests a second and, of those that were answered, the microseconds that each took, sorted."""
    path, body = LOADS[load]
    address, port = lab.targets[target]
    log = lab.directory / "h2load.log"
    log.unlink(missing_ok=True)
    argv = ["h2load", *PROTOCOLS[protocol], "-c", clients, "-t", 1, "-D", seconds, "--warm-up-time", 1, "--log-file", log,
            "--connect-to", f"{address}:{port}", f"https://{lab.name_of(target)}{path}"]
    if body:
        argv[1:1] = ["-d", lab.web / "files" / body]
    out = run(*lab.inside(lab.agent, *argv), timeout=seconds + 60, cwd="/").stdout
    bad = re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if not bad or any(int(each) for each in bad.groups()):
        raise RuntimeError(f"{target}, {protocol}, {load}: not what was asked for:\n{out}")
    times = sorted(int(line.split()[2]) for line in log.read_text().splitlines() if int(line.split()[1]) == 200)
    return float(re.search(r"finished in [^,]+, ([0-9.]+) req/s", out).group(1)), times


def measure(lab, key, seconds):
    protocol, load, clients, target = key
    before = lab.cpu_seconds(target) if target in lab.measured else 0
    rate, times = h2load(lab, target, protocol, load, clients, seconds)
    if not times:
        return rate, 0.0, 0.0, 0.0
    cpu = (lab.cpu_seconds(target) - before) / len(times) if target in lab.measured else 0
    return rate, times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)], cpu * 1e6


def report(results, todo, targets):
    others = [t for t in targets if t != "direct"]
    print("| run | connections | " + " | ".join(f"{t} req/s" for t in targets) + " | ours / HAProxy, mitmproxy | "
          f"added p50, p99 us: {', '.join(others)} | CPU us/request: {', '.join(others)} |")
    print("|" + "---|" * (len(targets) + 5))
    for protocol, load, clients in todo:
        middle, cells = {}, []
        for target in targets:
            runs = results[(protocol, load, clients, target)]
            rates = [each[0] for each in runs]
            middle[target] = [statistics.median(each[i] for each in runs) for i in range(4)]
            spread = (max(rates) - min(rates)) / middle[target][0] * 50 if middle[target][0] else 0
            cells.append(f"{middle[target][0]:.0f} ±{spread:.0f}%")
        ratio = [f"{middle['ours'][0] / middle[t][0]:.2f}" if middle[t][0] else "-" for t in ("HAProxy", "mitmproxy") if t in middle]
        added = [f"{middle[t][1] - middle['direct'][1]:.0f}, {middle[t][2] - middle['direct'][2]:.0f}" for t in others]
        cpu = [f"{middle[t][3]:.0f}" for t in others]
        print(f"| {protocol}, {load} | {clients} | {' | '.join(cells)} | {', '.join(ratio)} | {'; '.join(added)} | {', '.join(cpu)} |")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=3, help="of each run, after one of warming up")
    arguments.add_argument("--quick", action="store_true", help="GET 1 KB only")
    given = arguments.parse_args()
    loads = ["GET 1 KB"] if given.quick else list(LOADS)
    todo = [(protocol, load, clients) for load in loads for protocol in PROTOCOLS for clients in (1, 16, 64)]
    results = {}
    with Web() as lab:
        for repeat in range(given.repeats):
            for each in todo:
                for target in lab.targets:
                    results.setdefault((*each, target), []).append(measure(lab, (*each, target), given.seconds))
            print(f"repeat {repeat + 1} of {given.repeats} done", file=sys.stderr)
        report(results, todo, list(lab.targets))


if __name__ == "__main__":
    main()
