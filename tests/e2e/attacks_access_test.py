#!/usr/bin/python3
"""Attack 20, performed: access that was taken away is used no more, and nobody is given another's address."""

import contextlib
import json
import signal
import socket
import unittest

import wire
from lab import BUILD, Lab, run, wait_until
from shared_lab import SharedLab

# Two profiles, so that a peer can be moved to one that reaches nothing.
EMPTY_PROFILE = "\n[profile.empty]\ncredentials = []\n"


class EditedLab(Lab):
    """edits: pairs of texts, replaced in the configuration as it is written."""

    edits = ()

    def policy_text(self):
        text = super().policy_text()
        for old, new in self.edits:
            if old not in text:
                raise ValueError(f"the configuration has no {old!r}")
            text = text.replace(old, new)
        return text


class Access(SharedLab):
    def assert_ended(self, connection, message=None):
        """It closes, with the error of a server that shuts down or with none; nothing else comes before."""
        frames = []
        with self.assertRaises(wire.Closed, msg=message):
            while True:
                frames.append(connection.read())
        self.assertEqual(wire.kinds(frames).strip("E"), "", message)
        for error in wire.errors(frames):
            self.assertEqual((error["S"], error["C"]), ("FATAL", "57P01"), message)


class TakenAway(Access):
    """What a connection has is taken away while it is open."""

    laboratory, setting = EditedLab, {"second_agent": True, "extra": EMPTY_PROFILE}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.admin("CREATE TABLE ledger (n int)")
        cls.lab.admin("CREATE ROLE other_ro LOGIN PASSWORD 'reader-secret'")

    @contextlib.contextmanager
    def edited(self, *edits):
        self.lab.edits = edits
        try:
            self.lab.reload()
            yield
        finally:
            self.lab.edits = ()
            self.lab.reload()

    @contextlib.contextmanager
    def commanded(self, *argv, **options):
        """An operator's command that changes the credential's value."""
        try:
            self.lab.cpctl(*argv, **options)
            yield
        finally:
            self.lab.cpctl("creds", "set", "pg-reader", input="reader-secret\n")

    def changes(self):
        """What is taken away, and how."""
        granted = 'credentials = ["pg-reader"]'
        table = self.lab.policy_text()
        table = table[table.index("[peer.builder-1]"):table.index("[peer.builder-2]")]
        return {
            "the grant": lambda: self.edited((granted, "credentials = []")),
            "the endpoint": lambda: self.edited(("pg-prod", "pg-renamed")),
            "the peer's profile": lambda: self.edited((table, table.replace('"data"', '"empty"'))),
            "the peer's name": lambda: self.edited(("[peer.builder-1]", "[peer.builder-9]")),
            "the peer": lambda: self.edited((table, "")),
        }

    def changes_of_values(self):
        return {
            "the endpoint's address": lambda: self.edited(("pg.internal:5432", "pg.internal:5433")),
            "the credential's user": lambda: self.edited(('user     = "agent_ro"', 'user     = "other_ro"')),
            "the credential's value": lambda: self.commanded("creds", "set", "pg-reader", input="another-secret\n"),
            "the value, by the same": lambda: self.commanded("creds", "set", "pg-reader", input="reader-secret\n"),
            "the value, for none": lambda: self.commanded("creds", "rm", "pg-reader"),
        }

    def after(self, change, connection, what, *messages):
        with change():
            with contextlib.suppress(wire.Closed):
                connection.send(*messages)
            self.assert_ended(connection, what)

    def assert_ledger_empty(self):
        self.assertEqual(self.lab.admin("SELECT count(*) FROM ledger"), "0")

    def test_20_in_a_transaction(self):
        """attack 20: a connection in a transaction ends before another statement of it is forwarded"""
        for what, change in (self.changes() | self.changes_of_values()).items():
            connection = self.session()
            connection.simple("BEGIN")
            connection.simple("INSERT INTO ledger VALUES (1)")
            self.after(change, connection, what, wire.query("INSERT INTO ledger VALUES (2); COMMIT; SELECT 'after it'"))
        self.assert_ledger_empty()
        self.assertNotIn("after it", (self.lab.directory / "postgres.log").read_text())
        self.assertEqual(wire.rows(self.session().simple("SELECT 1")), [["1"]], "what was given back is there again")

    def test_20_in_a_copy(self):
        """attack 20: a COPY that has begun ends before more of its data is forwarded, and leaves no row"""
        for what, change in (self.changes() | self.changes_of_values()).items():
            connection = self.session()
            connection.send(wire.query("COPY ledger FROM STDIN")).until("G")
            connection.send(wire.frame("d", b"1\n"))
            self.after(change, connection, what, wire.frame("d", b"2\n"), wire.frame("c"))
        self.assert_ledger_empty()

    def test_20_idle_and_silent(self):
        """attack 20: an idle connection ends at once, though its agent sends nothing"""
        moved = {"the peer's address": lambda: self.edited(('"10.77.1.2"', '"10.77.1.77"'))}
        for what, change in (self.changes() | self.changes_of_values() | moved).items():
            with self.subTest(what):
                connection = self.session()
                connection.socket.settimeout(2)
                with change():
                    self.assert_ended(connection, what)

    def test_20_while_a_statement_runs(self):
        """attack 20: a connection whose agent waits for an answer ends at once"""
        for what, change in (self.changes() | self.changes_of_values()).items():
            connection = self.session()
            connection.send(wire.query("SELECT pg_sleep(60)"))
            wait_until(lambda: self.running() == "1", "the statement to run")
            with change():
                self.assert_ended(connection, what)
            self.lab.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
            wait_until(lambda: self.running() == "0", "the server to have ended it")

    def told_before_login(self, connection, state, kill):
        """Kills a connection that is not logged in: it is told so and gone, long before it would end by itself."""
        self.addCleanup(connection.socket.close)

        def flows():
            answer = self.lab.cpctl("flows", "-o", "json").stdout.splitlines()
            return [flow["id"] for flow in map(json.loads, answer) if flow["state"] == state]
        flow, = wait_until(flows, f"a flow in state {state!r}")
        kill(flow)
        connection.socket.settimeout(1)
        self.assertEqual(wire.error_codes(connection.until("E")), ["57P01"], state)
        self.assertTrue(connection.closed(), state)
        wait_until(lambda: not flows(), "the flow to be gone", 1)

    def killed_by_id(self, flow):
        self.lab.cpctl("flows", "kill", flow)

    def test_20_before_it_is_logged_in(self):
        """attack 20: a connection that is not logged in yet ends at once too, and neither dials nor logs in"""
        silent = wire.Connection(self.lab.connect(self.address))
        self.told_before_login(silent, "startup", self.killed_by_id)
        self.lab.postgres.send_signal(signal.SIGSTOP)
        try:
            waiting = wire.Connection(self.lab.connect(self.address)).send(wire.startup(user="agent", database="app"))
            self.told_before_login(waiting, "logging in", self.killed_by_id)
        finally:
            self.lab.postgres.send_signal(signal.SIGCONT)
        run("ip", "-n", self.lab.upstream, "link", "set", "eth0", "down")
        try:
            dialling = wire.Connection(self.lab.connect(self.address)).send(wire.startup(user="agent", database="app"))
            self.told_before_login(dialling, "connecting", lambda _:
                                   self.lab.cpctl("creds", "set", "pg-reader", input="reader-secret\n"))
        finally:
            run("ip", "-n", self.lab.upstream, "link", "set", "eth0", "up")
        self.assertEqual(wire.rows(self.session().simple("SELECT 1")), [["1"]])

    def running(self):
        return self.lab.admin("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")

    def test_20_what_runs_is_cancelled(self):
        """attack 20: a statement that runs when its connection is ended is not carried out behind it"""
        sleeping = "UPDATE users SET name = 'behind' FROM pg_sleep(2) WHERE id = 1"
        session = self.session().send(wire.query(sleeping))
        at_work = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $${sleeping}$$"
        wait_until(lambda: self.lab.admin(at_work) == "1", "the statement at work")
        flow, = [flow["id"] for flow in map(json.loads, self.lab.cpctl("flows", "-o", "json").stdout.splitlines())
                 if flow["type"] == "flow" and flow["state"] == "active"]
        self.killed_by_id(flow)
        self.assertEqual(wire.error_codes(session.until("E")), ["57P01"])
        wait_until(lambda: self.lab.admin(at_work) == "0", "its end", 1)
        self.assertEqual(self.lab.admin("SELECT name FROM users WHERE id = 1"), "user1")

    def test_20_others_go_on(self):
        """attack 20: a change ends the connections that it concerns, and no other"""
        others, own = self.session(namespace=self.lab.other_agent), self.session()
        with self.edited(("[peer.builder-1]", "[peer.builder-9]")):
            self.assert_ended(own)
            self.assertEqual(wire.rows(others.simple("SELECT 'goes on'")), [["goes on"]])
        self.lab.cpctl("reload")
        self.assertEqual(wire.rows(others.simple("SELECT 'still'")), [["still"]])


