#!/usr/bin/python3
"""HTTPS through the gateway: terminated under its own authority, judged, and encrypted anew to a server that proves its name."""

import http.server
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from lab import Lab, environment, run, setns, wait_until

GATEWAY = "10.77.1.1"
# Server name -> what is wrong with its certificate, as an operator reads it; None: nothing.
SERVERS = {
    "good": None,
    "expired": "certificate has expired",
    "early": "certificate is not yet valid",
    "other": "hostname mismatch",
    "selfsigned": "self-signed certificate",
    "stranger": "unable to get local issuer certificate",
    "usage": "unsuitable certificate purpose",
    "cnonly": "hostname mismatch",
    "weak": "EE certificate key too weak",
}
POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
endpoints = ["web", "old", "wild"]

[endpoint.web]
type  = "https"
hosts = [%s]
ca    = "file:ca.pem"

[endpoint.old]
type  = "https"
hosts = ["old.internal:8443"]
ca    = "file:ca.pem"

[endpoint.wild]
type  = "https"
hosts = ["*.wild.internal"]
ca    = "file:ca.pem"
networks = ["10.77.2.0/24"]

{rules}
""" % ", ".join(f'"{name}.internal"' for name in SERVERS)
RULES = """
[[rule]]
name      = "no-delete"
endpoints = ["web", "old", "wild"]
priority  = 10
condition = "http.method == 'DELETE'"
verdict   = "deny"
reason    = "Nothing is deleted here"

[[rule]]
name      = "rest"
endpoints = ["web", "old", "wild"]
condition = "http.host.endsWith('.internal')"
verdict   = "allow"
"""


def openssl(*argv, cwd):
    run("openssl", *argv, cwd=cwd)


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"path": self.path, "host": self.headers["Host"], "resumed": self.connection.session_reused,
                           "version": self.connection.version()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # so that each request comes on a connection of its own
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class HttpsLab(Lab):
    hosts = "127.0.0.1 localhost\n" + "".join(f"10.77.2.2 {name}.internal\n" for name in [*SERVERS, "old"])
    hosts += "10.77.2.3 a.wild.internal b.wild.internal\n"  # what an exact name has no wildcard may reach

    names = []  # that were asked for

    def make_networks(self):
        super().make_networks()
        run("ip", "-n", self.upstream, "addr", "add", "10.77.2.3/24", "dev", "eth0")

    def make_directories(self):
        super().make_directories()
        self.tls = self.directory / "tls"
        self.tls.mkdir()
        for name in ("ca", "unknown"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", cwd=self.tls)
        for name in SERVERS:
            self.certify(name, f"{name}.internal")
        self.certify("old", "old.internal")
        self.certify("wild", "a.wild.internal")

    def certify(self, name, host):
        """A certificate with the fault that its name says."""
        key = ("rsa:1024",) if name == "weak" else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        subject = f"/CN={host}" if name == "cnonly" else "/CN=server"
        openssl("req", "-newkey", *key, "-nodes", "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.tls)
        lines = ["basicConstraints=CA:FALSE", f"extendedKeyUsage={'clientAuth' if name == 'usage' else 'serverAuth'}"]
        if name != "cnonly":
            lines.append(f"subjectAltName=DNS:{'elsewhere.internal' if name == 'other' else host}")
        (self.tls / "extensions").write_text("\n".join(lines) + "\n")
        (self.tls / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
                                         "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        (self.tls / "index").touch()
        (self.tls / "serial").write_text(f"{len(list(self.tls.iterdir())):04x}\n")
        issuer = "unknown" if name == "stranger" else "ca"
        dates = {"expired": ("20200101000000Z", "20200201000000Z"), "early": ("20900101000000Z", "20900201000000Z")}
        begin, end = dates.get(name, (time.strftime("%Y%m%d000000Z", time.gmtime(time.time() - 86400)),
                                      time.strftime("%Y%m%d000000Z", time.gmtime(time.time() + 3 * 86400))))
        if name == "selfsigned":
            openssl("x509", "-req", "-in", f"{name}.csr", "-signkey", f"{name}.key", "-days", "2", "-extfile", "extensions",
                    "-out", f"{name}.pem", cwd=self.tls)
            return
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-cert", f"{issuer}.pem", "-keyfile",
                f"{issuer}.key", "-startdate", begin, "-enddate", end, "-extfile", "extensions", "-out", f"{name}.pem", cwd=self.tls)

    def write_policy(self, rules=None):
        super().write_policy(rules)
        (self.config / "ca.pem").write_bytes((self.tls / "ca.pem").read_bytes())

    def server_context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.load_cert_chain(self.tls / f"{name}.pem", self.tls / f"{name}.key")
        return context

    def serve(self, address="10.77.2.2", port=443):
        """One server under every name: the client's says which certificate it shows."""
        contexts = {f"{name}.internal": self.server_context(name) for name in SERVERS}
        contexts |= {"old.internal": self.server_context("old"), "a.wild.internal": self.server_context("wild")}
        first = self.server_context("good")
        def choose(connection, name, _):
            self.names.append(name)
            connection.context = contexts.get(name, first)
        first.sni_callback = choose

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

            def get_request(self):
                sock, address = self.socket.accept()
                sock.settimeout(20)
                return first.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address
        with self.as_agent(self.upstream):
            server = Server((address, port), Echo)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.stack.callback(server.server_close)
        self.stack.callback(server.shutdown)


