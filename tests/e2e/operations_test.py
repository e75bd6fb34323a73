"""What an operator does while agents are at work: pause, lockdown, rotate, a peer's time; and stops the gateway."""
import contextlib
import json
import signal
import time
import unittest

import wire
from lab import DAEMON_UID, NETD_UID, Lab, run, wait_until
from shared_lab import SharedLab

SECOND = 1.0
DRAIN = 5  # limits.drain_timeout


class Operations(SharedLab):
    setting = {"extra": f'\n[limits]\nworkers = 2\ndrain_timeout = "{DRAIN}s"\n'}

    def served(self):
        try:
            connection = wire.Connection(self.lab.connect(self.address, timeout=1)).login()
            connection.socket.close()
            return True
        except (OSError, wire.Closed, wire.Refused):
            return False

    def assert_cut(self, connection, act):
        """In a query that takes long, told in PostgreSQL's own words, within a second."""
        connection.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: "pg_sleep" in self.lab.cpctl("flows").stdout, "the query to run")
        connection.socket.settimeout(10)
        begun = time.monotonic()
        act()
        self.assertEqual(wire.error_codes(connection.until("E")), ["57P01"])
        self.assertLess(time.monotonic() - begun, SECOND)

    def operated(self):
        return [(line["command"], line.get("object", "")) for line in self.lab.audit_lines() if line.get("type") == "operator"]

    def test_lockdown(self):
        """cpctl lockdown --all cuts what is in flight and refuses what is new, over a restart of netd too"""
        other = self.session()
        self.assert_cut(self.session(), lambda: self.lab.cpctl("lockdown", "--all"))
        with self.assertRaises((wire.Closed, OSError)):
            other.simple("SELECT 1")
        self.assertFalse(self.served())
        self.lab.end(self.lab.netd)
        self.lab.start_netd()
        self.lab.wait_serving()
        self.assertFalse(self.served(), "a lockdown outlives a restart")
        self.assertIn("locked down", self.lab.cpctl("peers", "list").stdout)
        self.lab.cpctl("unlock", "--all")
        wait_until(self.served, "the agent to be served again")
        wait_until(lambda: ("unlock", "") in self.operated(), "the audit lines")
        self.assertIn(("lockdown", ""), self.operated())

    def test_pause(self):
        """cpctl peers pause cuts one peer, and resume lets it in again"""
        self.assert_cut(self.session(), lambda: self.lab.cpctl("peers", "pause", "builder-1"))
        self.assertFalse(self.served())
        # Not by the end of a lockdown that was of all.
        self.lab.cpctl("unlock", "--all")
        self.assertFalse(self.served())
        self.lab.cpctl("peers", "resume", "builder-1")
        wait_until(self.served, "the agent to be served again")

    def test_drain(self):
        """A gateway that is told to stop waits for who is at work, and takes nobody new meanwhile"""
        busy = self.session()
        busy.send(wire.query("SELECT pg_sleep(1.5)"))
        wait_until(lambda: "pg_sleep" in self.lab.cpctl("flows").stdout, "the query to run")
        self.lab.daemon.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # so that it has stopped accepting
        waiting = wire.Connection(self.lab.connect(self.address))  # in netd's listener
        self.addCleanup(waiting.socket.close)
        waiting.send(wire.startup(user="agent", database="app"))
        busy.socket.settimeout(10)
        kinds = [message[0] for message in busy.until("Z")]
        self.assertIn("C", kinds, "what went on was finished")
        self.assertIsNone(self.lab.daemon.poll(), "the session is there, and is waited for")
        busy.send(b"X\0\0\0\4")
        busy.socket.close()
        self.lab.daemon.wait(5)
        self.lab.start_daemon()
        waiting.socket.settimeout(10)
        self.assertEqual(waiting.until("Z", "E")[-1][0], "Z", "who came meanwhile was not lost")

    def test_farewells(self):
        """A gateway that stops asks who rests to leave at once, and who stays gets 57P01 after limits.drain_timeout"""
        resting, open_transaction, busy = (self.session() for _ in range(3))
        open_transaction.simple("BEGIN")
        resting.simple("SELECT 1")
        busy.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: "pg_sleep" in self.lab.cpctl("flows").stdout, "the query to run")
        begun = time.monotonic()
        self.lab.daemon.send_signal(signal.SIGTERM)
        for connection in (resting, open_transaction, busy):
            connection.socket.settimeout(15)
        self.assertEqual(wire.error_codes(resting.until("E")), ["57P01"])
        self.assertLess(time.monotonic() - begun, DRAIN - 1.0)
        # Who works may go on, also when he was silent for longer than one that rests may be.
        time.sleep(max(0.0, begun + 2.0 - time.monotonic()))
        open_transaction.simple("SELECT 1")
        for connection in (open_transaction, busy):
            self.assertEqual(wire.error_codes(connection.until("E")), ["57P01"])
        took = time.monotonic() - begun
        self.assertGreaterEqual(took, DRAIN - 0.5)
        self.assertLess(took, DRAIN + 2.0)
        self.lab.daemon.wait(10)
        self.lab.start_daemon()
        wait_until(self.served, "the agent to be served again")

    def test_metrics_and_doctor(self):
        """cpctl metrics counts what was done, and doctor finds both daemons as they are to be"""
        self.session().simple("SELECT 1")
        text = self.lab.cpctl("metrics").stdout
        self.assertRegex(text, r'clawpatrol_actions_total\{endpoint="pg-prod",kind="read",verdict="allow"\} [1-9]')
        findings = {line["subject"]: line for line in map(json.loads, self.lab.cpctl("doctor", "-o", "json", check=False).stdout.splitlines())}
        for subject in ("clawpatrold", "clawpatrol-netd", "clawpatrold's privileges", "clawpatrol-netd's privileges", "steering",
                        "configuration", "audit chain", "certificate authority"):
            self.assertEqual(findings[subject]["health"], "good", findings[subject])
        # By what this machine lets the gateway lock, of which it tells the truth.
        locked = json.loads(self.lab.cpctl("status", "-o", "json").stdout.splitlines()[0])["memory_locked"]
        self.assertEqual(findings["locked memory"]["said"].startswith("not all"), not locked, findings["locked memory"])


