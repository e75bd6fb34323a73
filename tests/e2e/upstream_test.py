#!/usr/bin/python3
"""The gateway's own connections to servers: how long it tries, what it tells whom, and when a cancel request goes out."""

import socket
import struct
import threading
import time
import unittest

import wire
from lab import ALLOW_ALL, Lab, run, wait_until

VOID = "10.77.2.9"  # an address of the upstream's network that swallows what it is sent

ENDPOINTS = """
[limits]
connect = "2s"
connections_per_peer = 3
connections = 4

[endpoint.two]
type  = "postgres"
hosts = ["two.internal:5432"]
tls   = "disable"

[endpoint.void]
type  = "postgres"
hosts = ["void.internal:5432"]
tls   = "disable"

[endpoint.fake]
type  = "postgres"
hosts = ["fake.internal:5555"]
tls   = "disable"

[endpoint.wild]
type     = "postgres"
hosts    = ["*.wild.internal:5432"]
networks = ["10.77.2.0/24"]
tls      = "disable"
"""

CREDENTIALS = "".join(f"""
[credential.{name}-reader]
type     = "postgres"
endpoint = "{name}"
user     = "agent_ro"
""" for name in ("two", "void", "fake"))

RULES = "".join(f"""
[[rule]]
name      = "all-{name}"
endpoint  = "{name}"
on        = ["statement", "login", "cancel"]
verdict   = "allow"
""" for name in ("two", "void", "fake", "wild"))


class UpstreamLab(Lab):
    def policy_text(self):
        listed = ", ".join(f'"{name}"' for name in ("pg-reader", "two-reader", "void-reader", "fake-reader"))
        return super().policy_text().replace('credentials = ["pg-reader"]',
                                             f'credentials = [{listed}]\nendpoints = ["wild"]')

    hosts = (Lab.hosts + f"10.77.2.2 fake.internal\n10.77.2.2 a.wild.internal\n{VOID} void.internal\n"
             f"{VOID} two.internal\n10.77.2.2 two.internal\n")

    def make_networks(self):
        super().make_networks()
        run("ip", "-n", self.gateway, "neigh", "add", VOID, "lladdr", "02:00:00:00:00:09", "dev", "up0", "nud", "permanent")


SETTINGS = (("search_path", b'"$user", public'), ("role", b"none"))


class FakeServer:
    """Says what a test tells it to. Counts the cancel requests that reach it, and holds their connections open."""

    def __init__(self, lab, authentication=struct.pack(">I", 0)):
        self.authentication, self.queries, self.secrets = authentication, [], []
        self.cancels, self.sessions, self.changed = [], [], threading.Condition()
        with lab.as_agent(lab.upstream):
            self.listener = socket.create_server(("10.77.2.2", 5555))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    @staticmethod
    def tell_path(session):
        """What the gateway asks behind every login."""
        for name, value in SETTINGS:
            asked = session.read()
            if asked != ("Q", wire.text(f"SHOW {name}")):
                raise wire.Closed(f"not the question of the path: {asked}")
            session.send(wire.frame("D", struct.pack(">HI", 1, len(value)) + value), wire.frame("Z", b"I"))
        kind, asked = session.read()
        if kind != "Q" or b"pg_catalog.pg_namespace" not in asked:
            raise wire.Closed(f"not the question of the login's own schema: {asked}")
        session.send(wire.frame("C", wire.text("SELECT 0")), wire.frame("Z", b"I"))

    def serve(self, connection):
        session = wire.Connection(connection)
        try:
            size, code = struct.unpack(">II", session.exactly(8))
            session.exactly(size - 8)
            if code == 80877102:
                return self.tell(self.cancels, session)
            session.send(wire.frame("R", self.authentication))
            if self.authentication != struct.pack(">I", 0):
                return self.tell(self.secrets, session.read())
            for name, value in (("client_encoding", "UTF8"), ("standard_conforming_strings", "on")):
                session.send(wire.frame("S", wire.text(name) + wire.text(value)))
            session.send(wire.frame("K", struct.pack(">II", 1, 2)), wire.frame("Z", b"I"))
            self.tell_path(session)
            self.tell(self.sessions, session)
            while True:
                self.tell(self.queries, session.read())
        except (wire.Closed, OSError):
            connection.close()
            return None

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # so that accept() returns, and the port is free
        self.listener.close()
        for session in self.sessions + self.cancels:
            session.socket.close()

    def tell(self, into, what):
        with self.changed:
            into.append(what)
            self.changed.notify_all()

    def wait_for(self, of, count, seconds=10):
        with self.changed:
            return self.changed.wait_for(lambda: len(of) >= count, seconds)

    def answer(self):
        self.sessions[-1].send(wire.frame("C", wire.text("SELECT 0")), wire.frame("Z", b"I"))


