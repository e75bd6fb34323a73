#!/usr/bin/python3
"""Each process may die, stop or hang under load, and nothing that was not judged gets through."""

import copy
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import wire
from lab import BUILD, DAEMON_UID, Lab, environment, run, wait_until

RULES = """
[[rule]]
name      = "no-drop"
endpoint  = "pg-prod"
priority  = 10
condition = "sql.verbs.exists(v, v in ['drop'])"
verdict   = "deny"

[[rule]]
name      = "rest"
endpoint  = "pg-prod"
on        = ["statement", "cancel"]
verdict   = "allow"
condition = "true"
"""

# A table that exists, so that a DROP that got through would be seen.
MARK = "DROP TABLE IF EXISTS users /* refused */"


class Load:
    """pgbench, and beside it an agent that tries again and again what it is refused."""

    def __init__(self, lab, address):
        self.lab, self.address = lab, address
        self.stop = threading.Event()

    def __enter__(self):
        self.bench = subprocess.Popen(
            self.lab.inside(self.lab.agent, "pgbench", "-n", "-S", "-c", "8", "-j", "2", "-T", "60", "-h", self.address,
                            "-U", "agent", "app"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment(), cwd="/")
        self.thread = threading.Thread(target=self.harass)
        self.thread.start()
        return self

    def harass(self):
        while not self.stop.is_set():
            try:
                connection = wire.Connection(self.lab.connect(self.address, timeout=1)).login()
                # The refused statement also behind an allowed one, in one segment, so that it is in every state.
                while not self.stop.is_set():
                    connection.send(wire.query("SELECT 1"), wire.query(MARK))
                    connection.until("Z")
                    connection.until("Z")
            except (OSError, wire.Closed, wire.Refused):
                self.stop.wait(0.02)

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.bench.send_signal(signal.SIGKILL)
        self.bench.wait()


class Survival(unittest.TestCase):
    def setUp(self):
        self.lab = Lab(rules=RULES).__enter__()
        self.addCleanup(self.lab.__exit__, None, None, None)
        run("pgbench", "-i", "-q", "-h", self.lab.directory / "pg", "-U", "postgres", "app", cwd="/")
        self.address = self.lab.virtual_address()
        # What a steering fault would expose: a wildcard service of the gateway's own.
        self.wildcard = subprocess.Popen(
            self.lab.inside(self.lab.gateway, "/usr/bin/python3", "-c",
                            "import socket;s=socket.create_server(('::',2222),family=socket.AF_INET6,"
                            "dualstack_ipv6=True)\nwhile True: s.accept()[0].sendall(b'SSH')"))
        self.addCleanup(self.wildcard.wait)
        self.addCleanup(self.wildcard.kill)

    def assert_unharmed(self):
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100")
        reached = [line for line in (self.lab.directory / "postgres.log").read_text(errors="replace").splitlines()
                   if "refused */" in line and "denied" not in line]
        self.assertEqual(reached, [], "a refused statement reached the server")

    def assert_nothing_passes(self):
        for address, port in ((self.address, 5432), ("fd77:1::1", 2222), ("10.77.1.1", 2222), ("fd99::1", 2222),
                              ("10.77.2.2", 5432), ("192.0.2.1", 2222)):
            try:
                with self.lab.connect(address, port, timeout=1) as connection:
                    connection.settimeout(1)
                    connection.sendall(wire.startup(user="agent", database="app"))
                    self.assertEqual(connection.recv(100), b"", f"{address} answered")
            except (socket.timeout, OSError):
                pass

    def serves(self):
        try:
            connection = wire.Connection(self.lab.connect(self.address, timeout=3)).login()
            answer = wire.rows(connection.simple("SELECT 42")) == [["42"]]
            connection.socket.close()
            return answer
        except (OSError, wire.Closed, wire.Refused):
            return False

    def assert_serves_within(self, seconds, begun):
        wait_until(self.serves, "the gateway to serve again", 20)
        self.assertLess(time.monotonic() - begun, seconds)

    def test_daemon_killed(self):
        """invariant 2: clawpatrold dead, nothing passes; restarted, it serves within two seconds"""
        with Load(self.lab, self.address):
            time.sleep(1.5)  # the load itself is what is tested
            self.lab.daemon.kill()
            self.lab.daemon.wait()
            self.assert_nothing_passes()
            waiting = wire.Connection(self.lab.connect(self.address))  # netd's listener completes the handshake
            waiting.send(wire.startup(user="agent", database="app"))
            begun = time.monotonic()
            self.lab.start_daemon()
            self.assert_serves_within(2, begun)
            self.assertEqual(waiting.until("Z", "E")[-1][0], "Z", "a connection that waited is served")
        self.assert_unharmed()

    def test_daemon_stopped(self):
        """invariant 2: clawpatrold stopped, nothing passes and nothing is lost"""
        connection = wire.Connection(self.lab.connect(self.address)).login()
        self.lab.daemon.send_signal(signal.SIGSTOP)
        connection.send(wire.query("SELECT 'later'"), wire.query(MARK))
        self.assert_nothing_passes()
        self.lab.daemon.send_signal(signal.SIGCONT)
        self.assertEqual(wire.rows(connection.until("Z")), [["later"]])
        self.assertEqual(wire.error_codes(connection.until("Z")), ["42501"])
        self.assert_unharmed()

    def test_daemon_ended(self):
        """A daemon that is told to end leaves an outcome for every action, of what it breaks off too"""
        connection = wire.Connection(self.lab.connect(self.address)).login()
        self.addCleanup(connection.socket.close)
        connection.send(wire.query("SELECT pg_sleep(30)"))
        wait_until(lambda: self.lab.admin("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'")
                   == "1", "the statement to run")
        self.lab.end(self.lab.daemon)
        lines = self.lab.audit_lines()
        allowed = [line["id"] for line in lines if line.get("verdict") == "allow"]
        codes = {line["id"]: line["code"] for line in lines if line.get("type") == "outcome"}
        self.assertEqual([codes.get(action) for action in allowed], ["00000", "ended"])
        heads = re.findall("audit head (.*)", (self.lab.directory / "daemon.log").read_text())
        self.assertGreaterEqual(len(heads), 2, "one when it starts, one when it stops")
        verified = json.loads(self.lab.cpctl("audit", "verify", "--head", heads[-1], "-o", "json").stdout)
        self.assertEqual((verified["ok"], verified["head_check"]), (True, "found"))

    def test_daemon_told_to_reload(self):
        """SIGHUP (systemctl reload) puts the configuration in force, and a wrong one is said and not taken"""
        status = lambda: json.loads(self.lab.cpctl("status", "-o", "json").stdout.splitlines()[0])
        before = status()["generation"]
        self.lab.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: status()["generation"] == before + 1, "the next generation")
        self.lab.write_policy("nonsense")
        self.lab.daemon.send_signal(signal.SIGHUP)
        log = self.lab.directory / "daemon.log"
        wait_until(lambda: "reload refused; the policy in force stays" in log.read_text(), "the refusal")
        self.assertEqual(status()["generation"], before + 1)

    def test_netd_killed(self):
        """invariant 3: clawpatrol-netd dead, connections go on and new ones come; restarted, it takes over"""
        connection = wire.Connection(self.lab.connect(self.address)).login()
        with Load(self.lab, self.address):
            time.sleep(1)
            self.lab.netd.kill()
            self.lab.netd.wait()
            self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])
            self.assertTrue(self.serves())
            begun = time.monotonic()
            self.lab.start_netd()
            self.lab.wait_serving(5)
            self.assert_serves_within(2, begun)
            self.assertEqual(wire.rows(connection.simple("SELECT 2")), [["2"]])
        # The restarted netd holds what the next daemon needs.
        self.lab.daemon.kill()
        self.lab.daemon.wait()
        self.assert_nothing_passes()
        self.lab.start_daemon()
        self.assertTrue(self.serves())
        self.assert_unharmed()

    def start_second_daemon(self):
        """As after a restart that left the first one hanging: its own state and sockets, but the same netd."""
        second = copy.copy(self.lab)
        second.state, second.run_dir = self.lab.directory / "state-2", self.lab.directory / "run-2"
        for folder in (second.state, second.run_dir):
            folder.mkdir(mode=0o700)
            os.chown(folder, DAEMON_UID, DAEMON_UID)
        (second.run_dir / "netd.sock").symlink_to(self.lab.run_dir / "netd.sock")
        second.spawn_daemon()
        second.cpctl("creds", "set", "pg-reader", input="reader-secret\n")
        return second

    def connected_to_netd(self, lab):
        return json.loads(lab.cpctl("status", "-o", "json").stdout.splitlines()[0])["netd"]["connected"]

    def test_two_daemons(self):
        """attack 24: beside a daemon that hangs another gets nothing from netd, until the first is dead"""
        connection = wire.Connection(self.lab.connect(self.address)).login()
        self.lab.daemon.send_signal(signal.SIGSTOP)
        second = self.start_second_daemon()
        self.assertFalse(self.connected_to_netd(second))
        self.assert_nothing_passes()
        self.lab.daemon.send_signal(signal.SIGCONT)
        self.assertEqual(wire.rows(connection.simple("SELECT 'the first goes on'")), [["the first goes on"]])
        self.assertTrue(self.serves())
        self.assertFalse(self.connected_to_netd(second))
        self.lab.daemon.kill()
        wait_until(lambda: self.connected_to_netd(second), "netd to serve the second")
        self.assertTrue(connection.closed())
        self.assertTrue(self.serves())
        self.assert_unharmed()

    def test_both_killed(self):
        """invariant 3: both dead, the filter and the local route outlive their maker and nothing passes"""
        with Load(self.lab, self.address):
            time.sleep(1)
            for process in (self.lab.netd, self.lab.daemon):
                process.kill()
            for process in (self.lab.netd, self.lab.daemon):
                process.wait()
            self.assert_nothing_passes()
            begun = time.monotonic()
            self.lab.start_netd()
            self.lab.start_daemon()
            self.assert_serves_within(2, begun)
        self.assert_unharmed()