class Tunnel(EditedLab):
    """wireguard-go's interface and, beside it, an Ethernet whose peers have tables."""

    def policy_text(self):
        return super().policy_text().replace(f'ingress = ["{self.wg_gateway}"]',
                                             f'ingress = ["{self.wg_gateway}", "{self.other_ingress}"]')


class Peers(Access):
    """What `cpctl peers` gives and takes."""

    laboratory, setting = Tunnel, {"tunnel": "go", "second_agent": True}

    def tearDown(self):
        self.tables("")
        self.lab.reload()

    def tables(self, text):
        self.lab.extra_peers = text
        self.lab.write_policy()

    def stray(self, *addresses):
        """A table of the Ethernet that claims these addresses."""
        self.tables(f'\n[peer.stray]\nprofile = "data"\ninterface = "{self.lab.other_ingress}"\n'
                    f'addresses = {json.dumps(addresses)}\n')

    def peers(self):
        return {peer["name"]: peer for peer in json.loads(self.lab.cpctl("peers", "list", "-o", "json").stdout)["peers"]}

    def add(self, name, *argv):
        return json.loads(self.lab.cpctl("peers", "add", name, *argv, "-o", "json").stdout)["peer"]

    def netd_says(self, text, action):
        log = self.lab.directory / "netd.log"
        before = len(log.read_text())
        action()
        wait_until(lambda: text in log.read_text()[before:], f"netd to say {text!r}", process=self.lab.netd)

    def reaches(self, namespace):
        """Whether an agent's connection to the endpoint is served."""
        with self.lab.as_agent(namespace), socket.socket() as connection:
            connection.settimeout(0.5)
            try:
                connection.connect((self.address, 5432))
                wire.Connection(connection).login()
                return True
            except (OSError, wire.Closed):
                return False

    def assert_blocked(self, why):
        """`cpctl reload` waits for netd, and says whom it does not admit."""
        self.assertIn(f"peers did not follow: peer 'stray' is not admitted: {why}", self.lab.reload().stdout)
        self.assertEqual(self.peers()["stray"]["blocked"], why)

    def test_20_another_peers_address(self):
        """attack 20: netd admits no peer with another's address, and says whose it is"""
        for address in self.peers()["builder-1"]["addresses"]:
            self.stray(address, "10.77.4.2")
            why = f"address '{address}': peer 'builder-1' has it"
            self.assert_blocked(why)
            refused = self.lab.cpctl("peers", "add", "stray", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"peer 'stray' is not admitted: {why}", refused.stderr)
            self.assertFalse(self.reaches(self.lab.other_agent))
            self.assertEqual(wire.rows(self.session().simple("SELECT 1")), [["1"]], "whose it is goes on")
        self.stray("10.77.4.2")
        self.assertNotIn("did not follow", self.lab.reload().stdout)
        self.assertTrue(self.reaches(self.lab.other_agent), "the peer is served, once the address is its own")

    def test_20_the_gateways_and_virtual_addresses(self):
        """attack 20: daemon and netd refuse the gateway's own and virtual addresses, with the cause"""
        own, virtual = "It is the gateway's own.", "It is in gateway.virtual, whose addresses stand for names."
        for address, why in (("10.86.0.1", own), ("fd86::1", own), ("10.86.0.0", own), ("198.18.3.4", virtual),
                             ("fd86:0:0:1::9", virtual), ("127.0.0.1", "It is not a unicast address.")):
            self.stray(address)
            refused = self.lab.cpctl("reload", check=False)
            self.assertEqual(refused.returncode, 1, address)
            self.assertIn(f"peer 'stray' cannot have the address '{address}'", refused.stdout + refused.stderr)
            self.assertIn(why, refused.stdout + refused.stderr)
            # netd reads for itself, whatever the daemon thinks.
            self.netd_says(why, lambda: self.lab.netd.send_signal(signal.SIGHUP))
            self.assertNotIn("stray", self.peers())

    def test_20_the_gateways_other_addresses(self):
        """attack 20: netd admits no peer with an address that the gateway has on any interface, nor with one of nobody's"""
        for address in ("10.77.1.1", "10.77.2.1", "fd77:1::1"):
            self.stray(address)
            self.assert_blocked(f"address '{address}': it is the gateway's own")
        self.stray("10.77.4.255")
        self.assert_blocked("address '10.77.4.255': it is the gateway's own")

    def test_20_an_address_that_the_gateway_gets_later(self):
        """attack 20: a peer whose address the gateway is given is admitted no more, until it is given up again"""
        def given(what):
            run("ip", "-n", self.lab.gateway, "addr", what, "10.77.4.2/32", "dev", "up0")
        self.stray("10.77.4.2")
        self.lab.reload()
        self.session(namespace=self.lab.other_agent)
        given("add")
        try:
            # What the gateway says to that address reaches itself, so the agent does not see how it ends.
            wait_until(lambda: "stray" not in self.lab.cpctl("flows", "-o", "json").stdout, "the connection to end")
            self.assertEqual(self.peers()["stray"]["blocked"], "address '10.77.4.2': it is the gateway's own")
        finally:
            given("del")
        wait_until(lambda: self.reaches(self.lab.other_agent), "the peer to be served again")

    def test_20_another_peers_key(self):
        """attack 20: a key is one peer's"""
        key = self.peers()["builder-1"]["public_key"]
        refused = self.lab.cpctl("peers", "add", "twin", "--public-key", key, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("that key is in use: peer 'builder-1'", refused.stderr)

    def test_20_addresses_rest(self):
        """attack 20: no id is given twice, and a removed peer's addresses go to nobody else, over a restart too"""
        first = self.add("first")
        self.lab.cpctl("peers", "rm", "first")
        second = self.add("second")
        self.lab.end(self.lab.netd)
        self.lab.start_netd()
        self.lab.wait_serving()
        third = self.add("third")
        again = self.add("first")
        for name in ("first", "second", "third"):
            self.lab.cpctl("peers", "rm", name)
        given = [address for peer in (first, second, third) for address in peer["addresses"]]
        self.assertEqual(len(set(given)), 6, given)
        self.assertEqual(again["addresses"], first["addresses"], "they rest for others only")
        ids = [peer["id"] for peer in (first, second, third, again)]
        self.assertEqual(sorted(set(ids)), ids)
        self.stray(first["addresses"][0])
        self.assert_blocked(f"address '{first['addresses'][0]}': peer 'first' had it until 0 minutes ago, and "
                            "addresses rest for a day")

    def test_changes_are_audited(self):
        """`cpctl peers add` and `rm` stand in the audit log, with the uid of who asked"""
        self.add("passing")
        self.lab.cpctl("peers", "rm", "passing")
        def changes():
            return [(line["command"], line["uid"], line["phase"]) for line in self.lab.audit_lines()
                    if line.get("object") == "passing"]
        wait_until(lambda: len(changes()) == 2, "both lines")
        self.assertEqual(changes(), [("peers_add", 0, "done"), ("peers_rm", 0, "done")])

    def test_a_stranger_is_told_why(self):
        """Who is neither root nor in the group is told so by netd, and not that it hung up"""
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        refused = run(*as_nobody, BUILD / "cpctl" / "cpctl", "--run", self.lab.run_dir, "peers", "list", check=False)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("permission denied", refused.stderr)
        self.assertIn("hint: Run this as root or as a member of the group clawpatrol.", refused.stderr)

    def test_20_removed(self):
        """attack 20: `cpctl peers rm` closes the peer's connections at once and lets no packet of it in"""
        key = self.peers()["builder-1"]["public_key"]
        connection = self.session()
        self.lab.cpctl("peers", "rm", "builder-1")
        self.assert_ended(connection)
        # wireguard-go's peers are the operator's: it still decrypts what the agent sends, and the filter drops it.
        before = self.spoofed()
        self.assertFalse(self.reaches(self.lab.agent))
        wait_until(lambda: self.spoofed() > before, "the drops to be counted")
        self.add("builder-1", "--public-key", key)
        self.assertEqual(wire.rows(self.session().simple("SELECT 1")), [["1"]])

    def test_20_a_profile_that_was_taken_away(self):
        """attack 20: a peer has the profile that it was added with until a table names one, and none when that goes"""
        key = self.peers()["builder-1"]["public_key"]
        table = '[peer.builder-1]\nprofile = "data"\n'

        def reloaded(*edits):
            self.lab.edits = edits
            self.lab.reload()
        self.addCleanup(reloaded)
        self.lab.cpctl("peers", "rm", "builder-1")
        reloaded((table, EMPTY_PROFILE))
        self.add("builder-1", "--public-key", key, "--profile", "data")
        connection = self.session()
        self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])
        reloaded((table, table.replace("data", "empty") + EMPTY_PROFILE))
        self.assert_ended(connection)
        self.assertFalse(self.reaches(self.lab.agent), "under the table's profile")
        self.assertEqual(self.peers()["builder-1"]["profile"], "empty")
        reloaded((table, EMPTY_PROFILE))
        self.assertFalse(self.reaches(self.lab.agent), "the table is gone")
        self.assertEqual(self.peers()["builder-1"]["profile"], "")
        self.lab.end(self.lab.daemon)
        self.lab.start_daemon()
        self.assertFalse(self.reaches(self.lab.agent), "the daemon is another")

    def spoofed(self):
        drops = json.loads(self.lab.cpctl("status", "-o", "json").stdout.splitlines()[0])["drops"]
        return sum(row["packets"] for row in drops if row["reason"] == "source is no peer's")


if __name__ == "__main__":
    unittest.main(verbosity=2)
