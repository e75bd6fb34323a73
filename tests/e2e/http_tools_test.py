#!/usr/bin/python3
"""gRPC, WebSocket, nghttp and Java through the gateway: each says what it says without it."""

import unittest

from http_lab import CLIENTS, ENCRYPTED, HERE, HttpLab, SaysTheSame
from lab import run, wait_until

RULES = """
[[rule]]
name      = "no-deleting"
endpoints = ["servers", "encrypted"]
priority  = 10
condition = "http.method == 'DELETE' && http.path == '/kept' || http.path == '/test.Shapes/Drop'"
verdict   = "deny"
reason    = "It is kept"

[[rule]]
name      = "everything"
endpoints = ["servers", "encrypted"]
verdict   = "allow"
"""


class ToolsLab(HttpLab):
    ports = {"node": 8084, "grpc": 8086, "nghttpd": 8087, "websocket": 8088}

    def servers_to_start(self):
        www = self.servers / "www"
        www.mkdir()
        (www / "index.html").write_text("hello\n")
        (www / "large").write_bytes(bytes(i * 7 % 251 for i in range(1 << 20)) * 10)
        python = {name: ["/usr/bin/python3", HERE / f"{name}_server.py", self.ports[name], self.servers] for name in ("grpc", "websocket")}
        return python | {"node": ["node", HERE / "server.js", self.ports["node"], self.servers / "node.access", self.servers]}

    def start_servers(self):
        super().start_servers()
        at, port = self.servers, self.ports["nghttpd"]
        for command in (["--no-tls", port], [port + ENCRYPTED, at / "server.key", at / "server.pem"]):
            process = self.spawn("nghttpd", self.inside(self.upstream, "nghttpd", "-d", at / "www", "--trailer", "x-sum: 3",
                                                        "--echo-upload", *command))
            wait_until(lambda port=port: self.listens(port), "nghttpd", process=process)
            port += ENCRYPTED


