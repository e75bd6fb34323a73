#!/usr/bin/python3
"""Replays the traces that PostgreSQL's own libpq_pipeline records: through the gateway the server says the same.

../shared/fixtures/postgres/*.trace are of PostgreSQL, in the format of PQtrace() with PQTRACE_REGRESS_MODE: a message a
line as `F or B`, length, name and fields, where OIDs, and what differs between builds of the server, are masked.
"""

import pathlib
import re
import shlex
import socket
import struct
import unittest

import wire
from lab import Lab

TRACES = sorted((pathlib.Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "postgres").glob("*.trace"))
# The gateway refuses these itself, in the server's words, and does not make up a place in the server's source: fields
# F, L and R are not in its errors. pipeline_abort parses two statements at once.
OWN_ERRORS = {"pipeline_abort"}
INT4 = 23  # the type of every parameter that libpq_pipeline declares; masked in the traces


# ---- from a trace to messages ---------------------------------------------------------------------------------------


def bind(portal, statement, *lists):
    """Formats of the values, values with their lengths, formats of the results: each list behind its count."""
    formats, count, *rest = lists
    assert formats == "0", "no trace has formats of values"
    values, results = rest[1:2 * int(count):2], rest[2 * int(count) + 1:]
    body = wire.text(portal) + wire.text(statement) + struct.pack(">HH", 0, len(values))
    for value in values:
        body += struct.pack(">I", len(value)) + value.encode()
    body += struct.pack(f">{len(results) + 1}H", len(results), *map(int, results))
    return wire.frame("B", body)


FRONTEND = {
    "Query": wire.query,
    "Parse": lambda name, sql, count, *types: wire.parse(sql, name, [INT4] * int(count)),
    "Bind": bind,
    "Describe": lambda kind, name: wire.describe(name, kind),
    "Execute": lambda portal, rows: wire.execute(portal, int(rows)),
    "Sync": wire.sync,
    "Flush": wire.flush,
    "Terminate": lambda: wire.frame("X"),
}


def message(line):
    """The message of an F line, of the length that the line says."""
    _, length, name, *fields = line.split("\t")
    raw = FRONTEND[name](*shlex.split("".join(fields)))
    assert len(raw) == int(length) + 1, f"rebuilt wrongly: {line}"
    return raw


# ---- from messages to a trace ---------------------------------------------------------------------------------------


class Fields:
    """The fields of a message, in order, as PQtrace() prints them."""

    def __init__(self, body):
        self.body, self.at, self.text = body, 0, ""

    def take(self, format):
        value, = struct.unpack_from(">" + format, self.body, self.at)
        self.at += struct.calcsize(format)
        return value

    def number(self, format):
        value = self.take(format)
        self.text += f" {value}"
        return value

    def masked(self, size):
        self.at += size
        self.text += " NNNN"

    def string(self, mask=False):
        end = self.body.index(b"\0", self.at)
        self.text += ' "SSSS"' if mask else f' "{self.body[self.at:end].decode()}"'
        self.at = end + 1

    def letter(self):
        value = self.body[self.at:self.at + 1]
        self.at += 1
        self.text += f" {value.decode()}" if value != b"\0" else " \\x00"
        return value.decode()

    def value(self, size):
        self.text += f" '{self.body[self.at:self.at + size].decode()}'"
        self.at += size


def row_description(fields):
    for _ in range(fields.number("H")):
        fields.string()
        fields.masked(4)
        fields.number("H")
        fields.masked(4)
        fields.number("H")
        fields.number("i")
        fields.number("H")


def data_row(fields):
    for _ in range(fields.number("H")):
        size = fields.number("i")
        if size >= 0:
            fields.value(size)


def parameter_description(fields):
    for _ in range(fields.number("H")):
        fields.masked(4)


def notice(fields):
    while (letter := fields.letter()) != "\0":
        fields.string(mask=letter in "FLR")


BACKEND = {
    "1": ("ParseComplete", lambda fields: None),
    "2": ("BindComplete", lambda fields: None),
    "C": ("CommandComplete", Fields.string),
    "D": ("DataRow", data_row),
    "E": ("ErrorResponse", notice),
    "N": ("NoticeResponse", notice),
    "T": ("RowDescription", row_description),
    "Z": ("ReadyForQuery", Fields.letter),
    "n": ("NoData", lambda fields: None),
    "t": ("ParameterDescription", parameter_description),
}


def trace_line(kind, body):
    name, print_fields = BACKEND[kind]
    fields = Fields(body)
    print_fields(fields)
    assert fields.at == len(body), f"{name} has more than its fields"
    length = "NN" if kind in "EN" else len(body) + 4
    return f"B\t{length}\t{name}" + (f"\t{fields.text}" if fields.text else "")


# ---- the tests ------------------------------------------------------------------------------------------------------


def replay(connection, trace):
    """Sends what the trace sends, waits where it waits for as much as it got, and returns the trace that came of it."""
    said, waiting = [], b""
    for line in trace:
        if line.startswith("F"):
            waiting += message(line)
            said.append(line)
            continue
        connection.send(waiting)
        waiting = b""
        try:
            said.append(trace_line(*connection.read()))
        except (wire.Closed, socket.timeout) as error:
            return said + [f"then {error!r}"]
    connection.send(waiting)
    try:
        while True:
            said.append(trace_line(*connection.read()))
    except wire.Closed:
        return said


def without_source(trace):
    return [re.sub(' [FLR] "SSSS"', "", line) for line in trace]


class PipelineTraces(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab().__enter__()
        cls.address = cls.lab.virtual_address()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def setUp(self):
        # The traces begin without these tables, and end with them.
        self.lab.admin("DROP TABLE IF EXISTS pq_pipeline_demo, pq_pipeline_tst")

    def replayed(self, sock, trace, user):
        with wire.Connection(sock).login(user=user) as connection:
            # As libpq_pipeline does before it begins to trace.
            connection.simple('SET lc_messages TO "C"')
            connection.simple("SET force_parallel_mode = off")
            return replay(connection, trace)

    def direct(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(str(self.lab.directory / "pg" / ".s.PGSQL.5432"))
        return connection


def add_tests(path):
    trace = path.read_text().splitlines()

    def directly(self):
        self.assertEqual(self.replayed(self.direct(), trace, "agent_ro"), trace)

    def through_the_gateway(self):
        said = self.replayed(self.lab.connect(self.address), trace, "agent")
        if path.stem in OWN_ERRORS:
            self.assertNotEqual(said, trace, "it differs, as OWN_ERRORS says")
            said, expected = map(without_source, (said, trace))
        else:
            expected = trace
        self.assertEqual(said, expected)
    setattr(PipelineTraces, f"test_{path.stem}_directly", directly)
    setattr(PipelineTraces, f"test_{path.stem}_through_the_gateway", through_the_gateway)


assert TRACES, "no ../shared/fixtures/postgres"
for path in TRACES:
    add_tests(path)

if __name__ == "__main__":
    unittest.main(verbosity=2)