class FullDiskLab(Lab):
    """What both daemons keep is on a small file system of its own, as it may be on /var."""

    def make_directories(self):
        super().make_directories()
        for folder, uid in ((self.state, DAEMON_UID), (self.netd_state, NETD_UID)):
            run("mount", "-t", "tmpfs", "-o", f"size=24m,mode=0700,uid={uid},gid={uid}", "tmpfs", folder)
            self.stack.callback(run, "umount", "-l", folder, check=False)

    def fill_disk(self):
        for folder in (self.state, self.netd_state):
            with contextlib.suppress(OSError), open(folder / "ballast", "wb", buffering=0) as ballast:
                while ballast.write(bytes(1 << 16)):
                    pass

    def free_disk(self):
        for folder in (self.state, self.netd_state):
            (folder / "ballast").unlink(missing_ok=True)


class FullDisk(Operations):
    """Who is to be shut out is so at once, also where nothing can be written."""
    setting = {"tunnel": "go"}
    laboratory = FullDiskLab
    test_lockdown = test_pause = test_drain = test_farewells = test_metrics_and_doctor = None

    def tearDown(self):
        self.lab.free_disk()

    def refused_peers(self):
        answer = json.loads(self.lab.cpctl("peers", "list", "-o", "json").stdout)
        return {peer["name"]: peer["blocked"] for peer in answer["peers"]}

    def test_lockdown_on_a_full_disk(self):
        """cpctl lockdown cuts and refuses at once, and says that it does not outlive a restart of netd"""
        answers = []

        def lock():
            self.lab.fill_disk()
            answers.append(self.lab.cpctl("lockdown", "--all", check=False))

        self.assert_cut(self.session(), lock)
        self.assertEqual(answers[0].returncode, 1)
        self.assertIn("in force, but not kept", answers[0].stderr)
        self.assertEqual(self.refused_peers(), {"builder-1": "locked down by an operator"})
        self.lab.free_disk()
        self.assertFalse(self.served(), "it stays in force")
        self.lab.cpctl("unlock", "--all")
        wait_until(self.served, "the agent to be served again")

    def test_a_time_that_ends_on_a_full_disk(self):
        """A peer's time ends to the second; it is not written to the log each second, and removed when it can be"""
        again = ("peers", "add", "builder-1", "--public-key", self.lab.peer["peer"]["public_key"])
        self.addCleanup(self.lab.cpctl, *again)
        self.lab.cpctl("peers", "rm", "builder-1")
        self.lab.cpctl(*again, "--ttl", "5s")
        begun = time.monotonic()
        wait_until(self.served, "the agent to be served again")
        connection = self.session()
        connection.send(wire.query("SELECT pg_sleep(60)"))
        connection.socket.settimeout(10)
        wait_until(lambda: "pg_sleep" in self.lab.cpctl("flows").stdout, "the query to run")
        self.lab.fill_disk()
        self.assertEqual(wire.error_codes(connection.until("E")), ["57P01"])
        self.assertLess(time.monotonic() - begun, 7.0, "five seconds, one that is not whole, and one to be cut")
        self.assertEqual(self.refused_peers(), {"builder-1": "its time is over"})
        time.sleep(3)  # in which a retry each second would be seen
        said = (self.lab.directory / "netd.log").read_text().count("shut out, and not yet removed")
        self.assertEqual(said, 1)
        self.lab.free_disk()
        wait_until(lambda: self.refused_peers() == {}, "the peer to be removed")
        wait_until(lambda: ("peers_expire", "builder-1") in self.operated(), "the audit line")


if __name__ == "__main__":
    unittest.main()