class Tools(SaysTheSame, unittest.TestCase):
    scheme = "http"

    @classmethod
    def setUpClass(cls):
        cls.lab = ToolsLab(RULES).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.trust = {namespace: cls.lab.trust(namespace) for namespace in (cls.lab.gateway, cls.lab.agent)}

    def url(self, name, path="/"):
        return self.lab.url(name, path, self.scheme)

    def agent(self, *argv, **options):
        return run(*self.lab.inside(self.lab.agent, *argv), env=self.trust[self.lab.agent], timeout=120, cwd="/", **options)

    def test_grpc(self):
        target = self.url("grpc").split("/")[2]
        said = self.same("/usr/bin/python3", CLIENTS / "grpc_client.py", self.scheme, target)
        self.assertTrue(said.endswith("done\n"), said)
        for status in ("FAILED_PRECONDITION", "DATA_LOSS", "UNIMPLEMENTED", "DEADLINE_EXCEEDED"):
            self.assertIn(f"StatusCode.{status}", said)

    def test_a_call_that_is_refused_says_so_in_grpc(self):
        program = f"""
import grpc, os
roots = open(os.environ["SSL_CERT_FILE"], "rb").read()
target = {self.url("grpc").split("/")[2]!r}
channel = grpc.insecure_channel(target) if {self.scheme!r} == "http" else grpc.secure_channel(target, grpc.ssl_channel_credentials(roots))
try: channel.unary_unary("/test.Shapes/Drop")(b"all")
except grpc.RpcError as error: print(error.code(), error.details())
"""
        said = self.agent("/usr/bin/python3", "-c", program).stdout
        self.assertRegex(said, r'^StatusCode.PERMISSION_DENIED It is kept \(rule "no-deleting", action a-')

    def test_a_call_that_is_given_up_ends_at_the_server_too(self):
        """Within its deadline, and not when the server would have been done."""
        ended = lambda: [line for line in self.lab.judged() if line["facets"]["path"] == "/test.Shapes/Sleep" and line["outcome"]]
        before = len(ended())
        program = f"""
import grpc, os
roots = open(os.environ["SSL_CERT_FILE"], "rb").read()
target = {self.url("grpc").split("/")[2]!r}
channel = grpc.insecure_channel(target) if {self.scheme!r} == "http" else grpc.secure_channel(target, grpc.ssl_channel_credentials(roots))
try: channel.unary_unary("/test.Shapes/Sleep")(b"300", timeout=0.5)
except grpc.RpcError as error: assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
open({str(self.lab.servers / "given-up")!r}, "w").close()
import time; time.sleep(60)  # the connection stays
"""
        mark = self.lab.servers / "given-up"
        mark.unlink(missing_ok=True)
        process = self.lab.spawn("client", self.lab.inside(self.lab.agent, "env", f"SSL_CERT_FILE={self.trust[self.lab.agent]['SSL_CERT_FILE']}",
                                                           "/usr/bin/python3", "-c", program))
        self.addCleanup(self.lab.end, process)
        wait_until(mark.exists, "the call's end", process=process)
        self.assertFalse(wait_until(lambda: ended()[before:], "the outcome")[0]["outcome"]["ok"])

    def test_websocket(self):
        said = self.same("/usr/bin/python3", CLIENTS / "websocket_client.py", self.url("websocket", ""))
        self.assertIn("chat ['permessage-deflate']", said)
        self.assertTrue(said.endswith("done\n"), said)
        lines = [line for line in self.lab.judged() if line["facets"]["path"] == "/echo" and line["outcome"]]
        self.assertTrue(all(line["outcome"]["code"] == "101" for line in lines if "websocket" in str(line)))

    def nghttp(self, *argv):
        """In HTTP/2 alone; what comes in which order is the network's, so of each request its head and body are compared."""
        return self.same("sh", "-c", "nghttp --no-verify-peer " + " ".join(map(str, argv)))

    def test_nghttp_with_nghttpd(self):
        self.assertEqual(self.nghttp(self.url("nghttpd")), "hello\n")
        self.nghttp(self.url("nghttpd", "/large"), "| md5sum")
        self.nghttp("-d", "/etc/services", self.url("nghttpd", "/echo"), "| md5sum")
        trailers = self.nghttp("-nv", "--no-dep", "--trailer='x-up: 1'", "-d", "/etc/services", self.url("nghttpd"),
                               "| sed 's/\\x1b[^m]*m//g' | grep -o 'x-sum: 3\\|:status: .*'")
        self.assertEqual(trailers, ":status: 200\nx-sum: 3\n")
        missing = self.nghttp("-nv", self.url("nghttpd", "/missing"), "| sed 's/\\x1b[^m]*m//g' | grep -o ':status: .*'")
        self.assertEqual(missing, ":status: 404\n")

    def test_many_streams_of_h2load(self):
        self.load("nghttpd", "/", clients=8, streams=50)

    def load(self, name, path, clients, streams):
        said = self.agent("h2load", "-n", 2000, "-c", clients, "-m", streams, self.url(name, path)).stdout
        self.assertIn("2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout", said)
        self.assertIn("2000 2xx, 0 3xx, 0 4xx, 0 5xx", said)

    def test_java(self):
        """Through /env.sh, as an agent would."""
        trust = 'eval "$(curl -fsS http://10.77.1.1/env.sh)"; ' if self.scheme == "https" else ""
        # Its own store for who goes directly.
        own = ("rm -rf {0}/store; keytool -importcert -noprompt -alias a -file {0}/ca.pem -keystore {0}/store -storepass changeit "
               ">/dev/null 2>&1; export JAVA_TOOL_OPTIONS='-Djavax.net.ssl.trustStore={0}/store "
               "-Djavax.net.ssl.trustStorePassword=changeit'; ").format(self.lab.servers)
        said = []
        for namespace, begin in ((self.lab.gateway, own), (self.lab.agent, trust)):
            command = f"export HOME=$(mktemp -d); {begin} exec java {CLIENTS / 'Fetch.java'} {self.url('node', '')}"
            said.append(run(*self.lab.inside(namespace, "sh", "-c", command), timeout=120, cwd="/").stdout)
        self.assertEqual(said[0], said[1])
        self.assertTrue(said[0].endswith("done\n"))

    def test_a_denied_upload_is_told_why(self):
        """Also who has just begun to send its body: 403 and the reason, never a broken stream."""
        for version in ("--http1.1", "--http2"):
            for body in ("/etc/services", self.lab.servers / "www" / "large"):
                for _ in range(10):
                    said = self.agent("curl", "-sS", version, "-X", "DELETE", "-T", body, "-w", " %{http_code}", self.url("node", "/kept")).stdout
                    self.assertIn("It is kept", said)
                    self.assertTrue(said.endswith(" 403"), said)


class EncryptedTools(Tools):
    scheme = "https"

    def test_many_streams_to_a_server_of_http1(self):
        """As many as a peer may have there at once."""
        self.load("node", "/echo", clients=4, streams=16)

    def test_an_h1_agent_and_a_server_of_h2_alone(self):
        """nghttpd speaks nothing else."""
        for path in ("/", "/large", "/missing"):
            with self.subTest(path):
                url = self.url("nghttpd", path)
                said = [run(*self.lab.inside(namespace, "sh", "-c", f"curl -sS {version} -w '%{{http_code}} %{{http_version}}' {url} | tail -c 200000 | md5sum; "
                                             f"curl -sS -o /dev/null {version} -w '%{{http_code}} %{{http_version}}' {url}"),
                            env=self.trust[namespace]).stdout for namespace, version in ((self.lab.gateway, "--http2"), (self.lab.agent, "--http1.1"))]
                self.assertEqual(said[0].split("\n")[1].split()[0], said[1].split("\n")[1].split()[0])
                self.assertEqual([text.split()[-1] for text in said], ["2", "1.1"])
        upload = "curl -sS {} -T /etc/services {} | md5sum"
        sums = {run(*self.lab.inside(namespace, "sh", "-c", upload.format(version, self.url("nghttpd", "/x"))), env=self.trust[namespace]).stdout
                for namespace, version in ((self.lab.gateway, "--http2"), (self.lab.agent, "--http1.1"))}
        self.assertEqual(len(sums), 1)
        self.assertEqual(sums.pop(), run("sh", "-c", "md5sum - < /etc/services").stdout)


if __name__ == "__main__":
    unittest.main()
