#!/usr/bin/python3
"""TLS between agents and the gateway: PostgreSQL asked and direct, the authority's certificate and what trusts it."""

import os
import socket
import ssl
import struct
import tempfile
import unittest

from lab import Lab, environment, run
import wire

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GATEWAY = "10.77.1.1"  # the agent's tunnel address of it


class AgentTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab().__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.home = tempfile.TemporaryDirectory(prefix="clawpatrol-agent-")
        cls.addClassCleanup(cls.home.cleanup)
        cls.ca = os.path.join(cls.home.name, "gateway.crt")
        cls.agent("curl", "-fsS", "-o", cls.ca, f"http://{GATEWAY}/ca.crt")

    @classmethod
    def agent(cls, *argv, check=True, **variables):
        return run(*cls.lab.inside(cls.lab.agent, *argv), check=check, timeout=60, cwd="/",
                   env=environment() | {"HOME": cls.home.name} | variables)

    def psql(self, conninfo, check=True, **variables):
        return self.agent("psql", "-X", "-A", "-t", "-c", "SELECT 1", f"user=agent dbname=app {conninfo}", check=check, **variables)

    def refusals(self):
        """Reason -> count of what was refused before any action."""
        import json
        status = json.loads(self.lab.cpctl("status", "-o", "json").stdout.splitlines()[0])
        return {row["reason"]: row["count"] for row in status["refusals"]}

    def counted(self, reason, act):
        before = self.refusals().get(reason, 0)
        act()
        self.assertEqual(self.refusals().get(reason, 0), before + 1, self.refusals())

    def context(self, protocols=()):
        context = ssl.create_default_context(cafile=self.ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def login(self, sock):
        with wire.Connection(sock) as session:
            session.login(user="agent", database="app")
            session.send(wire.query("SELECT 'through TLS'"))
            self.assertIn(b"through TLS", b"".join(body for kind, body in session.until("Z") if kind == "D"))

    # ---- the files ----

    def test_the_authority_is_served_and_is_the_one_that_is_kept(self):
        kept = (self.lab.state / "ca.crt").read_text()
        with open(self.ca) as served:
            self.assertEqual(served.read(), kept)
        self.assertNotIn("PRIVATE", kept)
        over_v6 = self.agent("curl", "-fsS", "http://[fd77:1::1]/ca.crt").stdout
        self.assertEqual(over_v6, kept)

    def test_the_rest_of_the_gateway_is_closed(self):
        for path, status in (("ca.key", "404"), ("", "404"), ("../ca.key", "404")):
            answer = self.agent("curl", "-s", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", f"http://{GATEWAY}/{path}")
            self.assertEqual(answer.stdout, status, path)
        for port in (443, 8080, 22):
            self.assertNotEqual(self.agent("curl", "-s", "-m", "1", f"http://{GATEWAY}:{port}/ca.crt", check=False).returncode, 0)
        # Of the gateway's other address nothing is served.
        self.assertNotEqual(self.agent("curl", "-s", "-m", "1", "http://10.77.2.1/ca.crt", check=False).returncode, 0)

    def test_the_script_makes_psql_trust_the_gateway(self):
        script = f'eval "$(curl -fsS http://{GATEWAY}/env.sh)"; exec psql -X -A -t -c "SELECT 1" '
        answer = self.agent("sh", "-c", script + '"host=pg.internal user=agent dbname=app sslmode=verify-full"')
        self.assertEqual(answer.stdout, "1\n", answer.stderr)
        without = self.psql("host=pg.internal sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt", check=False)
        self.assertNotEqual(without.returncode, 0)

    # ---- PostgreSQL ----

    def test_psql_verifies_the_gateway_in_full(self):
        for mode in ("verify-full", "verify-ca", "require", "prefer", "disable"):
            self.assertEqual(self.psql(f"host=pg.internal sslmode={mode} sslrootcert={self.ca}").stdout, "1\n", mode)
        for least, most in (("TLSv1.2", "TLSv1.2"), ("TLSv1.3", "TLSv1.3")):
            info = (f"host=pg.internal sslmode=verify-full sslrootcert={self.ca} ssl_min_protocol_version={least} "
                    f"ssl_max_protocol_version={most}")
            self.assertEqual(self.psql(info).stdout, "1\n")
        old = self.psql(f"host=pg.internal sslmode=require ssl_min_protocol_version=TLSv1.1 ssl_max_protocol_version=TLSv1.1",
                        check=False, OPENSSL_CONF="/dev/null")
        self.assertNotEqual(old.returncode, 0)

    def test_direct_tls_needs_its_protocol(self):
        address = self.lab.virtual_address()
        with self.context(["postgresql"]).wrap_socket(self.lab.connect(address), server_hostname="pg.internal") as session:
            self.assertEqual(session.selected_alpn_protocol(), "postgresql")
            self.login(session)
        for protocols in ((), ("h2",)):
            with self.assertRaises(ssl.SSLError) as caught:
                self.context(protocols).wrap_socket(self.lab.connect(address), server_hostname="pg.internal")
            self.assertIn("no application protocol", str(caught.exception))

    def test_a_client_that_demands_channel_binding_gets_it(self):
        """SCRAM-SHA-256-PLUS, of real libpq, where the endpoint says so; the password is no secret."""
        bound = f"host=pg.internal sslmode=verify-full sslrootcert={self.ca} channel_binding=require"
        without = self.psql(bound, check=False)
        self.assertIn("channel binding required", without.stderr)
        text = self.lab.policy_text()
        (self.lab.config / "clawpatrol.toml").write_text(text.replace('tls   = "disable"', 'tls   = "disable"\nagent_login = "scram"'))
        try:
            self.lab.cpctl("reload")
            self.assertEqual(self.psql(bound, PGPASSWORD="{{pg-reader}}").stdout, "1\n")
            for info in ("sslmode=disable", "sslmode=require channel_binding=disable"):
                self.assertEqual(self.psql("host=pg.internal " + info, PGPASSWORD="{{pg-reader}}").stdout, "1\n", info)
            wrong = self.psql(bound, check=False, PGPASSWORD="guessed")
            self.assertIn("password authentication failed", wrong.stderr)
            self.assertIn("The password is {{pg-reader}}, which is no secret.", wrong.stderr)
        finally:
            self.lab.reload()

    def test_another_name_is_refused(self):
        sock = self.lab.connect()
        sock.sendall(SSL_REQUEST)
        self.assertEqual(sock.recv(1), b"S")
        with self.assertRaises(ssl.SSLError) as caught:
            self.context().wrap_socket(sock, server_hostname="other.internal")
        self.assertIn("UNRECOGNIZED_NAME", str(caught.exception))

    def test_attack_15_bytes_around_the_request(self):
        """attack 15: bytes stuffed behind SSLRequest close the connection, before and after the answer"""
        startup = b"\0\0\0\x08\0\x03\0\0"

        def stuffed():
            sock = self.lab.connect()
            sock.sendall(SSL_REQUEST + startup)
            self.assertEqual(self.to_the_end(sock), b"")

        def in_the_clear():
            sock = self.lab.connect()
            sock.sendall(SSL_REQUEST)
            self.assertEqual(sock.recv(1), b"S")
            sock.sendall(startup)
            self.assertEqual(self.to_the_end(sock), b"")

        def asked_again():
            sock = self.lab.connect()
            sock.sendall(SSL_REQUEST)
            self.assertEqual(sock.recv(1), b"S")
            session = self.context().wrap_socket(sock, server_hostname="pg.internal")
            session.sendall(SSL_REQUEST)
            self.assertEqual(self.to_the_end(session), b"")

        self.counted("bytes around an encryption request", stuffed)
        self.counted("no TLS where TLS is spoken", in_the_clear)
        self.counted("bytes around an encryption request", asked_again)

    @staticmethod
    def to_the_end(sock):
        got = b""
        try:
            while chunk := sock.recv(1000):
                got += chunk
        except (ConnectionResetError, ssl.SSLEOFError):
            pass
        sock.close()
        return got

    def test_a_denial_reads_the_same_inside_tls(self):
        denied = self.agent("psql", "-X", "-c", "SELECT 1", f"user=agent dbname=nowhere host=pg.internal sslmode=verify-full sslrootcert={self.ca}",
                            check=False)
        self.assertIn('database "nowhere" does not exist', denied.stderr)

    def test_an_agent_that_does_not_trust_us_is_counted(self):
        self.counted("TLS: the agent does not trust the gateway's authority",
                     lambda: self.psql("host=pg.internal sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt", check=False))


if __name__ == "__main__":
    unittest.main()
