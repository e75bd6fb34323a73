"""What `cpctl metrics` counts while an agent is served."""
import unittest

import wire
from http_lab import HERE, HttpLab
from lab import Lab, run, wait_until


class NodeLab(HttpLab):
    ports = {"node": 8084}

    def servers_to_start(self):
        return {"node": ["node", HERE / "server.js", self.ports["node"], self.servers / "node.access", self.servers]}


def counts_of(lab):
    lines = lab.cpctl("metrics").stdout.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(values[f"clawpatrol_{name}"]) for name in (
        "decision_seconds_count", "added_latency_seconds_count", "audit_sync_seconds_count",
        "decision_seconds_sum", "added_latency_seconds_sum", "audit_sync_seconds_sum")}


class Metrics(unittest.TestCase):
    def test_latencies_of_http(self):
        """Each request is counted once, allowed or denied"""
        denied = '[[rule]]\nname = "no"\nendpoint = "servers"\npriority = 9\ncondition = "http.path == \'/no\'"\nverdict = "deny"\n'
        allowed = '[[rule]]\nname = "yes"\nendpoint = "servers"\nverdict = "allow"\n'
        with NodeLab(denied + allowed) as lab:
            before = counts_of(lab)
            for path, status in (("/echo", "200"), ("/no", "403"), ("/echo", "200")):
                answer = run(*lab.inside(lab.agent, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", lab.url("node", path)))
                self.assertEqual(answer.stdout, status)
            after = counts_of(lab)
            for name in ("decision_seconds", "added_latency_seconds"):
                self.assertEqual(after[name + "_count"] - before[name + "_count"], 3, name)
                self.assertGreater(after[name + "_sum"], before[name + "_sum"])

    def test_latencies(self):
        """What is judged is counted by how long it took, and what must be on the disk by how long it waited for that"""
        with Lab() as lab:
            def counts():
                return counts_of(lab)

            connection = wire.Connection(lab.connect(lab.virtual_address())).login()
            self.addCleanup(connection.socket.close)
            before = counts()
            for _ in range(3):
                connection.simple("SELECT 1")
            after = counts()
            for name in ("decision_seconds", "added_latency_seconds"):
                self.assertEqual(after[name + "_count"] - before[name + "_count"], 3, name)
                self.assertGreater(after[name + "_sum"], before[name + "_sum"])
            self.assertGreaterEqual(after["added_latency_seconds_sum"], after["decision_seconds_sum"])
            self.assertEqual(after["audit_sync_seconds_count"], before["audit_sync_seconds_count"], "a read waits for no disk")
            connection.simple("INSERT INTO users VALUES (1000, 'x', 'y')")
            wait_until(lambda: counts()["audit_sync_seconds_count"] == before["audit_sync_seconds_count"] + 1, "the count")
            self.assertGreater(counts()["audit_sync_seconds_sum"], before["audit_sync_seconds_sum"])


if __name__ == "__main__":
    unittest.main()
