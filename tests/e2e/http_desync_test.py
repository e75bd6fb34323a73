#!/usr/bin/python3
"""What the gateway reads as one request is one to every server behind it: each mutation of Transfer-Encoding that is known
to make servers disagree is sent through it, and the requests that it recorded are those that the server logged."""

import json
import os
import pathlib
import socket
import unittest

from http_lab import PORTS, HttpLab
from lab import ROOT, wait_until

FIXTURES = pathlib.Path(os.environ.get("CLAWPATROL_FIXTURES", ROOT.parent / "shared" / "fixtures"))
SERVERS = ("nginx", "h2o", "caddy", "node")
CONTROLS = (
    b"POST /a?n=N HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    b"POST /a?n=N HTTP/1.1\r\nHost: H\r\nContent-Length: 5\r\n\r\nabcde",
    b"GET /a?n=N HTTP/1.1\r\nHost: H\r\n\r\n",
    b"POST /a?n=N HTTP/1.1\r\nHost: H\r\ntransfer-encoding: Chunked\r\n\r\n5;x=y\r\nabcde\r\n0\r\nX-Sum: 1\r\n\r\n",
)


def without_length(wire):
    head, _, body = wire.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length:")) + b"\r\n\r\n" + body


def mutations():
    for line in (FIXTURES / "http1" / "transfer_encoding.jsonl").read_text().splitlines():
        record = json.loads(line)
        wire = bytes.fromhex(record["cl_te_request_hex"])
        everywhere = {len(s) for s in record["upstream_statuses"].values()} == {1} and all(
            s[0] not in (400, 501) for s in record["upstream_statuses"].values())
        yield record["name"], wire, everywhere
        yield record["name"] + ", no length", without_length(wire), False


class Desync(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = HttpLab(workers=1).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def send(self, address, port, wire):
        """The statuses of what came back, until the gateway closes or has nothing more to say."""
        connection = socket.socket()
        connection.settimeout(5)
        connection.connect((address, port))
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := self.receive(connection):
            said += part
        connection.close()
        return [int(line.split(b" ")[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]

    @staticmethod
    def receive(connection):
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""

    def play(self, name):
        address, port = self.lab.virtual_address(f"{name}.internal"), PORTS[name]
        before, logged = len(self.lab.judged()), len(self.lab.served(name))
        answers, number = {}, 0
        with self.lab.as_agent():
            for control in CONTROLS * 3:
                number += 1
                wire = control.replace(b"n=N", b"n=%d" % number).replace(b"Host: H", f"Host: {name}.internal:{port}".encode())
                answers[f"control {number}"] = self.send(address, port, wire)
            for mutation, wire, _ in mutations():
                number += 1
                wire = wire.replace(b"/a?cb=1", b"/a?n=%d" % number).replace(
                    b"Host: localhost", f"Host: {name}.internal:{port}".encode())
                answers[mutation] = self.send(address, port, wire)
            # Whatever went before, the next request is the next, and its answer its own.
            last = b"GET /a?n=last HTTP/1.1\r\nHost: %s.internal:%d\r\n\r\n" % (name.encode(), port)
            answers["control last"] = self.send(address, port, last)
        judged = self.lab.judged()[before:]
        allowed = [(line["facets"]["method"], line["text"]) for line in judged if line["verdict"] == "allow"]
        wait_until(lambda: len(self.lab.served(name)) - logged >= len(allowed), f"the log of {name}", seconds=5)
        return answers, allowed, self.lab.served(name)[logged:]

    def test_the_gateway_and_every_server_count_alike(self):
        print(f"{'':<8}{'sent':>8}{'refused':>9}{'recorded':>10}{'served':>8}{'desyncs':>9}")
        for name in SERVERS:
            with self.subTest(name):
                answers, allowed, served = self.play(name)
                controls = [statuses for case, statuses in answers.items() if case.startswith("control ")]
                refused = sum(statuses == [400] for statuses in answers.values())
                print(f"{name:<8}{len(answers):>8}{refused:>9}{len(allowed):>10}{len(served):>8}"
                      f"{abs(len(allowed) - len(served)):>9}", flush=True)
                self.assertEqual([len(statuses) for statuses in controls], [1] * len(controls))
                self.assertTrue(served[-1][1].endswith("/a?n=last"), served[-1])
                self.assertNotIn([400], controls)
                self.assertEqual(sorted(allowed), sorted((method, f"{method} {target.split('?')[0]}")
                                                         for method, target in served))
                # A form that all four read alike passes, and so is counted above as recorded.
                alike = [case for case, _, everywhere in mutations() if everywhere]
                self.assertTrue(alike)
                self.assertEqual([case for case in alike if answers[case] == [400]], [])


if __name__ == "__main__":
    unittest.main()
