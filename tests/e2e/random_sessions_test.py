#!/usr/bin/python3
"""Sessions made up at random, said to PostgreSQL and to the gateway in front of it: the answers are the same.

Once under rules that allow everything; and once where DELETE is denied and PostgreSQL is told a word that it does not
know in its place, since a denial behaves exactly as an error of the server (attack 4). Statements and portals have other
names upstream, share them with SQL's, and come and go with transactions (attack 3): what is left over of one message
shows in the answers to later ones.
"""

import itertools
import random
import socket
import struct
import unittest

import wire
from lab import ALLOW_ALL, Lab

NO_DELETE = ALLOW_ALL + """
[[rule]]
name      = "no-delete"
endpoint  = "pg-prod"
priority  = 50
condition = "'delete' in sql.verbs"
verdict   = "deny"
"""

SESSIONS = 150
# The gateway looks at the names in a message before the server would have come to them, and says so. Such a session is
# compared up to there; most have none.
OF_NAMES = {"26000", "34000", "42P03", "42P05", "25P02"}
UNKNOWN_WORD = "42601"
REFUSED = {"42501", UNKNOWN_WORD}  # with whose word it was, also for what cannot be read

TABLES, STATEMENTS, PORTALS = ("a", "b"), ("", "s1", "s2"), ("", "p1", "p2")
SETUP = "CREATE TEMP TABLE a (x int); CREATE TEMP TABLE b (x int); INSERT INTO a VALUES (1), (2)"
TEXTS = (
    "SELECT {n}", "SELECT x FROM {t} ORDER BY x", "TABLE {t}", "VALUES (1), (2), (3)", "SELECT 1/{n}", "SELECT $1::int",
    "SELECT x FROM {t} WHERE x > $1 ORDER BY x", "INSERT INTO {t} VALUES ({n})", "INSERT INTO {t} VALUES ($1) RETURNING x",
    "UPDATE {t} SET x = x + 1", "SELECT * FROM nowhere", "SELEC 1", "", "CREATE TEMP TABLE {t} (x int)", "DROP TABLE {t}",
    "BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "SET TRANSACTION READ ONLY",
    "SAVEPOINT v", "SAVEPOINT w", "ROLLBACK TO v", "RELEASE v", "RELEASE w",
    "PREPARE s1 AS SELECT x FROM {t} ORDER BY x", "PREPARE q AS SELECT x FROM {t} ORDER BY x",
    "PREPARE r (int) AS INSERT INTO {t} VALUES ($1)", "DEALLOCATE s1", "DEALLOCATE q", "DEALLOCATE ALL",
    "DECLARE p1 CURSOR FOR SELECT x FROM {t} ORDER BY x", "DECLARE c CURSOR FOR SELECT x FROM {t} ORDER BY x",
    "DECLARE h CURSOR WITH HOLD FOR SELECT x FROM {t} ORDER BY x", "CLOSE c", "CLOSE h", "CLOSE p1", "CLOSE ALL",
    "SELECT name, is_holdable FROM pg_cursors WHERE name IN ('c', 'h') ORDER BY name",
    "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
    "SET application_name = 'z'", "SET LOCAL application_name = 'l'", "SHOW application_name", "RESET ALL",
    "SET search_path = public", "SET client_encoding = 'LATIN1'", "SET client_encoding = 'UTF8'", "DISCARD PLANS",
    "LISTEN z", "UNLISTEN *", "NOTIFY z", "EXPLAIN (COSTS OFF) SELECT 1",
)
# Runs what only the server knows, or has not been read: denied where a rule asks what a statement does.
BY_NAME = (
    "EXECUTE q", "EXECUTE r (7)", "FETCH 1 FROM c", "FETCH ALL FROM c", "FETCH 1 FROM p1", "FETCH 2 FROM h", "MOVE 1 IN h",
    "DO $$ BEGIN RAISE NOTICE 'hi'; END $$", "SELECT set_config('application_name', 'q', true)",
)
DELETES = (
    "DELETE FROM {t}", "DELETE FROM {t} WHERE x = $1 RETURNING x", "PREPARE q AS DELETE FROM {t}",
    "WITH d AS (DELETE FROM {t} RETURNING x) SELECT x FROM d", "COPY (DELETE FROM {t} RETURNING x) TO STDOUT",
)


# ---- what is said: lists of messages, each up to its ReadyForQuery ---------------------------------------------------


