#!/usr/bin/python3
"""Attack 20 where the server is far away: what was on its way when a connection was ended is not carried out behind it."""

import json
import select
import socket
import struct
import threading
import unittest

import wire
from lab import Lab, wait_until
from shared_lab import SharedLab


def carry(gateway, server):
    """Until the server ends, or the gateway resets. The gateway's end is not said on: what comes back is still taken, as
    where that end is yet on its way."""
    reading = [gateway, server]
    try:
        while True:
            for source in select.select(reading, [], [])[0]:
                data = source.recv(65536)
                if source is server and not data:
                    return
                if data:
                    (server if source is gateway else gateway).sendall(data)
                else:
                    reading.remove(gateway)
    except OSError:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        gateway.close()
        server.close()


class FarLab(Lab):
    """Between the gateway and PostgreSQL stands one who tells an end from a reset."""

    server_settings = (*Lab.server_settings, "listen_addresses=127.0.0.1")

    def start_postgres(self):
        super().start_postgres()
        with self.as_agent(self.upstream):
            self.listener = socket.create_server(("10.77.2.2", 5432))
        self.stack.callback(self.listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                gateway, _ = self.listener.accept()
            except OSError:
                return
            server = self.connect("127.0.0.1", namespace=self.upstream)
            server.settimeout(None)
            threading.Thread(target=carry, args=(gateway, server), daemon=True).start()


class FarServer(SharedLab):
    laboratory = FarLab

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.admin("CREATE TABLE ledger (n int)")

    def setUp(self):
        self.lab.admin("TRUNCATE ledger")

    def active(self):
        return self.lab.admin("SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent_ro' AND state = 'active'")

    def kill(self):
        for flow in map(json.loads, self.lab.cpctl("flows", "-o", "json").stdout.splitlines()):
            if flow["type"] == "flow":
                self.lab.cpctl("flows", "kill", str(flow["id"]))

    def change_credential(self):
        self.lab.cpctl("creds", "set", "pg-reader", input="reader-secret\n")

    def lock_down(self):
        self.lab.cpctl("lockdown", "--all")
        self.addCleanup(self.lab.cpctl, "unlock", "--all")

    def assert_nothing_is_done(self):
        wait_until(lambda: self.active() == "0", "the statement's end", 5)
        self.assertEqual(self.lab.admin("SELECT count(*) FROM ledger"), "0")

    def test_20_what_is_pipelined(self):
        """attack 20: what stands behind the statement at work is not begun"""
        for end in (self.kill, self.change_credential, self.lock_down):
            with self.subTest(end.__name__):
                session = self.session().send(wire.query("SELECT pg_sleep(3)"), *[wire.query(f"INSERT INTO ledger VALUES ({n})") for n in range(200)])
                wait_until(lambda: self.active() == "1", "the statement at work")
                end()
                self.assertEqual(wire.error_codes(session.until("E")), ["57P01"])
                self.assert_nothing_is_done()

    def test_20_who_keeps_talking(self):
        """attack 20: an agent whose own messages meet the change first has its statement cancelled too"""
        for _ in range(8):
            session = self.session()
            session.send(wire.query("INSERT INTO ledger SELECT 1 FROM pg_sleep(2)"))
            wait_until(lambda: self.active() == "1", "the statement at work")
            change = threading.Thread(target=self.change_credential)
            change.start()
            try:
                while change.is_alive():
                    session.send(wire.query("SELECT 1"))
            except wire.Closed:
                pass
            change.join()
            self.assert_nothing_is_done()

    def test_28_who_takes_no_more(self):
        """attack 28: a statement whose agent is gone does not go on in nobody's account, once its rows are taken by nobody"""
        rows = "SELECT repeat('x', 1000) FROM generate_series(1, 10);"  # one packet, and what is left for the next
        session = self.session().send(wire.query(rows + "SELECT pg_sleep(0.5);" + rows + "SELECT pg_sleep(60)"))
        wait_until(lambda: self.active() == "1", "the statement at work")
        session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        session.socket.close()
        wait_until(lambda: self.active() == "0", "its end", 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
