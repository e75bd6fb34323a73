#!/usr/bin/python3
"""Who does not read costs little memory, in whichever version either side speaks; and once he reads, every byte is there."""

import hashlib
import json
import subprocess
import time
import unittest

from http_lab import HERE, HttpLab
from lab import run, wait_until

MEGABYTES = 128
MOST = 16 << 20  # of memory that the daemon takes for one exchange that stands still, beside what it had
STILL = 1.5  # seconds

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
endpoints = ["large", "clear", "socket"]

[endpoint.large]
type  = "https"
hosts = ["large.internal:9093", "large.internal:9094"]
ca    = "file:ca.pem"

[endpoint.clear]
type  = "http"
hosts = ["large.internal:9095"]

[endpoint.socket]
type  = "https"
hosts = ["large.internal:9096"]
ca    = "file:ca.pem"

{rules}
"""
RULES = """
[[rule]]
name      = "everything"
endpoints = ["large", "clear", "socket"]
verdict   = "allow"
"""
# What each side speaks: the agent by curl's option, the server by its port.
PAIRS = {"h1 to h1": ("--http1.1", "https", 9094), "h1 to h2": ("--http1.1", "https", 9093), "h2 to h1": ("--http2", "https", 9094),
         "h2 to h2": ("--http2", "https", 9093), "clear": ("--http1.1", "http", 9095)}


class LargeLab(HttpLab):
    ports = {"large": 8096}

    def start_servers(self):
        run("chmod", "-R", "a+rwX", self.servers)
        large = self.spawn("large", self.inside(self.upstream, "node", HERE / "large_server.js", 9093, self.servers))
        socket = self.spawn("socket", self.inside(self.upstream, "/usr/bin/python3", HERE / "websocket_server.py", self.ports["large"], self.servers))
        for port, process in ((9093, large), (9094, large), (9095, large), (9096, socket)):
            wait_until(lambda port=port: self.listens(port), "a server", process=process)


class SlowReaders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = LargeLab(RULES, policy=POLICY).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.trust = cls.lab.trust(cls.lab.agent)
        piece = b"".join((at * 2654435761 & 0xffffffff).to_bytes(4, "little") for at in range(0, 1 << 20, 4))
        cls.whole = hashlib.sha256()
        for _ in range(MEGABYTES):
            cls.whole.update(piece)
        cls.file = cls.lab.directory / "upload"
        cls.file.write_bytes(piece * MEGABYTES)

    def memory(self, name="VmRSS"):
        with open(f"/proc/{self.daemon()}/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith(name + ":"))

    def daemon(self):
        return self.lab.daemon.pid  # what `ip netns exec` and setpriv have become

    def spawn(self, *argv, **options):
        return subprocess.Popen([str(a) for a in self.lab.inside(self.lab.agent, *argv)], env=self.trust, stdout=subprocess.PIPE, **options)

    def peak(self):
        """A context in which the daemon's highest memory is found."""
        test = self

        class Peak:
            def __enter__(self):
                with open(f"/proc/{test.daemon()}/clear_refs", "w") as refs:
                    refs.write("5")
                self.before = test.memory()
                return self

            def __exit__(self, *_):
                test.assertLess(test.memory("VmHWM") - self.before, MOST)
        return Peak()

    def still(self, counter):
        """Until nothing has moved for a while."""
        seen, since = counter(), time.monotonic()
        while time.monotonic() - since < STILL:
            time.sleep(0.05)
            if counter() != seen:
                seen, since = counter(), time.monotonic()
        return seen

    def flow(self):
        flows = map(json.loads, self.lab.cpctl("flows", "-o", "json").stdout.splitlines())
        return sum(flow["bytes_up"] + flow["bytes_down"] for flow in flows if flow["type"] == "flow")

    def test_a_response_that_ends_with_its_head(self):
        """In HTTP/2 it needs no length: in HTTP/1.1 it must have one, or it lasts until the connection ends."""
        url = "https://large.internal:9093/go"
        said = self.spawn("curl", "-sS", "--http1.1", "--max-time", "5", "-w", "%{http_code} %{num_connects}\n", url, url).communicate()[0]
        self.assertEqual(said.decode(), "200 1\n200 0\n")

    def test_an_agent_that_does_not_read(self):
        for name, (version, scheme, port) in PAIRS.items():
            with self.subTest(name), self.peak():
                client = self.spawn("curl", "-sS", version, f"{scheme}://large.internal:{port}/?megabytes={MEGABYTES}")
                moved = self.still(self.flow)
                self.assertGreater(moved, 64 << 10)
                self.assertLess(moved, MEGABYTES << 19)  # it stands still
                whole = hashlib.sha256()
                while part := client.stdout.read(1 << 20):
                    whole.update(part)
                client.stdout.close()
                self.assertEqual((client.wait(), whole.hexdigest()), (0, self.whole.hexdigest()))

    def test_a_server_that_does_not_read(self):
        for name, (version, scheme, port) in PAIRS.items():
            with self.subTest(name), self.peak():
                client = self.spawn("curl", "-sS", version, "-T", self.file, f"{scheme}://large.internal:{port}/")
                moved = self.still(self.flow)
                self.assertGreater(moved, 64 << 10)
                self.assertLess(moved, MEGABYTES << 19)
                run(*self.lab.inside(self.lab.gateway, "curl", "-sS", "http://large.internal:9095/go"))
                said = client.communicate()[0].decode()
                self.assertEqual((client.returncode, said), (0, self.whole.hexdigest() + "\n"))

    def test_a_websocket_that_is_not_read(self):
        program = """
import hashlib, ssl, sys
import asyncio, websockets
async def main():
    async with websockets.connect("wss://large.internal:9096/flood", max_size=None, max_queue=1, compression=None, ping_interval=None) as socket:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        count, whole = 0, hashlib.sha256()
        async for message in socket:
            count += 1
            whole.update(message)
        print(count, whole.hexdigest())
asyncio.run(main())
"""
        whole = hashlib.sha256()
        for number in range(256):
            whole.update(bytes([number]) * (1 << 20))
        with self.peak():
            client = self.spawn("/usr/bin/python3", "-c", program, stdin=subprocess.PIPE)
            moved = self.still(self.flow)
            self.assertGreater(moved, 64 << 10)
            self.assertLess(moved, 128 << 20)
            self.assertEqual(client.communicate(b"go\n")[0].decode(), f"256 {whole.hexdigest()}\n")


if __name__ == "__main__":
    unittest.main()