class Upstream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = UpstreamLab(rules=ALLOW_ALL + CREDENTIALS + RULES, extra=ENDPOINTS, second_agent=True).__enter__()
        for name in ("two", "void", "fake"):
            cls.lab.cpctl("creds", "set", f"{name}-reader", input="reader-secret\n")

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def connection(self, name, port=5432):
        connection = wire.Connection(self.lab.connect(self.lab.virtual_address(name), port))
        self.addCleanup(self.wait_for_no_flows)
        self.addCleanup(connection.socket.close)
        return connection

    def wait_for_no_flows(self):
        wait_until(lambda: len(self.lab.cpctl("flows", "-o", "json").stdout.splitlines()) == 0, "the flows to end")

    def fake(self, **options):
        fake = FakeServer(self.lab, **options)
        self.addCleanup(fake.close)
        return fake

    def asks(self, fake):
        """A session whose statement has reached the server, and is not answered"""
        session = self.connection("fake.internal", 5555).login()
        session.send(wire.query("SELECT 1"))
        self.assertTrue(fake.wait_for(fake.queries, 1))
        return session

    def test_limits_connect(self):
        """An address that swallows what it is sent is given up after limits.connect, in the protocol's own words"""
        begun = time.monotonic()
        with self.assertRaises(wire.Refused) as refused:
            self.connection("void.internal").login()
        self.assertEqual(refused.exception.error["C"], "08001")
        self.assertLess(time.monotonic() - begun, 5)

    def test_the_next_address(self):
        """A dead address leaves time for the one behind it"""
        begun = time.monotonic()
        connection = self.connection("two.internal").login()
        self.assertEqual(wire.rows(connection.simple("SELECT 1"))[0][0], "1")
        self.assertLess(time.monotonic() - begun, 2)

    def test_lookups_under_a_wildcard(self):
        """A name that the agent chose leaves the gateway at the peer's rate, and no oftener"""
        extra = self.lab.extra
        self.lab.extra = extra.replace("[limits]", "[limits]\ndns_queries_per_second = 1")
        self.lab.reload()
        details = []
        for _ in range(4):
            with self.assertRaises(wire.Refused) as refused:
                self.connection("a.wild.internal").login()
            details.append(refused.exception.error.get("D", ""))
            self.wait_for_no_flows()
        self.lab.extra = extra
        self.lab.reload()
        self.assertNotIn("too many lookups a second", details[0])
        self.assertIn("too many lookups a second", "".join(details[1:]))

    def test_no_password_in_the_clear(self):
        """A server beyond loopback that asks for the password in the clear does not get it"""
        fake = self.fake(authentication=struct.pack(">I", 3))
        with self.assertRaises(wire.Refused):
            self.connection("fake.internal", 5555).login()
        fake.wait_for(fake.secrets, 1, seconds=0.5)
        self.assertEqual(fake.secrets, [])

    def test_a_server_that_breaks_the_protocol(self):
        """What a server says that is no message ends the connection, is counted, and is in the log"""
        fake = self.fake()
        session = self.asks(fake)
        fake.sessions[0].send(b"\1\0\0\0\4")
        self.assertEqual(wire.error_codes(session.until("E")), ["08006"])
        self.assertTrue(session.closed())
        self.assertIn('"reason":"the server broke the protocol"', self.lab.cpctl("status", "-o", "json").stdout)
        guards = [line["guard"] for line in self.lab.audit_lines() if line.get("guard")]
        self.assertIn("the server broke the protocol", guards)

    def test_keepalive(self):
        """Where there is no idle limit, both connections of a session have TCP keepalive"""
        self.connection("pg.internal").login()
        sockets = run(*self.lab.inside(self.lab.gateway, "ss", "-tnoH", "state", "established")).stdout
        mine = [line for line in sockets.splitlines() if ":5432" in line]
        self.assertEqual(len(mine), 2, sockets)
        self.assertTrue(all("timer:(keepalive" in line for line in mine), sockets)

    def test_10_no_cancel_while_nothing_is_in_flight(self):
        """attack 10: a cancel request goes upstream only while its session has a statement in flight"""
        fake = self.fake()
        session = self.connection("fake.internal", 5555).login()
        self.cancel(session)
        session.send(wire.query("SELECT 1"))
        self.assertTrue(fake.wait_for(fake.queries, 1))
        fake.answer()
        session.until("Z")
        self.cancel(session)
        fake.wait_for(fake.cancels, 1, seconds=0.5)
        self.assertEqual(fake.cancels, [])

    def test_10_a_cancel_never_hits_the_next_statement(self):
        """attack 10: while a cancel request is on its way, nothing more of its session is sent"""
        fake = self.fake()
        session = self.asks(fake)
        waiting = threading.Thread(target=self.cancel, args=(session,))
        waiting.start()
        self.assertTrue(fake.wait_for(fake.cancels, 1))
        fake.answer()
        session.until("Z")
        session.send(wire.query("SELECT 2"))
        self.assertFalse(fake.wait_for(fake.queries, 2, seconds=0.5), "the next statement, while the cancel is on its way")
        fake.cancels[0].socket.close()
        self.assertTrue(fake.wait_for(fake.queries, 2))
        waiting.join()

    def cancel(self, session):
        """Returns when the gateway has closed the connection, as a server does when it has taken the request."""
        with self.lab.connect(self.lab.virtual_address("fake.internal"), 5555) as connection:
            connection.sendall(struct.pack(">II", 16, 80877102) + session.key)
            connection.recv(1)

    def test_limits_on_connections(self):
        """Past limits.connections_per_peer, and past limits.connections, a connection is reset and counted"""
        address = self.lab.virtual_address()
        self.addCleanup(self.wait_for_no_flows)

        def refused(namespace):
            try:
                connection = self.lab.connect(address, namespace=namespace, timeout=1)
                self.addCleanup(connection.close)
                connection.recv(1)
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False

        self.assertEqual([refused(self.lab.agent) for _ in range(4)], [False, False, False, True])
        self.assertEqual([refused(self.lab.other_agent) for _ in range(2)], [False, True])
        status = self.lab.cpctl("status", "-o", "json").stdout
        self.assertIn('"reason":"too many connections"', status)


if __name__ == "__main__":
    unittest.main(verbosity=2)
