#!/usr/bin/python3
"""Replication connections: streams in both directions where a rule allows them, nothing where none does."""

import struct
import unittest

import wire
from lab import PG_BIN, Lab, run
from wire import frame

# What a walsender is asked may pass, and reading; nothing is dropped or deleted.
RULES = """
[[rule]]
name      = "no-drop"
endpoint  = "pg-prod"
priority  = 10
condition = "sql.verbs.exists(v, v in ['drop', 'delete'])"
verdict   = "deny"

[[rule]]
name      = "replication"
endpoint  = "pg-prod"
on        = ["replication"]
condition = "true"
verdict   = "allow"

[[rule]]
name      = "reads"
endpoint  = "pg-prod"
condition = "action.kind in ['read', 'session']"
verdict   = "allow"
"""
WITHOUT = RULES.replace('on        = ["replication"]', 'on        = ["function_call"]')
SEGMENT = 16 << 20  # of the write-ahead log, as initdb makes them


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def status_update(received):
    """Standby status update that asks for a reply: received, written and flushed up to there."""
    return frame("d", b"r" + struct.pack(">QQQQB", received, received, 0, 0, 1))


class Replication(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(rules=RULES).__enter__()
        cls.address = cls.lab.virtual_address()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def session(self, **parameters):
        connection = wire.Connection(self.lab.connect(self.address))
        self.addCleanup(connection.socket.close)
        return connection.login(**parameters)

    def using(self, rules):
        self.lab.reload(rules)
        self.addCleanup(self.lab.reload, RULES)

    def server_log(self):
        return (self.lab.directory / "postgres.log").read_text(errors="replace")

    def identified(self, connection):
        """IDENTIFY_SYSTEM's timeline and position."""
        (system, timeline, position, _), = wire.rows(connection.simple("IDENTIFY_SYSTEM"))
        self.assertEqual(system, self.lab.admin("SELECT system_identifier FROM pg_control_system()"))
        return int(timeline), lsn(position)

    def start(self, connection, command):
        """START_REPLICATION, answered by CopyBothResponse."""
        self.assertEqual(wire.kinds(connection.send(wire.query(command)).until("W", "E")), "W")

    def stream(self, connection, enough):
        """XLogData until enough(all of it) is true: (position of its first byte, bytes)."""
        first, data = None, b""
        while not enough(data):
            kind, body = connection.read()
            self.assertEqual(kind, "d")
            if body[:1] == b"w":
                first = struct.unpack(">Q", body[1:9])[0] if first is None else first
                data += body[25:]
        return first, data

    def keepalive(self, connection, received):
        """A reply to a status update comes back, with whatever was on its way before it."""
        connection.send(status_update(received))
        while (body := connection.read()[1])[:1] != b"k":
            self.assertEqual(body[:1], b"w")

    def finish(self, connection, tag):
        """CopyDone in both directions, beside which the server may send on what it had."""
        frames = connection.send(frame("c")).until("Z")
        self.assertEqual(wire.kinds(frames).replace("d", ""), "cCCZ")
        self.assertEqual(wire.tags(frames), [tag, "START_REPLICATION"])

    def test_logical(self):
        """a logical stream: temporary slot, changes as they are committed, status and keepalives, CopyDone, then SQL"""
        connection = self.session(replication="database")
        self.identified(connection)
        created = connection.simple('CREATE_REPLICATION_SLOT "changes" TEMPORARY LOGICAL "test_decoding"')
        self.assertEqual(wire.rows(created)[0][0], "changes")
        self.start(connection, 'START_REPLICATION SLOT "changes" LOGICAL 0/0')
        self.lab.admin("CREATE TABLE streamed (n int, t text); INSERT INTO streamed VALUES (7, repeat('y', 100000))")
        first, data = self.stream(connection, lambda data: b"yyy" in data and b"COMMIT" in data[-30:])
        self.assertIn(b"table public.streamed: INSERT: n[integer]:7 t[text]:'" + b"y" * 100000 + b"'", data)
        self.keepalive(connection, first)
        self.finish(connection, "COPY 0")
        self.assertEqual(wire.rows(connection.simple("SELECT n FROM streamed")), [["7"]])

    def test_physical(self):
        """a physical stream is the server's own log, byte for byte"""
        connection = self.session(replication="true")
        timeline, position = self.identified(connection)
        connection.simple("CREATE_REPLICATION_SLOT whole TEMPORARY PHYSICAL RESERVE_WAL")
        begin = position - position % SEGMENT
        self.start(connection, f"START_REPLICATION SLOT whole PHYSICAL {begin >> 32:X}/{begin & 0xffffffff:X}"
                               f" TIMELINE {timeline}")
        size = position - begin
        first, data = self.stream(connection, lambda data: len(data) >= size)
        self.assertEqual(first, begin)
        name = f"{timeline:08X}{begin >> 32:08X}{(begin & 0xffffffff) // SEGMENT:08X}"
        self.assertEqual(data[:size], (self.lab.directory / "pg" / "pg_wal" / name).read_bytes()[:size])
        self.keepalive(connection, begin + size)
        self.finish(connection, "START_STREAMING")
        self.assertEqual(wire.error_codes(connection.simple("SELECT 1")), ["0A000"], "the server's own: no SQL there")

    def test_statements_are_judged(self):
        """statements of a replication connection are judged as any"""
        connection = self.session(replication="database")
        self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])
        for sql in ("DROP TABLE users", "DELETE FROM users", "SELECT 1; DROP TABLE users"):
            self.assertEqual(wire.error_codes(connection.simple(sql)), ["42501"], sql)
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100")

    def test_query_inside_the_stream(self):
        """attack 5: a query where only the stream's messages may stand closes the connection"""
        connection = self.session(replication="database")
        connection.simple('CREATE_REPLICATION_SLOT "inside" TEMPORARY LOGICAL "test_decoding" NOEXPORT_SNAPSHOT')
        self.start(connection, 'START_REPLICATION SLOT "inside" LOGICAL 0/0')
        connection.send(wire.query("DROP TABLE users /* inside the stream */"))
        with self.assertRaises(wire.Closed):
            while True:
                self.assertIn(connection.read()[0], "dE")
        self.assertNotIn("inside the stream", self.server_log())

    def test_8_no_rule(self):
        """attack 8: without a rule that names it no replication connection reaches the server, however it is written"""
        self.using(WITHOUT)
        before = self.server_log().count("replication connection authorized")
        for value in ("database", "true", "on", "yes", "1", "DATABASE"):
            with self.assertRaises(wire.Refused) as caught:
                self.session(replication=value)
            self.assertEqual(caught.exception.error["S"], "FATAL")
        self.assertEqual(self.server_log().count("replication connection authorized"), before)
        self.assertEqual(wire.rows(self.session(replication="false").simple("SELECT 1")), [["1"]])

    def test_8_rule_taken_away(self):
        """attack 8: each command of a walsender needs the rule, not the login alone"""
        connection = self.session(replication="database")
        self.identified(connection)
        self.using(WITHOUT)
        for command in ("IDENTIFY_SYSTEM", 'CREATE_REPLICATION_SLOT "late" PHYSICAL', "START_REPLICATION 0/0",
                        "BASE_BACKUP"):
            frames = connection.simple(command)
            self.assertEqual(wire.kinds(frames), "EZ", command)
            self.assertRegex(wire.errors(frames)[0]["D"], "no rule matched, action a-", command)
        self.assertEqual(self.lab.admin("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'late'"), "0")
        self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])

    def test_8_sql_that_is_not_read(self):
        """attack 8: a rule for replication allows a walsender's commands, and no SQL that the gateway cannot read"""
        for sql in ("DELETE FROM users /*" + "x" * 300_000 + "*/", "DELETE FROM users /*" + "x" * 2_000_000 + "*/",
                    "DELETE FROM users WHERE id IN (" + ",".join(["1"] * 200_000) + ")",
                    "DELETE FROM users; IDENTIFY_SYSTEM", "/* */ IDENTIFY_SYSTEM", "SELECT 1 +", "identify_systems"):
            frames = self.session(replication="database").simple(sql)
            self.assertEqual(wire.kinds(frames), "EZ", sql[:60])
            # The gateway's own error, not the server's, which has a file and a line.
            self.assertNotIn("F", wire.errors(frames)[0], sql[:60])
        # By its first token this is the walsender's, whose grammar has no second statement.
        frames = self.session(replication="database").simple("IDENTIFY_SYSTEM; DELETE FROM users")
        self.assertEqual(wire.error_codes(frames), ["42601"])
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100")

    def test_8_codes(self):
        """attack 8: what no rule allows of replication is refused with 42501"""
        connection = self.session(replication="database")
        self.using(WITHOUT)
        for command in ("IDENTIFY_SYSTEM", 'START_REPLICATION SLOT "late" LOGICAL 0/0', "BASE_BACKUP"):
            self.assertEqual(wire.error_codes(connection.simple(command)), ["42501"], command)
        with self.assertRaises(wire.Refused) as caught:
            self.session(replication="database")
        self.assertEqual(caught.exception.error["C"], "42501")

    def test_base_backup(self):
        """pg_basebackup, with its second connection that streams, makes a backup that verifies"""
        target = self.lab.directory / "backup"
        run(*self.lab.inside(self.lab.agent, PG_BIN / "pg_basebackup", "-h", self.address, "-U", "agent", "-D", target,
                             "-c", "fast", "-X", "stream", "--no-sync"), cwd="/", timeout=60)
        run(PG_BIN / "pg_verifybackup", target)


if __name__ == "__main__":
    unittest.main(verbosity=2)
