"""The laboratory with servers of HTTP instead of a database: nginx, h2o, caddy and node behind one gateway."""

import json
import pathlib

from lab import Lab, run, wait_until

HERE = pathlib.Path(__file__).resolve().parent / "http"
PORTS = {"nginx": 8081, "h2o": 8082, "caddy": 8083, "node": 8084, "git": 8085}

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
endpoints = ["servers"]

[endpoint.servers]
type  = "http"
hosts = [%s]

{rules}
""" % ", ".join(f'"{name}.internal:{port}"' for name, port in PORTS.items())

ALLOW_ALL = """
[[rule]]
name     = "everything"
endpoint = "servers"
verdict  = "allow"
"""

NGINX = """
daemon off; master_process off; pid {where}/nginx.pid; error_log {where}/nginx.error;
events {{ worker_connections 512; }}
http {{
  access_log {where}/nginx.access;
  client_body_temp_path {where}/nb; proxy_temp_path {where}/np; fastcgi_temp_path {where}/nf; uwsgi_temp_path {where}/nu;
  scgi_temp_path {where}/ns;
  server {{ listen 8081; root {where}/www; location /a {{ return 200 "a"; }} }}
}}
"""
H2O = """
pid-file: {where}/h2o.pid
error-log: {where}/h2o.error
access-log: {where}/h2o.access
num-threads: 1
hosts:
  default:
    listen: {{host: 0.0.0.0, port: 8082}}
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
"""


class HttpLab(Lab):
    hosts = "127.0.0.1 localhost\n" + "".join(f"10.77.2.2 {name}.internal\n" for name in PORTS)

    def __init__(self, rules=ALLOW_ALL, **options):
        options.setdefault("policy", POLICY)
        super().__init__(rules=rules, postgres=False, **options)

    def __enter__(self):
        super().__enter__()
        try:
            self.start_servers()
        except BaseException as failure:
            self.__exit__(type(failure), failure, None)
            raise
        return self

    def start_servers(self):
        self.servers = self.directory / "servers"
        www = self.servers / "www"
        www.mkdir(parents=True)
        (www / "index.html").write_text("hello\n")
        (www / "large").write_bytes(bytes(i * 7 % 251 for i in range(1 << 20)) * 10)
        for name, text in (("nginx", NGINX), ("h2o", H2O), ("caddy", CADDY)):
            (self.servers / f"{name}.conf").write_text(text.format(where=self.servers))
        run("chmod", "-R", "a+rwX", self.servers)
        at = self.servers
        commands = {
            "nginx": ["nginx", "-e", at / "nginx.error", "-c", at / "nginx.conf"],
            "h2o": ["h2o", "-c", at / "h2o.conf"],
            "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", at / "caddy.conf"],
            "node": ["node", HERE / "server.js", PORTS["node"], at / "node.access"],
            "git": ["/usr/bin/python3", HERE / "git_server.py", PORTS["git"], at],
        }
        for name, command in commands.items():
            process = self.spawn(name, self.inside(self.upstream, "env", f"HOME={at}", *command))
            wait_until(lambda port=PORTS[name]: self.listens(port), name, process=process)

    def listens(self, port):
        return f":{port} " in run(*self.inside(self.upstream, "ss", "-Hltn")).stdout

    def url(self, name, path="/"):
        return f"http://{name}.internal:{PORTS[name]}{path}"

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
