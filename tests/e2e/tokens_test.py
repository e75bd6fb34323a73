#!/usr/bin/python3
"""Tokens that the gateway fetches: the API server gets them, agents never do, and the operator sees how they stand."""

import base64
import http.client
import http.server
import json
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

from lab import Lab, run, wait_until

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
credentials = ["machine", "user", "app", "broken"]

[endpoint.machine-api]
type  = "http"
hosts = ["machine.internal:8090"]

[endpoint.user-api]
type  = "http"
hosts = ["user.internal:8090"]

[endpoint.app-api]
type  = "http"
hosts = ["app.internal:8090"]

[endpoint.broken-api]
type  = "http"
hosts = ["broken.internal:8090"]

[credential.machine]
type      = "oauth2"
endpoint  = "machine-api"
url       = "https://login.internal:8443/token"
ca        = "file:ca.pem"
client_id = "machine"
scopes    = ["read", "write"]

[credential.user]
type      = "oauth2"
endpoint  = "user-api"
url       = "https://login.internal:8443/token"
ca        = "file:ca.pem"
client_id = "user"
grant     = "refresh_token"

[credential.app]
type            = "github_app"
endpoint        = "app-api"
url             = "https://login.internal:8443/api/v3"
ca              = "file:ca.pem"
client_id       = "Iv1.app"
installation_id = "77"

[credential.broken]
type      = "oauth2"
endpoint  = "broken-api"
url       = "https://expired.internal:8443/token"
ca        = "file:ca.pem"
client_id = "broken"

