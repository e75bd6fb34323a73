"""The laboratory with servers of HTTP instead of a database: nginx, h2o, caddy and node behind one gateway."""

import json
import pathlib
import re

from lab import Lab, environment, run, wait_until

CLIENTS = pathlib.Path(__file__).resolve().parent / "clients"
HERE = pathlib.Path(__file__).resolve().parent / "http"
PORTS = {"nginx": 8081, "h2o": 8082, "caddy": 8083, "node": 8084, "git": 8085}

ENCRYPTED = 1000  # to the port, where the same server speaks TLS

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
endpoints = ["servers", "encrypted"]

[endpoint.servers]
type  = "http"
hosts = [CLEAR]

[endpoint.encrypted]
type  = "https"
hosts = [ENCRYPTED]
ca    = "file:ca.pem"

{rules}
"""

ALLOW_ALL = """
[[rule]]
name      = "everything"
endpoints = ["servers", "encrypted"]
verdict   = "allow"
"""

NGINX = """
daemon off; master_process off; pid {where}/nginx.pid; error_log {where}/nginx.error;
events {{ worker_connections 512; }}
http {{
  access_log {where}/nginx.access;
  client_body_temp_path {where}/nb; proxy_temp_path {where}/np; fastcgi_temp_path {where}/nf; uwsgi_temp_path {where}/nu;
  scgi_temp_path {where}/ns;
  ssl_certificate {where}/server.pem; ssl_certificate_key {where}/server.key;
  server {{ listen 8081; listen 9081 ssl; root {where}/www; location /a {{ return 200 "a"; }} }}
}}
"""
H2O = """
pid-file: {where}/h2o.pid
error-log: {where}/h2o.error
access-log: {where}/h2o.access
num-threads: 1
listen: {{host: 0.0.0.0, port: 8082}}
listen: {{host: 0.0.0.0, port: 9082, ssl: {{certificate-file: {where}/server.pem, key-file: {where}/server.key}}}}
hosts:
  default:
    paths:
      /: {{file.dir: {where}/www}}