class Privileges(unittest.TestCase):
    def test_what_the_daemon_gives_up(self):
        """Whatever it is started with, the daemon has no capability, no way to gain one, a filter on its system calls
        and no core file; and it does not run as root"""
        class Lavish(Lab):
            capabilities = "+net_admin,+bpf,+net_bind_service,+sys_ptrace"
            daemon_privileges = (f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}")
        with Lavish(postgres=False) as lab:
            process = pathlib.Path(f"/proc/{lab.daemon.pid}")
            status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
            for each in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(status[each], 16), 0, each)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            for task in (process / "task").iterdir():
                self.assertIn("Seccomp:\t2", (task / "status").read_text(), "every thread has the filter")
            limits = (process / "limits").read_text()
            self.assertEqual(re.search(r"Max core file size +(\S+) +(\S+)", limits).groups(), ("0", "0"))
            # What belongs to root although the process does not is not dumpable.
            self.assertEqual((process / "environ").stat().st_uid, 0)
            refused = run(*lab.inside(lab.gateway, BUILD / "daemon" / "clawpatrold", "--config", lab.config, "--state",
                                      lab.state, "--run", lab.run_dir), check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("clawpatrold: this does not run as root", refused.stderr)


class Descriptors(unittest.TestCase):
    def test_as_many_connections_as_descriptors(self):
        """The soft limit on open files is raised, and what does not fit below the hard one is said, not met later"""
        with Lab(postgres=False) as lab:
            def start(prefix):
                lab.end(lab.daemon)
                lab.daemon_prefix = ("prlimit", f"--nofile={prefix}")
                lab.spawn_daemon()
            start("256:1024")
            lab.wait_serving()
            with open(f"/proc/{lab.daemon.pid}/limits") as limits:
                files = next(line for line in limits if line.startswith("Max open files"))
            self.assertEqual(files.split()[3:5], ["1024", "1024"])
            self.assertEqual(json.loads(lab.cpctl("status", "-o", "json").stdout.splitlines()[0])["flow_limit"], 256)
            self.assertIn("there are descriptors for 256 only", (lab.directory / "daemon.log").read_text())
            with self.assertRaises(RuntimeError):
                start("256:512")
            self.assertIn("512 descriptors are too few", (lab.directory / "daemon.log").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