{rules}
"""
RULES = """
[[rule]]
name      = "everything"
endpoints = ["machine-api", "user-api", "app-api", "broken-api"]
verdict   = "allow"
"""
SECRETS = {"machine": "m4chine-s3cret-of-the-client", "broken": "never-sh0wn-to-anybody"}
LIFETIME = 6  # seconds


class TokenServer(http.server.BaseHTTPRequestHandler):
    """Strict as servers are: a refresh token is good once."""

    protocol_version = "HTTP/1.1"
    given, refresh, asked = [], "user-refresh-token-0", []
    answering = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        cls = type(self)
        cls.asked.append((self.path, dict(self.headers), body))
        cls.answering.wait(20)
        form = dict(urllib.parse.parse_qsl(body))
        scheme, _, said = self.headers.get("Authorization", "").partition(" ")
        basic = base64.b64decode(said) if scheme == "Basic" else b""
        token = f"fetched-token-{len(cls.given)}-{base64.b16encode(str(time.time()).encode()).decode()}"
        if self.path == "/api/v3/app/installations/77/access_tokens":
            status = 201 if self.signed() else 401
            answer = {"token": token, "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)),
                      "permissions": {"contents": "read"}}
        elif form.get("grant_type") == "client_credentials" and basic == f"machine:{SECRETS['machine']}".encode():
            status, answer = 200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": form["scope"]}
        elif form.get("grant_type") == "refresh_token" and form["refresh_token"] == cls.refresh:
            cls.refresh = f"user-refresh-token-{len(cls.given) + 1}"
            status, answer = 200, {"access_token": token, "token_type": "bearer", "expires_in": LIFETIME, "refresh_token": cls.refresh}
        else:
            status, answer = 400, {"error": "invalid_grant", "error_description": "no"}
        if status < 400:
            cls.given.append(token)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def signed(self):
        head, claims, signature = self.headers["Authorization"].split(" ")[1].split(".")
        said = json.loads(base64.urlsafe_b64decode(claims + "=="))
        (self.where / "said").write_text(f"{head}.{claims}")
        (self.where / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
        verified = subprocess.run(["openssl", "dgst", "-sha256", "-verify", "app.pub", "-signature", "signature", "said"],
                                  cwd=self.where, capture_output=True).returncode == 0
        return verified and said["iss"] == "Iv1.app" and said["iat"] < time.time() < said["exp"] <= time.time() + 600

    def log_message(self, *_):
        pass


class Api(http.server.BaseHTTPRequestHandler):
    """Says what it was sent: what the gateway must take out again."""

    protocol_version = "HTTP/1.1"
    authorizations = []

    def do_GET(self):
        self.authorizations.append(self.headers.get("Authorization"))
        body = "\n".join(self.authorizations[-3:]).encode()
        self.send_response(200)
        self.send_header("X-Echo", self.headers.get("Authorization", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class TokenLab(Lab):
    hosts = "127.0.0.1 localhost\n10.77.2.2 login.internal expired.internal\n" + "".join(
        f"10.77.2.2 {name}.internal\n" for name in ("machine", "user", "app", "broken"))

    def make_directories(self):
        super().make_directories()
        self.tls = self.directory / "tls"
        self.tls.mkdir()
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        run("openssl", "req", "-x509", *new, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem", cwd=self.tls)
        (self.tls / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
                                         "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        (self.tls / "index").touch()
        (self.tls / "serial").write_text("0001\n")
        tomorrow = time.strftime("%Y%m%d000000Z", time.gmtime(time.time() + 2 * 86400))
        for name, end in (("login", tomorrow), ("expired", "20210101000000Z")):
            run("openssl", "req", *new, "-subj", "/CN=server", "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.tls)
            (self.tls / "names").write_text(f"subjectAltName=DNS:{name}.internal\n")
            run("openssl", "ca", "-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-cert", "ca.pem", "-keyfile", "ca.key",
                "-startdate", "20200101000000Z", "-enddate", end, "-extfile", "names", "-out", f"{name}.pem", cwd=self.tls)
        run("openssl", "genrsa", "-out", "app.key", "2048", cwd=self.tls)
        run("openssl", "rsa", "-in", "app.key", "-pubout", "-out", "app.pub", cwd=self.tls)
        TokenServer.where = self.tls

    def write_policy(self, rules=None):
        super().write_policy(rules)
        (self.config / "ca.pem").write_bytes((self.tls / "ca.pem").read_bytes())

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.tls / f"{name}.pem", self.tls / f"{name}.key")
        return context

    def serve(self):
        first, expired = self.context("login"), self.context("expired")

        def choose(connection, name, _):
            if name == "expired.internal":
                connection.context = expired
        first.sni_callback = choose

        class Encrypted(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

            def get_request(self):
                sock, address = self.socket.accept()
                sock.settimeout(20)
                return first.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address
        with self.as_agent(self.upstream):
            servers = Encrypted(("10.77.2.2", 8443), TokenServer), http.server.ThreadingHTTPServer(("10.77.2.2", 8090), Api)
        for server in servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.stack.callback(server.server_close)
            self.stack.callback(server.shutdown)


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = TokenLab(rules=RULES, policy=POLICY, postgres=False).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.lab.serve()
        for name, value in SECRETS.items():
            cls.lab.cpctl("creds", "set", name, input=value + "\n")
        cls.lab.cpctl("creds", "set", "user", input=json.dumps({"refresh_token": "user-refresh-token-0"}) + "\n")
        cls.lab.cpctl("creds", "set", "app", input=(cls.lab.tls / "app.key").read_text())
        cls.heard = b""

    def setUp(self):
        TokenServer.answering.set()
        Api.authorizations.clear()

    def ask(self, name, **headers):
        address = self.lab.virtual_address(f"{name}.internal")
        with self.lab.as_agent():
            connection = http.client.HTTPConnection(address, 8090, timeout=30)
            connection.request("GET", "/", headers={"Host": f"{name}.internal:8090", **headers})
            response = connection.getresponse()
            body = response.read()
            connection.close()
        type(self).heard += str(response.getheaders()).encode() + body
        return response.status, body.decode()

    def state(self, name):
        lines = self.lab.cpctl("creds", "list", "-o", "json").stdout.splitlines()
        return next(line for line in map(json.loads, lines) if line.get("name") == name)

    def test_1_the_server_gets_the_token_and_the_agent_what_stands_for_it(self):
        self.assertEqual(self.state("machine")["token"], "none")
        status, body = self.ask("machine", Authorization="Bearer {{machine}}")
        self.assertEqual(status, 200, body)
        self.assertEqual(Api.authorizations, [f"Bearer {TokenServer.given[-1]}"])
        self.assertIn("{{machine}}*", body)
        path, _, form = TokenServer.asked[-1]
        self.assertEqual((path, form), ("/token", "grant_type=client_credentials&scope=read+write"))
        state = self.state("machine")
        self.assertEqual(state["token"], "held")
        self.assertRegex(state["token_ends"], r"^20\d\d-.*Z$")

    def test_2_agents_at_once_share_one_fetch_and_a_token_that_ends_is_followed_by_another(self):
        time.sleep(LIFETIME)
        before = len(TokenServer.asked)
        TokenServer.answering.clear()
        results = []
        asking = [threading.Thread(target=lambda: results.append(self.ask("machine")[0])) for _ in range(8)]
        for thread in asking:
            thread.start()
        wait_until(lambda: len(TokenServer.asked) > before, "the fetch")
        time.sleep(0.5)
        TokenServer.answering.set()
        for thread in asking:
            thread.join()
        self.assertEqual(results, [200] * 8)
        self.assertEqual(len(TokenServer.asked), before + 1)
        self.assertEqual(set(Api.authorizations), {f"Bearer {TokenServer.given[-1]}"})
        # While it is used the next one comes before it ends: nobody ever waits.
        TokenServer.answering.set()
        end = time.monotonic() + 2 * LIFETIME
        while time.monotonic() < end:
            self.assertEqual(self.ask("machine")[0], 200)
            time.sleep(0.3)
        self.assertGreater(len(TokenServer.asked), before + 2)

    def test_3_a_restart_loses_neither_a_refresh_token_nor_what_servers_may_still_say(self):
        self.assertEqual(self.ask("user")[0], 200)
        before = TokenServer.given[-1]
        self.assertEqual(Api.authorizations, [f"Bearer {before}"])
        self.assertNotEqual(TokenServer.refresh, "user-refresh-token-0")
        self.lab.end(self.lab.daemon)
        self.lab.start_daemon()
        status, body = self.ask("user")
        self.assertEqual(status, 200)
        self.assertEqual(TokenServer.asked[-1][2].split("&")[0], "grant_type=refresh_token")
        # The server says the token of before, which is still good, beside the one that it was sent now.
        self.assertEqual(Api.authorizations, [f"Bearer {before}", f"Bearer {TokenServer.given[-1]}"])
        self.assertNotEqual(TokenServer.given[-1], before)
        self.assertEqual([line[:len("Bearer {{user}}*")] for line in body.split("\n")], ["Bearer {{user}}*"] * 2)
        self.assertNotIn(before, body)

        # What was given cannot be read: nobody is told what it cannot be looked for in.
        self.lab.end(self.lab.daemon)
        file = self.lab.state / "credentials" / "user.tokens"
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        self.lab.start_daemon()
        sent = len(Api.authorizations)
        self.assertEqual(self.ask("user")[0], 503)
        self.assertEqual(len(Api.authorizations), sent)
        Api.authorizations.clear()  # one server plays both: what one endpoint was sent is not looked for at another
        self.assertEqual(self.ask("machine")[0], 200)
        Api.authorizations.clear()
        self.assertIn("user.tokens", self.state("user")["token_problem"])
        file.write_bytes(whole)
        wait_until(lambda: self.ask("user")[0] == 200, "the file that was mended")

    def test_4_an_app_signs_for_its_token(self):
        status, body = self.ask("app")
        self.assertEqual(status, 200, body)
        self.assertEqual(Api.authorizations[-1], f"Bearer {TokenServer.given[-1]}")
        self.assertIn("{{app}}*", body)

    def test_5_no_token_no_request_and_the_operator_reads_why(self):
        asked = len(TokenServer.asked)
        status, body = self.ask("broken")
        self.assertEqual(status, 503)
        self.assertIn("could not get the token", body)
        self.assertEqual(Api.authorizations, [])
        self.assertEqual(len(TokenServer.asked), asked)
        state = self.state("broken")
        self.assertEqual(state["token"], "failed")
        self.assertIn("certificate has expired", state["token_problem"])
        self.assertIn("certificate has expired", self.lab.cpctl("creds", "list").stdout)

    def test_6_a_credential_that_is_removed_while_its_token_is_fetched_gives_none(self):
        time.sleep(LIFETIME)
        before = len(TokenServer.asked)
        TokenServer.answering.clear()
        results = []
        thread = threading.Thread(target=lambda: results.append(self.ask("machine")))
        thread.start()
        wait_until(lambda: len(TokenServer.asked) > before, "the fetch")
        self.lab.cpctl("creds", "rm", "machine")
        thread.join(5)
        self.assertEqual(results[0][0], 503)
        TokenServer.answering.set()
        self.assertEqual(self.ask("machine")[0], 503)
        self.assertEqual(Api.authorizations, [])
        self.lab.cpctl("creds", "set", "machine", input=SECRETS["machine"] + "\n")
        self.assertEqual(self.ask("machine")[0], 200)

    def test_7_fetches_are_in_the_audit_log_and_no_secret_is_anywhere(self):
        lines = [line for line in self.lab.audit_lines() if line.get("type") == "token"]
        phases = {(line["credential"], line["phase"]) for line in lines}
        for name in ("machine", "user", "app"):
            self.assertLessEqual({(name, "asked"), (name, "done")}, phases)
        self.assertIn(("broken", "failed"), phases)
        done = next(line for line in lines if line["phase"] == "done")
        self.assertEqual(done["server"], "login.internal:8443")
        self.assertIn("ends", done)
        self.assertIn("builder-1", {line["peer"] for line in lines})
        places = {"the audit log": b"".join(p.read_bytes() for p in (self.lab.state / "audit").glob("*.jsonl")), "what agents heard": self.heard,
                  "the store": b"".join(p.read_bytes() for p in (self.lab.state / "credentials").iterdir()),
                  "cpctl": self.lab.cpctl("creds", "list", "-o", "json").stdout.encode()}
        places |= {path.name: path.read_bytes() for path in self.lab.directory.glob("*.log")}
        keys = (self.lab.tls / "app.key").read_text().splitlines()[3]
        secrets = [*SECRETS.values(), *TokenServer.given, "user-refresh-token", keys]
        self.assertGreater(len(TokenServer.given), 5)
        for where, content in places.items():
            for secret in secrets:
                self.assertNotIn(secret.encode(), content, where)
        self.assertIn(b'"credential":"machine"', places["the audit log"])
        self.lab.cpctl("audit", "verify")


if __name__ == "__main__":
    unittest.main()
