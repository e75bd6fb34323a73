"""What the benchmarks of HTTPS share: a server, the proxies that people would use instead, and us, in one laboratory.

All of them cross the same veth pairs between the same namespaces, verify the server's certificate, have two threads or
processes, and run under a uid without privileges. Ours has 50 rules, of which 49 read facets of HTTP and do not match.
A second name of the same server is ours alone: there every request is given a credential, and every response searched for it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("CLAWPATROL_BUILD", str(ROOT / "build" / "release"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from lab import Lab, environment, run, wait_until  # noqa: E402

NAME, KEYED, SERVER, SIDE = "web.internal", "keyed.internal", "10.77.2.2", "10.77.3.1"

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
endpoints = ["web"]
credentials = ["token"]

[endpoint.web]
type  = "https"
hosts = ["web.internal:443"]
ca    = "file:upstream-ca.pem"

[endpoint.keyed]
type  = "https"
hosts = ["keyed.internal:443"]
ca    = "file:upstream-ca.pem"

[credential.token]
type     = "bearer"
endpoint = "keyed"

{rules}
"""

CONDITIONS = [
    "http.path.startsWith('/admin{i}/')",
    "http.method == 'DELETE' && http.path.contains('/v{i}/')",
    "'drop{i}' in http.query",
    "'x-danger-{i}' in http.headers",
    "http.path.matches('^/v{i}/secrets/[a-z]+$')",
    "http.method in ['PUT', 'PATCH'] && http.path.endsWith('/{i}')",
]
ALLOW_ALL = '[[rule]]\nname = "everything"\nendpoints = ["web", "keyed"]\ncondition = "true"\nverdict = "allow"\n'

NGINX_SERVER = """
worker_processes 2; daemon off; error_log stderr error; pid {folder}/server.pid;
events {{ worker_connections 15000; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; keepalive_timeout 600s;
  client_max_body_size 20m; client_body_buffer_size 11m; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 443 ssl http2 backlog=4096; server_name web.internal keyed.internal; root {folder}/files; http2_max_requests 10000000;
    ssl_certificate {folder}/web.internal.pem; ssl_certificate_key {folder}/web.internal.key;
    location /sink {{ proxy_pass http://127.0.0.1:8081; }}
  }}
  server {{ listen 127.0.0.1:8081; client_max_body_size 20m; location / {{ return 200 "ok"; }} }}
}}
"""

NGINX_PROXY = """
worker_processes 2; daemon off; error_log stderr error; pid {folder}/proxy.pid;
events {{ worker_connections 15000; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 10000000; keepalive_timeout 600s; client_max_body_size 20m;
  client_body_temp_path {folder}/p_body; proxy_temp_path {folder}/p_proxy; fastcgi_temp_path {folder}/p_fastcgi;
  uwsgi_temp_path {folder}/p_uwsgi; scgi_temp_path {folder}/p_scgi;
  upstream web {{ server 10.77.2.2:443; keepalive 64; keepalive_requests 10000000; }}
  server {{
    listen 10.77.3.1:8444 ssl http2 backlog=4096; http2_max_requests 10000000;
    ssl_certificate {folder}/web.internal.pem; ssl_certificate_key {folder}/web.internal.key;
    location / {{
      proxy_pass https://web; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/ca.pem; proxy_ssl_name web.internal;
      proxy_ssl_server_name on; proxy_request_buffering off; proxy_buffering on; proxy_max_temp_file_size 0;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 2
  maxconn 15000
  no strict-limits
  stats socket {folder}/haproxy.sock
defaults
  mode http
  timeout connect 10s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend in
  bind 10.77.3.1:8443 ssl crt {folder}/haproxy.pem alpn h2,http/1.1
  default_backend web
backend web
  http-reuse always
  server web 10.77.2.2:443 ssl verify required ca-file {folder}/ca.pem sni str(web.internal) verifyhost web.internal
"""


def fifty_rules():
    rules = []
    for i in range(49):
        condition = json.dumps(CONDITIONS[i % len(CONDITIONS)].format(i=i))
        rules.append(f'[[rule]]\nname = "deny-{i}"\nendpoints = ["web", "keyed"]\ncondition = {condition}\nverdict = "deny"\n')
    return "\n".join(rules) + ALLOW_ALL