"""
CADDY = """
{{
  admin off
  auto_https off
}}
:8083 {{
  log {{
    output file {where}/caddy.access
    format json
  }}
  respond "a"
}}
https://:9083 {{
  tls {where}/server.pem {where}/server.key
  respond "a"
}}
"""


class HttpLab(Lab):
    ports = PORTS
    more_names = ()  # of hosts, beside NAME.internal for each of the ports

    def __init__(self, rules=ALLOW_ALL, **options):
        hosts = [", ".join(f'"{name}.internal:{port + more}"' for name, port in self.ports.items()) for more in (0, ENCRYPTED)]
        options.setdefault("policy", POLICY.replace("CLEAR", hosts[0]).replace("ENCRYPTED", hosts[1]))
        self.names = [*(f"{name}.internal" for name in self.ports), *self.more_names]
        self.hosts = "127.0.0.1 localhost\n" + "".join(f"10.77.2.2 {name}\n" for name in self.names)
        super().__init__(rules=rules, postgres=False, **options)

    def __enter__(self):
        super().__enter__()
        try:
            self.start_servers()
        except BaseException as failure:
            self.__exit__(type(failure), failure, None)
            raise
        return self

    def make_directories(self):
        super().make_directories()
        self.servers = self.directory / "servers"
        self.servers.mkdir()
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        run("openssl", "req", "-x509", *new, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem", cwd=self.servers)
        run("openssl", "req", *new, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr", cwd=self.servers)
        (self.servers / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in self.names) + "\n")
        run("openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem", cwd=self.servers)
        (self.config / "ca.pem").write_bytes((self.servers / "ca.pem").read_bytes())

    def trust(self, namespace):
        """The environment in which every client trusts what it meets there: the servers' authority, or the gateway's."""
        authority = self.servers / "ca.pem"
        if namespace == self.agent:
            authority = self.servers / "gateway.pem"
            run(*self.inside(self.agent, "curl", "-sSf", "-o", authority, "http://10.77.1.1/ca.crt"))
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO")
        return environment() | {name: str(authority) for name in names}

    def servers_to_start(self):
        """Their commands, once what they read is there."""
        www = self.servers / "www"
        www.mkdir()
        (www / "index.html").write_text("hello\n")
        (www / "large").write_bytes(bytes(i * 7 % 251 for i in range(1 << 20)) * 10)
        for name, text in (("nginx", NGINX), ("h2o", H2O), ("caddy", CADDY)):
            (self.servers / f"{name}.conf").write_text(text.format(where=self.servers))
        at = self.servers
        return {
            "nginx": ["nginx", "-e", at / "nginx.error", "-c", at / "nginx.conf"],
            "h2o": ["h2o", "-c", at / "h2o.conf"],
            "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", at / "caddy.conf"],
            "node": ["node", HERE / "server.js", PORTS["node"], at / "node.access", at],
            "git": ["/usr/bin/python3", HERE / "git_server.py", PORTS["git"], at],
        }

    def start_servers(self):
        """Each listens twice: in the clear, and with TLS."""
        commands = self.servers_to_start()
        run("chmod", "-R", "a+rwX", self.servers)
        for name, command in commands.items():
            process = self.spawn(name, self.inside(self.upstream, "env", f"HOME={self.servers}", *command))
            for port in (self.ports[name], self.ports[name] + ENCRYPTED):
                wait_until(lambda port=port: self.listens(port), name, process=process)

    def listens(self, port):
        return f":{port} " in run(*self.inside(self.upstream, "ss", "-Hltn")).stdout

    def url(self, name, path="/", scheme="http"):
        return f"{scheme}://{name}.internal:{self.ports[name] + (ENCRYPTED if scheme == 'https' else 0)}{path}"

    def served(self, name):
        """The requests that a server has logged, as (method, target)."""
        if name == "git":
            raise ValueError("git keeps no log")
        log = self.servers / f"{name}.access"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        if name == "node":
            return [tuple(line.split(" ", 1)) for line in lines]
        if name == "caddy":
            requests = [json.loads(line)["request"] for line in lines if '"request"' in line]
            return [(request["method"], request["uri"]) for request in requests]
        return [tuple(line.split('"')[1].split(" ")[:2]) for line in lines]

    def judged(self):
        """The requests in the audit log, with their outcomes where there are any."""
        lines = self.audit_lines()
        outcomes = {line["id"]: line for line in lines if line.get("type") == "outcome"}
        return [line | {"outcome": outcomes.get(line["id"])} for line in lines if line.get("type") == "request"]


# What is of the connection, and not of the exchange (a reason is nobody's, RFC 9112, 4); and times.
CHANGING = [(r"(?m)HTTP/[12.]+ (\d+).*$", r"HTTP \1"), (r"(?im)^(< )?(date|keep-alive|connection|server|etag|last-modified): .*\r?\n", ""),
            (r"(?im)^ *(Date|Keep-Alive|Connection|Server|ETag|Last-Modified): .*\n", ""), (r"\d\d:\d\d:\d\d", "T"),
            (r"(?m)^--.*$", "--"), (r"\d+\.\d+\.\d+\.\d+", "IP"), (r"[\d.,]+ [KMG]B/s", "SPEED")]

# Of HTTP/1.1 alone; and what the gateway takes out.
ONLY_IN_ONE = ("transfer-encoding:", "http 100", "alt-svc:")


class SaysTheSame:
    """Of a test case with a `lab` and what each namespace's clients `trust`."""

    def same(self, *argv, merge=False, lines_in_order=True):
        said = []
        for namespace in (self.lab.gateway, self.lab.agent):
            result = run(*self.lab.inside(namespace, *argv), check=False, env=self.trust[namespace], timeout=120, cwd="/")
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            text = result.stdout + (result.stderr if merge else "")
            for pattern, replacement in CHANGING:
                text = re.sub(pattern, replacement, text)
            if not lines_in_order:  # of a head: fields may stand elsewhere, and HTTP/2 has small letters
                lines = sorted(line.lower().strip() for line in text.splitlines())
                text = "\n".join(line for line in lines if line and not line.startswith(ONLY_IN_ONE))
            said.append(text)
        self.assertEqual(said[0], said[1])
        return said[0]
