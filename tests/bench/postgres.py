#!/usr/bin/python3
"""pgbench through nothing, through pgbouncer, and through us: interleaved repeats, medians, spread, ratios.

    scripts/bench postgres [--repeats 5] [--seconds 5] [--quick]

All three cross the same veth pairs between the same namespaces, in clear text (libpq would take TLS from us, where it
is offered, and not from pgbouncer, which has no certificate here). pgbouncer is in session pooling over TCP with a pool
no smaller than the clients. Ours runs as in production: its own uid, 50 rules of which 49 read SQL facets and do not
match and the last allows, audit.sync at its default. audit.keep_for is 0s: one agent that writes a log full in a minute
would be denied. Every run begins with server processes of its own, through pgbouncer too (RECONNECT): those of the run
before have their caches and the pages of shared memory already, which in a run of seconds is a tenth and more.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("CLAWPATROL_BUILD", str(ROOT / "build" / "release"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from lab import ALLOW_ALL, Lab, environment, run, wait_until  # noqa: E402

# Every rule reads something of the statement, none matches what pgbench sends.
CONDITIONS = [
    "sql.verbs.exists(v, v in ['drop', 'truncate', 'alter', 'grant'])",
    "'secrets_{i}' in sql.tables",
    "sql.verb == 'delete' && sql.unbounded",
    "sql.functions.exists(f, f == 'pg_read_file_{i}')",
    "'file' in sql.classes || 'program' in sql.classes",
    "sql.writes.exists(t, t.startsWith('audit_{i}'))",
    "sql.copy.target == 'program'",
]


def fifty_rules():
    rules = []
    for i in range(49):
        condition = CONDITIONS[i % len(CONDITIONS)].format(i=i)
        rules.append(f'[[rule]]\nname = "deny-{i}"\nendpoint = "pg-prod"\ncondition = "{condition}"\nverdict = "deny"\n')
    return "\n".join(rules) + ALLOW_ALL


class Bench(Lab):
    server_settings = ("fsync=on", "log_statement=none")

    def __enter__(self):
        super().__enter__()
        # A second wire that is not steered, for what is compared with us.
        self.wire(self.agent, "eth1", ("10.77.3.2/24",), self.gateway, "side0", ("10.77.3.1/24",))
        run("ip", "-n", self.agent, "route", "add", "10.77.2.0/24", "via", "10.77.3.1")
        run("ip", "-n", self.upstream, "route", "add", "10.77.3.0/24", "via", "10.77.2.1")
        run(*self.inside(self.gateway, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        run("pgbench", "-i", "-s", "10", "-q", "-h", self.directory / "pg", "-U", "postgres", "app", cwd="/")
        self.start_pgbouncer()
        return self

    def start_pgbouncer(self):
        folder = self.directory / "bouncer"
        folder.mkdir(mode=0o755)
        (folder / "users").write_text('"agent_ro" "reader-secret"\n')
        (folder / "bouncer.ini").write_text(
            "[databases]\napp = host=10.77.2.2 port=5432 dbname=app user=agent_ro password=reader-secret\n"
            "[pgbouncer]\nlisten_addr = 10.77.3.1\nlisten_port = 6432\nauth_type = any\nauth_file = "
            f"{folder}/users\nadmin_users = agent_ro\npool_mode = session\ndefault_pool_size = 100\nmax_client_conn = 500\n"
            "ignore_startup_parameters = extra_float_digits\nunix_socket_dir =\nlog_connections = 0\n"
            "log_disconnections = 0\n")
        self.bouncer = self.spawn("pgbouncer", self.inside(
            self.gateway, "setpriv", "--reuid=64901", "--regid=64901", "--clear-groups", "pgbouncer",
            folder / "bouncer.ini"))
        wait_until(lambda: run(*self.inside(self.agent, "pg_isready", "-h", "10.77.3.1", "-p", "6432"),
                               check=False).returncode == 0, "pgbouncer", process=self.bouncer)

    def forget_servers(self):
        """Lets pgbouncer end the sessions that it keeps, which a run before ours has warmed."""
        run(*self.inside(self.agent, "psql", "-qh", "10.77.3.1", "-p", 6432, "-U", "agent_ro", "-c", "RECONNECT",
                         "pgbouncer"), cwd="/", env=environment() | {"PGSSLMODE": "disable"})

    def use(self, workers, rules):
        """Restarts our daemon with so many workers and these rules."""
        self.end(self.daemon)
        self.rules, self.extra = rules, f"\n[limits]\nworkers = {workers}\n"
        self.write_policy()
        self.start_daemon()

    def pgbench(self, host, port, options, clients, seconds, script=None):
        argv = ["pgbench", "-n", "-h", host, "-p", port, "-U", "agent_ro", "-c", clients, "-j", min(clients, 2),
                "-T", seconds, *options, "app"]
        if script:
            argv[1:1] = ["-f", script]
        out = run(*self.inside(self.agent, *argv), cwd="/", timeout=seconds + 60,
                  env=environment() | {"PGPASSWORD": "reader-secret", "PGSSLMODE": "disable"}).stdout
        if "tps = " not in out:
            raise RuntimeError(f"pgbench measured nothing:\n{out}")
        tps = float(re.search(r"tps = ([0-9.]+)", out).group(1))
        latency = float(re.search(r"latency average = ([0-9.]+) ms", out).group(1))
        failed = re.search(r"number of failed transactions: (\d+)", out)
        if failed and int(failed.group(1)):
            raise RuntimeError(f"pgbench had failures:\n{out}")
        return tps, latency * 1000

    def cpu_seconds(self):
        """User and system time of our daemon."""
        pid = subprocess.run(["pgrep", "-P", str(self.daemon.pid)], capture_output=True, text=True).stdout.split()
        pid = pid[0] if pid else self.daemon.pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median_and_spread(values):
    middle = statistics.median(values)
    return middle, (max(values) - min(values)) / middle if middle else 0


def cases(quick):
    select = [("-S simple", ["-S", "-M", "simple"]), ("-S prepared", ["-S", "-M", "prepared"])]
    for name, options in select:
        for clients in (1, 16, 64):
            yield name, options, clients, None
    if not quick:
        for clients in (1, 16):
            yield "-N simple", ["-N", "-M", "simple"], clients, None
        yield "ever-different texts", ["-M", "simple"], 16, "misses"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=5, help="of each run; pgbench counts the logins too")
    arguments.add_argument("--quick", action="store_true", help="-S only")
    given = arguments.parse_args()
    with Bench(rules=fifty_rules(), audit='\n[audit]\nkeep_for = "0s"\n', workers=None) as lab:
        misses = lab.directory / "misses.sql"
        misses.write_text("\\set a random(1, 1000000)\n\\set b random(1, 1000000000)\n"
                          "SELECT abalance, :b AS n FROM pgbench_accounts WHERE aid = :a;\n")
        ours = lab.virtual_address()
        results, cpu = {}, {}
        todo = list(cases(given.quick))
        for repeat in range(given.repeats):
            for setup in ("compared", "ours, 1 worker", "ours, 2 workers", "ours, 1 rule"):
                if setup == "compared":
                    targets = [("direct", "10.77.2.2", 5432), ("pgbouncer", "10.77.3.1", 6432)]
                else:
                    lab.use(2 if "2" in setup else 1, ALLOW_ALL if "1 rule" in setup else fifty_rules())
                    targets = [(setup, ours, 5432)]
                for name, options, clients, script in todo:
                    for target, host, port in targets:
                        before = lab.cpu_seconds() if target.startswith("ours") else 0
                        key = (name, clients, target)
                        if target == "pgbouncer":
                            lab.forget_servers()
                        measured = lab.pgbench(host, port, options, clients, given.seconds,
                                               misses if script else None)
                        results.setdefault(key, []).append(measured)
                        if target.startswith("ours"):
                            used = (lab.cpu_seconds() - before) / (measured[0] * given.seconds)
                            cpu.setdefault(key, []).append(used * 1e6)
            print(f"repeat {repeat + 1} of {given.repeats} done", file=sys.stderr)
        report(results, cpu, todo)


def report(results, cpu, todo):
    print("| run | clients | direct tps | pgbouncer | ours, 1 worker | ours, 2 workers | ours/pgbouncer tps (1w, 2w) | "
          "added us: pgbouncer, 1w, 2w | added ratio (best) | CPU us/query, of it rules |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, _, clients, _ in todo:
        tps, lat, cells = {}, {}, []
        for target in ("direct", "pgbouncer", "ours, 1 worker", "ours, 2 workers"):
            values = results[(name, clients, target)]
            tps[target], spread = median_and_spread([v[0] for v in values])
            lat[target], _ = median_and_spread([v[1] for v in values])
            cells.append(f"{tps[target]:.0f} ±{spread * 50:.0f}%")
        added = {t: lat[t] - lat["direct"] for t in lat if t != "direct"}
        best = min(added["ours, 1 worker"], added["ours, 2 workers"])
        spent = statistics.median(cpu[(name, clients, "ours, 1 worker")])
        plain = statistics.median(cpu[(name, clients, "ours, 1 rule")])
        print(f"| {name} | {clients} | {' | '.join(cells)} | "
              f"{tps['ours, 1 worker'] / tps['pgbouncer']:.2f}, {tps['ours, 2 workers'] / tps['pgbouncer']:.2f} | "
              f"{added['pgbouncer']:.0f}, {added['ours, 1 worker']:.0f}, {added['ours, 2 workers']:.0f} | "
              f"{best / added['pgbouncer'] if added['pgbouncer'] > 0 else float('nan'):.2f} | "
              f"{spent:.1f}, {max(0.0, 1 - plain / spent) * 100:.0f}% |")


if __name__ == "__main__":
    main()