class Web(Lab):
    """lab.targets: name -> (address, port) of what a client in the agent's namespace can dial, for name_of(name)."""

    hosts = f"127.0.0.1 localhost\n{SERVER} {NAME} {KEYED}\n"

    def __init__(self, limits="", mitmproxy=True, **options):
        super().__init__(rules=fifty_rules(), policy=POLICY, postgres=False,
                         audit=f'\n[audit]\nkeep_for = "0s"\n[limits]\nworkers = 2\n{limits}\n', **options)
        self.with_mitmproxy, self.measured = mitmproxy, {}

    def make_directories(self):
        super().make_directories()
        self.make_certificates()
        shutil.copy(self.web / "ca.pem", self.config / "upstream-ca.pem")

    def make_certificates(self):
        self.web = self.directory / "web"
        self.web.mkdir(mode=0o755)
        openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        run(*openssl, "-keyout", self.web / "ca.key", "-out", self.web / "ca.pem", "-subj", "/CN=bench CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        run(*openssl, "-CA", self.web / "ca.pem", "-CAkey", self.web / "ca.key", "-keyout", self.web / f"{NAME}.key",
            "-out", self.web / f"{NAME}.pem", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:{KEYED}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth")
        (self.web / "haproxy.pem").write_text((self.web / f"{NAME}.pem").read_text() + (self.web / f"{NAME}.key").read_text())
        (self.web / "files").mkdir()
        (self.web / "files" / "1k").write_bytes(os.urandom(512).hex().encode())
        (self.web / "files" / "10m").write_bytes(os.urandom(10 << 20))
        for each in self.web.rglob("*"):
            each.chmod(0o755 if each.is_dir() else 0o644)

    def __enter__(self):
        super().__enter__()
        # A second wire that is not steered, for what is compared with us.
        self.wire(self.agent, "eth1", ("10.77.3.2/24",), self.gateway, "side0", (f"{SIDE}/24",))
        run("ip", "-n", self.agent, "route", "add", "10.77.2.0/24", "via", SIDE)
        run("ip", "-n", self.upstream, "route", "add", "10.77.3.0/24", "via", "10.77.2.1")
        run(*self.inside(self.gateway, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        os.chmod(self.web, 0o777)
        self.serve("server", self.upstream, ["nginx", "-c", self.file("server.conf", NGINX_SERVER)])
        self.targets = {"direct": (SERVER, 443)}
        self.add("HAProxy", 8443, ["haproxy", "-f", self.file("haproxy.cfg", HAPROXY)])
        self.add("nginx", 8444, ["nginx", "-c", self.file("proxy.conf", NGINX_PROXY)])
        if self.with_mitmproxy:
            self.add("mitmproxy", 8445, [
                "mitmdump", "-q", "--mode", f"reverse:https://{NAME}:443", "--listen-host", SIDE, "-p", "8445",
                "--certs", self.web / "haproxy.pem", "--set", f"confdir={self.web}/mitm", "--set", "keep_host_header=true",
                "--set", f"ssl_verify_upstream_trusted_ca={self.web}/ca.pem", "--set", "stream_large_bodies=64k"])
        self.cpctl("creds", "set", "token", input="secret-of-forty-letters-as-tokens-have-it\n")
        for name in ("ours", "ours, credential"):
            self.targets[name] = (self.virtual_address(self.name_of(name)), 443)
            self.measured[name] = self.daemon
        for name, (address, port) in self.targets.items():
            wait_until(lambda: self.answers(name, address, port), f"{name} to answer")
        return self

    def file(self, name, text):
        path = self.web / name
        path.write_text(text.format(folder=self.web))
        return path

    def serve(self, name, namespace, argv):
        # nginx asks for ports below 1024 as a user of its own.
        return self.spawn(name, self.inside(
            namespace, "setpriv", f"--reuid={64902}", f"--regid={64902}", "--clear-groups",
            "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service", *argv), cwd="/")

    def add(self, name, port, argv):
        self.measured[name] = self.serve(name, self.gateway, argv)
        self.targets[name] = (SIDE, port)

    @staticmethod
    def name_of(target):
        return KEYED if target == "ours, credential" else NAME

    def answers(self, target, address, port):
        name = self.name_of(target)
        got = run(*self.inside(self.agent, "curl", "-sk", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}",
                               "--connect-to", f"{name}:443:{address}:{port}", f"https://{name}/1k"), check=False)
        return got.stdout == "200"

    def processes(self, name):
        """The process that serves, and its children."""
        pids, todo = [], [self.measured[name].pid]
        while todo:
            pids.append(todo.pop())
            children = subprocess.run(["pgrep", "-P", str(pids[-1])], capture_output=True, text=True, env=environment())
            todo += [int(pid) for pid in children.stdout.split()]
        return pids

    def cpu_seconds(self, name):
        total = 0
        for pid in self.processes(name):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self, name):
        total = 0
        for pid in self.processes(name):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total