class Speaker:
    def __init__(self, seed, texts):
        self.random, self.texts = random.Random(seed), texts

    def text(self):
        return self.random.choice(self.texts).format(t=self.random.choice(TABLES), n=self.random.randint(0, 3))

    def query(self):
        count = self.random.choice((1, 1, 1, 2, 3, 4))
        return [wire.query(";".join(self.text() for _ in range(count)))]

    def copy(self):
        rows = [wire.frame("d", self.random.choice((b"1\n", b"2\n3\n", b"x\n", b"4"))) for _ in range(self.random.randint(0, 3))]
        end = self.random.choice((wire.frame("c"), wire.frame("f", b"no\0")))
        return [wire.query(f"COPY {self.random.choice(TABLES)} FROM STDIN"), *rows, end]

    def whole(self):
        """A statement from its text to its rows."""
        text, statement, portal = self.text(), self.random.choice(STATEMENTS), self.random.choice(PORTALS)
        values = (5,) if "$1" in text and "PREPARE" not in text else ()
        return [wire.parse(text, statement), wire.bind(statement, portal, values), wire.describe(portal, "P"),
                wire.execute(portal, self.random.choice((0, 0, 1)))]

    def piece(self):
        statement, portal = self.random.choice(STATEMENTS), self.random.choice(PORTALS)
        return self.random.choice((
            wire.parse(self.text(), statement), wire.parse(self.text(), statement),
            wire.bind(statement, portal, self.random.choice(((), (), (1,), ("x",)))), wire.bind(statement, portal),
            wire.execute(portal, self.random.choice((0, 0, 1, 2))), wire.execute(portal),
            wire.describe(statement), wire.describe(portal, "P"), wire.close(statement), wire.close(portal, "P"), wire.flush()))

    def batch(self):
        pieces = [[self.piece()] for _ in range(self.random.randint(0, 6))]
        for _ in range(self.random.choice((0, 1, 1))):
            pieces.insert(self.random.randint(0, len(pieces)), self.whole())
        return [*itertools.chain(*pieces), wire.sync()]

    def session(self):
        """Turns of one to three such lists, sent together."""
        say = lambda: self.random.choices((self.query, self.batch, self.copy), (4, 5, 1))[0]()
        return [[say() for _ in range(self.random.choice((1, 1, 1, 2, 3)))] for _ in range(self.random.randint(3, 12))]


# ---- what is answered ------------------------------------------------------------------------------------------------


def told(kind, body):
    """A message without what differs between sessions: OIDs, processes, and places in the server's source."""
    if kind in "EN":
        return kind, {field: value for field, value in wire.fields(body).items() if field not in "FLR"}
    if kind == "A":
        return kind, body[4:]
    if kind != "T":
        return kind, body
    columns, at = [], 2
    for _ in range(struct.unpack_from(">H", body)[0]):
        end = body.index(b"\0", at)
        columns.append((body[at:end], body[end + 7:end + 19]))
        at = end + 19
    return kind, columns


def answers(connection, session):
    for turn in session:
        connection.send(*itertools.chain(*turn))
        for _ in turn:
            yield from itertools.starmap(told, connection.until("Z"))


def code(answer):
    return answer[1]["C"] if answer and answer[0] == "E" else None


class RandomSessions(unittest.TestCase):
    maxDiff = None

    def direct(self, lab):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(str(lab.directory / "pg" / ".s.PGSQL.5432"))
        return wire.Connection(connection).login(user="agent_ro")

    def compare(self, lab, texts, as_refused):
        """Returns how many sessions were the same to their end."""
        whole = 0
        for seed in range(SESSIONS):
            session = [[[wire.query(SETUP)]], *Speaker(seed, texts).session()]
            known = [[[as_refused(message) for message in messages] for messages in turn] for turn in session]
            # One after the other: NOTIFY reaches every session that listens.
            with self.direct(lab) as connection:
                expected = list(answers(connection, known))
            with wire.Connection(lab.connect()).login() as connection:
                got = list(answers(connection, session))
            for right, ours in itertools.zip_longest(expected, got):
                if right == ours or (code(right) == UNKNOWN_WORD and code(ours) in REFUSED):
                    continue
                self.assertIn(code(ours), OF_NAMES, f"session {seed}: {right} became {ours} in {session}")
                break
            else:
                whole += 1
        print(f"\n    {whole} of {SESSIONS} sessions are the same to their end")
        return whole

    def test_everything_is_allowed(self):
        with Lab() as lab:
            self.assertGreater(self.compare(lab, TEXTS + BY_NAME + ("DELETE FROM {t} WHERE x = {n}",), lambda message: message),
                               SESSIONS * 3 // 4)

    def test_a_denial_is_an_error_of_the_servers(self):
        """attack 4: what is denied leaves the session as a syntax error at its place does"""
        with Lab(rules=NO_DELETE) as lab:
            same = self.compare(lab, TEXTS + DELETES * 3, lambda message: message.replace(b"DELETE FROM", b"UNKNOW FROM"))
            self.assertGreater(same, SESSIONS * 3 // 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