class Https(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = HttpsLab(rules=RULES, policy=POLICY, postgres=False, second_agent=True).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.lab.serve()
        cls.lab.serve(port=8443)
        cls.lab.serve(address="10.77.2.3")
        cls.home = tempfile.TemporaryDirectory(prefix="clawpatrol-agent-")
        cls.addClassCleanup(cls.home.cleanup)
        cls.ca = os.path.join(cls.home.name, "gateway.crt")
        cls.agent("curl", "-fsS", "-o", cls.ca, f"http://{GATEWAY}/ca.crt")

    @classmethod
    def agent(cls, *argv, check=True, **variables):
        return run(*cls.lab.inside(cls.lab.agent, *argv), check=check, timeout=60, cwd="/",
                   env=environment() | {"HOME": cls.home.name} | variables)

    def curl(self, *argv, check=True):
        return self.agent("curl", "-sS", "--cacert", self.ca, *argv, check=check)

    def context(self, protocols=(), strict=True):
        context = ssl.create_default_context(cafile=self.ca)
        if strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def connect(self, name="good.internal", sni="good.internal", context=None, address=None, namespace=None, session=None):
        sock = self.lab.connect(address or self.lab.virtual_address(name), 443, namespace=namespace)
        connection = (context or self.context()).wrap_socket(sock, server_hostname=sni, session=session)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, host="good.internal"):
        connection.sendall(f"GET /raw HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while chunk := connection.recv(65536):
            got += chunk
        return got

    # ---- what works ----

    def test_a_request_goes_through_both_ends(self):
        answer = json.loads(self.curl("https://good.internal/a?b").stdout)
        self.assertEqual((answer["path"], answer["host"], answer["version"]), ("/a?b", "good.internal", "TLSv1.3"))
        for version in ("1.2", "1.3"):
            self.assertEqual(self.curl("--tlsv" + version, "--tls-max", version, "-o", "/dev/null", "-w", "%{http_code}",
                                       "https://good.internal/").stdout, "200")
        line = [x for x in self.lab.audit_lines() if x.get("endpoint") == "web" and "/a" in json.dumps(x)]
        self.assertTrue(line)

    def test_another_port_and_a_name_below_a_wildcard(self):
        self.assertEqual(json.loads(self.curl("https://old.internal:8443/").stdout)["host"], "old.internal:8443")
        self.assertEqual(json.loads(self.curl("https://a.wild.internal/").stdout)["host"], "a.wild.internal")

    def test_a_denial_is_a_403_inside_tls(self):
        answer = self.curl("-X", "DELETE", "-w", "\n%{http_code} %{content_type}", "https://good.internal/x").stdout
        self.assertIn("Nothing is deleted here", answer)
        self.assertTrue(answer.endswith("403 application/problem+json"), answer)

    def test_a_name_looked_up_elsewhere_is_claimed_by_its_sni(self):
        """The agent's address says nothing: what the claimed name resolves to is dialled."""
        out = self.curl("--resolve", "good.internal:443:192.0.2.7", "https://good.internal/sni").stdout
        self.assertEqual(json.loads(out)["path"], "/sni")
        refused = self.curl("--resolve", "unknown.example:443:192.0.2.7", "https://unknown.example/", check=False)
        self.assertEqual(refused.returncode, 35)
        self.assertIn("unrecognized name", refused.stderr)

    def test_the_script_makes_tools_trust_the_gateway(self):
        begin = f'eval "$(curl -fsS http://{GATEWAY}/env.sh)"; '
        tools = {
            "curl": "curl -fsS https://good.internal/tool",
            "python": "/usr/bin/python3 -c \"import urllib.request as u; print(u.urlopen('https://good.internal/tool').read().decode())\"",
            "requests": "/usr/bin/python3 -c \"import requests; print(requests.get('https://good.internal/tool').text)\"",
            "httpx": "/usr/bin/python3 -c \"import httpx; print(httpx.get('https://good.internal/tool').text)\"",
            "node": "node -e \"require('https').get('https://good.internal/tool', r => r.pipe(process.stdout))\"",
            "git": "git ls-remote https://good.internal/tool 2>&1 | grep -v -i certificate; echo '\"path\": \"/tool\"'",
        }
        for name, command in tools.items():
            with self.subTest(tool=name):
                if run("sh", "-c", f"command -v {command.split()[0]}", check=False).returncode != 0:
                    self.skipTest(f"{name} is not installed")
                got = self.agent("sh", "-c", begin + command, check=False)
                self.assertIn('"path": "/tool', got.stdout, got.stderr)
                self.assertNotIn("certificate", got.stderr)

    def test_sessions_of_one_peer_are_resumed_on_both_sides(self):
        context = self.context()
        first = self.connect(context=context)
        self.ask(first)
        self.assertTrue(first.session)
        again = self.connect(context=context, session=first.session)
        self.assertTrue(again.session_reused)
        self.assertIn(b'"resumed": true', self.ask(again))  # upstream, on a connection of its own

    # ---- attacks ----

    def test_attack_15_tickets(self):
        """attack 15: a ticket is of no use to another peer, nor for another name"""
        context = self.context()
        first = self.connect(context=context)
        self.ask(first)
        other_peer = self.connect(context=context, session=first.session, namespace=self.lab.other_agent)
        self.assertFalse(other_peer.session_reused)
        self.ask(other_peer)
        address = self.lab.virtual_address("expired.internal")
        other_name = self.connect(context=context, sni="expired.internal", address=address, session=first.session)
        self.assertFalse(other_name.session_reused)

    def test_attack_11_fronting(self):
        """attack 11: the address of A with the name of B, and the name of A with the Host of B"""
        with self.assertRaises(ssl.SSLError) as caught:
            self.connect("good.internal", sni="old.internal")
        self.assertIn("unrecognized name", str(caught.exception))
        before = len(self.lab.names)
        self.assertIn(b"421", self.ask(self.connect(), host="expired.internal").split(b"\r\n")[0])
        self.assertEqual(len(self.lab.names), before)  # nothing was dialled

    def test_old_versions_and_renegotiation_are_refused(self):
        target = f"{self.lab.virtual_address('good.internal')}:443"
        for option in ("-tls1", "-tls1_1"):
            got = self.agent("openssl", "s_client", "-connect", target, "-servername", "good.internal", option,
                             "-cipher", "DEFAULT@SECLEVEL=0", check=False)
            self.assertIn("alert protocol version", got.stderr)
        renegotiating = subprocess.run(
            self.lab.inside(self.lab.agent, "sh", "-c",
                            f"(sleep 1; echo R; sleep 1) | timeout 5 openssl s_client -connect {target} -servername good.internal -tls1_2"),
            capture_output=True, text=True, timeout=30, env=environment())
        self.assertTrue(renegotiating.stderr.endswith("RENEGOTIATING\n"), renegotiating.stderr)  # and no other handshake

    def test_without_a_server_name_the_address_says_which(self):
        context = self.context()
        context.check_hostname = False
        connection = self.connect(sni=None, context=context)
        self.assertIn(("DNS", "good.internal"), connection.getpeercert()["subjectAltName"])
        self.assertIn(b"200 OK", self.ask(connection))

    def test_clear_text_is_not_served(self):
        with self.lab.connect(self.lab.virtual_address("good.internal"), 443) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: good.internal\r\n\r\n")
            try:
                self.assertEqual(sock.recv(100), b"")
            except ConnectionResetError:
                pass

    def test_eight_bad_certificates(self):
        for name, why in SERVERS.items():
            if why is None:
                continue
            with self.subTest(certificate=name):
                answer = self.curl("-o", "/dev/null", "-w", "%{http_code}", f"https://{name}.internal/{name}").stdout
                self.assertEqual(answer, "502")
                wait_until(lambda: any(why in json.dumps(line) for line in self.lab.audit_lines()
                                       if "certificate is refused" in json.dumps(line)), f"'{why}' in the log", seconds=5)
        self.assertEqual(self.curl("-o", "/dev/null", "-w", "%{http_code}", "https://b.wild.internal/").stdout, "502")


if __name__ == "__main__":
    unittest.main()
