#!/usr/bin/python3
"""Logins of every protocol version 3, and cancel requests of both lengths of key, over two workers."""

import contextlib
import socket
import struct
import unittest

import wire
from lab import Lab, wait_until

CANCEL_REQUEST = 80877102
CONNECTIONS = 10  # by chance all of them on one of two workers: once in 512 runs, and then nothing is shown


class ProtocolVersions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(workers=2).__enter__()
        cls.address = cls.lab.virtual_address()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def login(self, version, **parameters):
        connection = wire.Connection(self.lab.connect(self.address))
        self.addCleanup(connection.socket.close)
        return connection.login(version, **parameters)

    def cancel(self, key):
        """Sends the request and waits, as libpq does, until the other side closes: then it has been dealt with."""
        with self.lab.connect(self.address) as connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(struct.pack(">II", 8 + len(key), CANCEL_REQUEST) + key)
            self.assertEqual(connection.recv(100), b"")

    def run_sleep(self, connection, name):
        """Its statement bears a name by which the server's own list of activity shows it."""
        connection.send(wire.query(f"SELECT pg_sleep(60) /* {name} */"))
        wait_until(lambda: name in self.sleeping(), f"{name} to run")

    def sleeping(self):
        return set(self.lab.admin("SELECT substring(query from '/\\* (.*) \\*/') FROM pg_stat_activity"
                                  " WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(60) /*%'").splitlines())

    def assert_cancelled(self, connection):
        self.assertEqual(wire.error_codes(connection.until("Z")), ["57014"])

    def test_length_of_the_key(self):
        """3.0 and 3.1 get a key of 4 bytes, 3.2 one of 32; each session goes on"""
        for version, size in ((0x30000, 4), (0x30001, 4), (0x30002, 32)):
            connection = self.login(version)
            self.assertEqual(len(connection.key) - 4, size, hex(version))
            self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])

    def test_version_3_2_needs_no_negotiation(self):
        """3.2 is not negotiated down, though the server behind speaks 3.0"""
        connection = wire.Connection(self.lab.connect(self.address))
        self.addCleanup(connection.socket.close)
        frames = connection.send(wire.startup(0x30002, user="agent", database="app")).until("Z", "E")
        self.assertNotIn("v", wire.kinds(frames))

    def test_long_keys(self):
        """attack 10: of a long key every byte counts, and none more"""
        connection = self.login(0x30002)
        self.run_sleep(connection, "long")
        key = connection.key
        for wrong in (key[:8], key[:-1], key + b"\0", key[:-1] + bytes([key[-1] ^ 1]), key[:4] + b"\0" * 32):
            self.cancel(wrong)
        self.assertIn("long", self.sleeping())
        self.cancel(key)
        self.assert_cancelled(connection)

    def test_cancel_over_two_workers(self):
        """a cancel request finds its session on whatever worker, and ends that statement alone"""
        connections = {f"session {i}": self.login(0x30002 if i % 2 else 0x30000) for i in range(CONNECTIONS)}
        for name, connection in connections.items():
            self.run_sleep(connection, name)
        left = set(connections)
        for name, connection in connections.items():
            self.cancel(connection.key)
            self.assert_cancelled(connection)
            left.remove(name)
            self.assertEqual(self.sleeping(), left)
        for connection in connections.values():
            self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])

    def test_cancel_at_once_over_two_workers(self):
        """requests for many sessions at the same time each end their own"""
        connections = {f"crowd {i}": self.login(0x30002) for i in range(CONNECTIONS)}
        for name, connection in connections.items():
            self.run_sleep(connection, name)
        chosen = {name: connection for i, (name, connection) in enumerate(connections.items()) if i % 2}
        requests = [self.lab.connect(self.address) for _ in chosen]
        for request, connection in zip(requests, chosen.values()):
            request.sendall(struct.pack(">II", 8 + len(connection.key), CANCEL_REQUEST) + connection.key)
        for request in requests:
            with request, contextlib.suppress(ConnectionResetError):
                self.assertEqual(request.recv(100), b"")
        for connection in chosen.values():
            self.assert_cancelled(connection)
        self.assertEqual(self.sleeping(), set(connections) - set(chosen))
        for name in set(connections) - set(chosen):
            self.cancel(connections[name].key)
            self.assert_cancelled(connections[name])

    def greeting(self, sock, version, **parameters):
        with wire.Connection(sock) as connection:
            frames = connection.send(wire.startup(version, database="app", **parameters)).until("Z", "E")
            self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]], "it goes on")
            return frames

    def test_options_as_the_server_says(self):
        """options of the protocol that nobody knows are named as the server itself names them, first of all"""
        options = {"_pq_.first": "1", "_pq_.second": ""}
        direct = socket.socket(socket.AF_UNIX)
        direct.connect(str(self.lab.directory / "pg" / ".s.PGSQL.5432"))
        servers = self.greeting(direct, 0x30000, user="agent_ro", **options)[0]
        self.assertEqual(servers[0], "v")
        self.assertEqual(self.greeting(self.lab.connect(self.address), 0x30000, user="agent", **options)[0], servers)

    def test_version_of_the_future(self):
        """3.9999 is negotiated down to 3.2, as a server that speaks 3.2 says it"""
        for version in (0x30003, 0x30000 | 9999):
            kind, body = self.greeting(self.lab.connect(self.address), version, user="agent")[0]
            self.assertEqual((kind, struct.unpack(">II", body)), ("v", (0x30002, 0)))
        kind, body = self.greeting(self.lab.connect(self.address), 0x30000 | 9999, user="agent", **{"_pq_.x": "1"})[0]
        self.assertEqual((kind, body), ("v", struct.pack(">II", 0x30002, 1) + b"_pq_.x\0"))

    def test_another_major_version(self):
        """a major version other than 3 is refused with the code that clients fall back on"""
        connection = wire.Connection(self.lab.connect(self.address))
        with connection, self.assertRaises(wire.Refused) as caught:
            connection.login(0x40000)
        self.assertEqual((caught.exception.error["S"], caught.exception.error["C"]), ("FATAL", "0A000"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
