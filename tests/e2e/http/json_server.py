"""What GitHub's and Kubernetes' own clients ask for, for who shows the right token. usage: json_server.py PORT DIRECTORY TOKEN
[MORE_PORTS...]; TLS at PORT + 1000 and MORE_PORTS"""
import http.server
import json
import ssl
import sys
import threading
import zlib

TOKEN = sys.argv[3]
heard = threading.Semaphore(0)
ISSUES = {"repository": {"hasIssuesEnabled": True, "issues": {
    "totalCount": 1, "pageInfo": {"hasNextPage": False, "endCursor": None},
    "nodes": [{"number": 7, "title": "It leaks", "state": "OPEN", "updatedAt": "2020-01-01T00:00:00Z", "labels": {"nodes": [], "totalCount": 0}}]}}}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "default", "uid": "1", "creationTimestamp": "2020-01-01T00:00:00Z"},
       "spec": {"containers": [{"name": "web", "image": "web"}]}, "status": {"phase": "Running"}}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def kind(name, plural, namespaced):
    return {"name": plural, "singularName": plural[:-1], "namespaced": namespaced, "kind": name, "verbs": VERBS}


GETS = {
    "/user": {"login": "agent-smith"},
    "/api/v3/user": {"login": "agent-smith"},
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [kind("Pod", "pods", True), kind("Namespace", "namespaces", False)]},
    "/api/v1/namespaces/default/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [POD]},
    "/api/v1/namespaces/default/pods/web-1": POD,
    "/api/v1/namespaces/prod": {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "prod"}},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get_all("Authorization") not in (["Bearer " + TOKEN], ["token " + TOKEN]):
            return self.say(401, {"message": "Bad credentials", "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401})
        if path.endswith("/pods") and "watch=" in query:
            return self.watch()
        if path.endswith("/log"):
            return self.say(200, "a line\n")
        if path == "/events":
            return self.events(query)
        if path == "/heard":
            heard.release()
        if path == "/graphql":
            return self.say(200, {"data": ISSUES})
        if self.command == "GET":
            return self.say(200 if path in GETS else 404, GETS.get(path, {"message": "Not Found"}))
        if self.command == "DELETE":
            return self.say(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        self.say(201 if self.command == "POST" else 200, json.loads(body))

    def events(self, coding):
        """Three, the next one once the last has been heard."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Encoding", coding)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        packer = zlib.compressobj(wbits=31)
        while heard.acquire(blocking=False):
            pass
        for number in range(3):
            said = f"data: {number} for {TOKEN}\n\n".encode()
            piece = packer.compress(said) + packer.flush(zlib.Z_SYNC_FLUSH) if coding == "gzip" else said
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not heard.acquire(timeout=10):
                break
        last = packer.flush() if coding == "gzip" else b"end\n"
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last))

    def watch(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for change in ("ADDED", "MODIFIED"):
            line = json.dumps({"type": change, "object": POD}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def say(self, status, what):
        body = what.encode() if isinstance(what, str) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(what, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


def listen(port, encrypted):
    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler)
    if encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2] + "/server.pem", sys.argv[2] + "/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()


listen(int(sys.argv[1]), False)
for port in (int(sys.argv[1]) + 1000, *map(int, sys.argv[4:])):
    listen(port, True)
