#!/usr/bin/python3
"""TLS between the gateway and a real PostgreSQL: what it demands, that everything goes through it, and what it says."""

import socket
import ssl
import struct
import threading
import time
import unittest

from lab import Lab, run, wait_until

NAMES = ("full", "ca", "any", "other", "system", "plain", "weak")
MODES = {"full": 'ca = "file:ca.pem"', "ca": 'tls = "verify-ca"\nca = "file:ca.pem"', "any": 'tls = "require"',
         "other": 'ca = "file:other.pem"', "system": "", "plain": 'tls = "disable"', "weak": 'tls = "require"'}
HOSTS = {"full": "pg.internal:5432", "ca": "alias.internal:5432", "any": "any.internal:5432", "other": "other.internal:5432",
         "system": "system.internal:5432", "plain": "plain.internal:5432", "weak": "fake.internal:5555"}
ENDPOINTS = "".join(f"""
[endpoint.{name}]
type  = "postgres"
hosts = ["{HOSTS[name]}"]
{MODES[name]}
""" for name in NAMES)
CREDENTIALS = "".join(f"""
[credential.{name}-reader]
type     = "postgres"
endpoint = "{name}"
user     = "agent_ro"
""" for name in NAMES)
RULES = "".join(f"""
[[rule]]
name      = "all-{name}"
endpoint  = "{name}"
on        = ["statement", "login", "cancel"]
verdict   = "allow"
""" for name in NAMES)


def openssl(*argv, cwd):
    run("openssl", *argv, cwd=cwd)


class TlsLab(Lab):
    hosts = "127.0.0.1 localhost\n" + "".join(
        f"10.77.2.2 {name}\n" for name in sorted({host.split(":")[0] for host in HOSTS.values()}))

    def policy_text(self):
        text = super().policy_text()
        begin, end = text.index("[endpoint.pg-prod]"), text.index("[[rule]]")
        text = text[:begin] + ENDPOINTS + CREDENTIALS + text[end:]
        credentials = ", ".join(f'"{name}-reader"' for name in NAMES)
        return text.replace('["pg-reader"]', f"[{credentials}]")

    def make_directories(self):
        super().make_directories()
        self.make_certificates()

    def make_certificates(self):
        where = self.directory / "tls"
        where.mkdir()
        for name in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", cwd=where)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                "-keyout", "server.key", "-out", "server.csr", cwd=where)
        (where / "names").write_text("subjectAltName=DNS:pg.internal,DNS:other.internal,DNS:system.internal\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", "server.pem", cwd=where)

    def write_policy(self, rules=None):
        super().write_policy(rules)
        for name in ("ca", "other"):
            (self.config / f"{name}.pem").write_bytes((self.directory / "tls" / f"{name}.pem").read_bytes())

    def start_postgres(self):
        super().start_postgres()
        data = self.directory / "pg"
        for name in ("server.key", "server.pem"):
            run("install", "-o", "postgres", "-g", "postgres", "-m", "600", self.directory / "tls" / name, data / name)
        for setting, value in (("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key"), ("ssl", "on")):
            self.admin(f"ALTER SYSTEM SET {setting} = '{value}'")
        # What is not encrypted does not get in, but for what says so.
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n"
                                          "hostnossl all all all reject\n")
        self.admin("SELECT pg_reload_conf()")
        wait_until(lambda: self.admin("SHOW ssl") == "on", "TLS")

    def ask(self, name, sql="SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"):
        return self.psql(sql, check=False, host=HOSTS[name].split(":")[0])


class UpstreamTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = TlsLab(rules=RULES).__enter__()
        for name in NAMES:
            cls.lab.cpctl("creds", "set", f"{name}-reader", input="reader-secret")

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def refused(self, name, why):
        result = self.lab.ask(name)
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertIn("the gateway could not set up TLS with the server", result.stderr)
        self.assertIn(why, result.stderr)
        wait_until(lambda: any(line.get("code") == "08001" and why in line["why"] for line in self.lab.audit_lines()),
                   "the outcome in the log")

    def test_a_server_that_proves_its_name_is_spoken_with(self):
        self.assertEqual(self.lab.ask("full").stdout, "t|TLSv1.3\n")

    def test_less_is_demanded_where_the_operator_says_so(self):
        self.assertEqual(self.lab.ask("ca").stdout, "t|TLSv1.3\n")
        self.assertEqual(self.lab.ask("any").stdout, "t|TLSv1.3\n")

    def test_a_server_that_proves_nothing_is_not(self):
        self.refused("other", "unable to get local issuer certificate (CN=server, issued by CN=ca)")
        self.refused("system", "unable to get local issuer certificate (CN=server, issued by CN=ca)")

    def test_another_name_is_refused(self):
        """The name that counts is the endpoint's, whatever address it is reached at."""
        text = self.lab.policy_text().replace('tls = "verify-ca"\nca = "file:ca.pem"', 'ca = "file:ca.pem"')
        (self.lab.config / "clawpatrol.toml").write_text(text)
        try:
            self.lab.cpctl("reload")
            self.refused("ca", "hostname mismatch (CN=server, issued by CN=ca)")
        finally:
            self.lab.reload()

    def test_without_tls_the_server_does_not_let_us_in(self):
        """That the test's server tells the two apart."""
        result = self.lab.ask("plain")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("the server refused the gateway's login", result.stderr)

    def test_a_password_in_the_clear_goes_to_a_proven_server_alone(self):
        file = self.lab.directory / "pg" / "pg_hba.conf"
        before = file.read_text()
        try:
            file.write_text(before.replace("hostssl all all all scram-sha-256", "hostssl all all all password"))
            self.lab.admin("SELECT pg_reload_conf()")
            wait_until(lambda: "in the clear" in self.lab.ask("any").stderr, "the refusal")
            self.assertEqual(self.lab.ask("full").stdout, "t|TLSv1.3\n")
        finally:
            file.write_text(before)
            self.lab.admin("SELECT pg_reload_conf()")

    def test_large_copies_go_both_ways(self):
        rows = "".join(f"{i}\t{'x' * 200}\n" for i in range(20000))
        (self.lab.directory / "rows").write_text(rows)
        run(*self.lab.inside(self.lab.agent, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "pg.internal", "-U", "agent",
                             "-d", "app", "-c", "CREATE TABLE big (i int, t text)",
                             "-c", f"\\copy big FROM '{self.lab.directory}/rows'"), cwd="/")
        back = self.lab.psql("COPY (SELECT * FROM big ORDER BY i) TO STDOUT").stdout
        self.assertEqual(back, rows)
        self.assertEqual(len(self.lab.psql("SELECT repeat('y', 5000000)").stdout), 5000001)

    def test_a_cancel_request_goes_encrypted_too(self):
        begun = time.monotonic()
        process = self.lab.inside(self.lab.agent, "timeout", "-s", "INT", "2", "psql", "-X", "-h", "pg.internal", "-U", "agent",
                                  "-d", "app", "-c", "SELECT pg_sleep(60)")
        result = run(*process, check=False, cwd="/")
        self.assertIn("canceling statement due to user request", result.stderr)
        self.assertLess(time.monotonic() - begun, 20)

    # ---- servers that are none ------------------------------------------------------------------------------------

    def fake(self, answer):
        """A server that answers the request for TLS with `answer`, and what it then gets."""
        got = []
        with self.lab.as_agent(self.lab.upstream):
            listener = socket.create_server(("10.77.2.2", 5555))

        def serve():
            connection, _ = listener.accept()
            connection.settimeout(10)
            with connection:
                got.append(connection.recv(100))
                connection.sendall(answer)
                try:
                    while more := connection.recv(4096):
                        got.append(more)
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            # Not sslmode=prefer, which tries again without TLS where a login inside it fails.
            result = self.lab.psql("SELECT 1", check=False, host="fake.internal", options=("-p", "5555"),
                                   database="dbname=app sslmode=disable")
        finally:
            thread.join(20)
            listener.close()
        self.assertEqual(result.returncode, 2)
        self.assertEqual(got[0], struct.pack("!ii", 8, 80877103))
        return result.stderr, b"".join(got[1:])

    def test_the_channel_is_bound_and_a_session_resumed_where_the_server_can(self):
        """What a real server checks in every other test; here is what it is said."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.lab.directory / "tls" / "server.pem", self.lab.directory / "tls" / "server.key")
        said, resumed = [], []
        with self.lab.as_agent(self.lab.upstream):
            listener = socket.create_server(("10.77.2.2", 5555))

        def serve(offered):
            plain, _ = listener.accept()
            plain.settimeout(10)
            plain.recv(8)
            plain.sendall(b"S")
            with context.wrap_socket(plain, server_side=True) as connection:
                resumed.append(connection.session_reused)
                connection.recv(4096)
                body = struct.pack("!i", 10) + b"".join(name + b"\0" for name in offered) + b"\0"
                connection.sendall(b"R" + struct.pack("!i", 4 + len(body)) + body)
                said.append(connection.recv(4096)[5:])

        for offered in ([b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"], [b"SCRAM-SHA-256"]):
            thread = threading.Thread(target=serve, args=(offered,))
            thread.start()
            self.lab.psql("SELECT 1", check=False, host="fake.internal", options=("-p", "5555"), database="dbname=app sslmode=disable")
            thread.join(20)
        listener.close()
        self.assertTrue(said[0].startswith(b"SCRAM-SHA-256-PLUS\0"), said[0])
        self.assertIn(b"p=tls-server-end-point,,n=", said[0])
        self.assertTrue(said[1].startswith(b"SCRAM-SHA-256\0"), said[1])
        self.assertIn(b"y,,n=", said[1])
        self.assertEqual(resumed, [False, True])

    def test_a_server_without_tls_gets_nothing(self):
        error, rest = self.fake(b"N")
        self.assertIn("the server does not offer TLS, which the endpoint's `tls` demands", error)
        self.assertEqual(rest, b"")

    def test_what_comes_in_the_clear_behind_the_answer_is_no_login(self):
        """CVE-2021-23222: bytes that stand in the clear behind the S must not be taken for the server's."""
        error, rest = self.fake(b"S" + struct.pack("!cii", b"R", 8, 0) + struct.pack("!cic", b"Z", 5, b"I"))
        self.assertIn("the gateway could not set up TLS with the server", error)
        self.assertNotIn(b"user", rest)
        self.assertNotIn(b"agent_ro", rest)

    def test_an_error_instead_of_an_answer_is_not_believed(self):
        error, rest = self.fake(b"E" + b"\0" * 20)
        self.assertIn("does not offer TLS", error)
        self.assertEqual(rest, b"")


if __name__ == "__main__":
    unittest.main()
