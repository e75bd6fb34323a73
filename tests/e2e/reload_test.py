"""Reload and rollback under load: every action is judged by one generation, the newest when it is judged, on connections
that go on."""
import json
import pathlib
import subprocess
import time
import unittest

from http_lab import ENCRYPTED, HERE, HttpLab
from lab import Lab, environment

OPEN = '[[rule]]\nname = "open"\nendpoint = "pg-prod"\nverdict = "allow"\n'
SHUT = '[[rule]]\nname = "shut"\nendpoint = "pg-prod"\ncondition = "\'flip\' in sql.tables"\nverdict = "deny"\nreason = "shut"\n'

# One client: asks until it is told to stop, and prints when each question was asked and answered, and how.
CLIENT = r"""
import json, select, sys, time
import psycopg
host, form = sys.argv[1:]
answers = []
with psycopg.connect(host=host, user="agent", dbname="app", autocommit=form != "transaction") as connection:
    connection.prepare_threshold = 0 if form == "prepared" else None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        asked = time.monotonic()
        try:
            if form == "transaction":
                with connection.transaction():
                    connection.execute("SELECT 1")
                    connection.execute("SELECT n FROM flip")
            else:
                connection.execute("SELECT n FROM flip WHERE n = %s", (1,))
            how = "allow"
        except psycopg.errors.InsufficientPrivilege as error:
            how = "deny" if error.diag.message_primary == "shut" else error.diag.message_primary
        answers.append((asked, time.monotonic(), how))
        if len(answers) == 1:
            print("asking", flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
print(json.dumps(answers))
"""

# The same over HTTPS: requests one after the other on one connection, several at once on one of HTTP/2, and messages of
# a WebSocket, which a denied one ends.
HTTP_CLIENT = r"""
import asyncio, http.client, json, ssl, sys, time
import httpx, websockets
form, authority, host, port = *sys.argv[1:4], int(sys.argv[4])
context = ssl.create_default_context(cafile=authority)
answers = []

def note(asked, how):
    answers.append((asked, time.monotonic(), how))
    if len(answers) == 1:
        print("asking", flush=True)

def verdict(status, text):
    if status == 200:
        return "allow"
    return "deny" if status == 403 and json.loads(text)["detail"] == "shut" else f"{status} {text}"

async def keep_alive(stopped):
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=30)
    connection.connect()
    connection.auto_open = False  # one connection for all of it
    while not stopped.is_set():
        asked = time.monotonic()
        connection.request("GET", "/echo")
        response = connection.getresponse()
        note(asked, verdict(response.status, response.read()))
        await asyncio.sleep(0)

async def http2(stopped):
    async with httpx.AsyncClient(http2=True, verify=context, limits=httpx.Limits(max_connections=1), timeout=30) as client:
        async def ask():
            while not stopped.is_set():
                asked = time.monotonic()
                response = await client.get(f"https://{host}:{port}/echo")
                assert response.http_version == "HTTP/2", response.http_version
                note(asked, verdict(response.status_code, response.text))
        await client.get(f"https://{host}:{port}/other")
        await asyncio.gather(*(ask() for _ in range(3)))

async def websocket(stopped):
    while not stopped.is_set():
        async with websockets.connect(f"wss://{host}:{port}/talk", ssl=context, ping_interval=None) as socket:
            while not stopped.is_set():
                asked = time.monotonic()
                try:
                    await socket.send("flip")
                    note(asked, "allow" if await socket.recv() == "flip" else "another message")
                except websockets.ConnectionClosed as closed:
                    refused = closed.code == 1008 and closed.reason.startswith("shut (a-")
                    note(asked, "deny" if refused else f"{closed.code} {closed.reason}")
                    break

async def main():
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stopped.set)
    await asyncio.wait_for({"keep-alive": keep_alive, "http2": http2, "websocket": websocket}[form](stopped), 90)

asyncio.run(main())
print(json.dumps(answers))
"""

HTTP_OPEN = """
[[rule]]
name = "open"
endpoints = ["servers", "encrypted"]
on = ["request", "message"]
verdict = "allow"
"""
HTTP_SHUT = """
[[rule]]
name = "shut"
endpoints = ["servers", "encrypted"]
condition = "http.path == '/echo'"
verdict = "deny"
reason = "shut"

[[rule]]
name = "shut-messages"
endpoints = ["servers", "encrypted"]
on = ["message"]
condition = "ws.direction == 'up' && ws.text == 'flip'"
verdict = "deny"
reason = "shut"
"""

GENERATIONS = [*range(1, 14), 12, 11, 2]  # in the order in which they are in force


class Reloads:
    """Clients of several forms while the policy is opened and shut, reloaded and rolled back."""

    @classmethod
    def setUpClass(cls):
        cls.clients = []
        cls.lab = cls.make_lab()
        script = pathlib.Path(cls.lab.directory) / "client.py"
        script.write_text(cls.client)
        for form in cls.forms:
            cls.clients.append(subprocess.Popen(
                [str(x) for x in cls.lab.inside(cls.lab.agent, "/usr/bin/python3", script, *cls.arguments(form))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()))
        for client in cls.clients:
            assert client.stdout.readline() == "asking\n"  # so that each has met the first generation
        cls.in_force = []  # (since, until, verdict): nothing else was in force between the two
        for _ in range(6):
            cls.change(lambda: cls.lab.reload(cls.shut + cls.open), "deny")
            cls.change(lambda: cls.lab.reload(cls.open), "allow")
        cls.change(lambda: cls.lab.cpctl("rollback"), "deny")
        cls.change(lambda: cls.lab.cpctl("rollback"), "allow")
        cls.change(lambda: cls.lab.cpctl("rollback", "2"), "deny")
        cls.answers = []
        for client in cls.clients:
            out, _ = client.communicate("stop\n", timeout=30)
            cls.answers.append(json.loads(out))
        hits = cls.lab.cpctl("rules", "hits", "-o", "json").stdout.splitlines()
        cls.hits = {rule["name"]: rule for rule in map(json.loads, hits)}

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients:
            if client.poll() is None:
                client.kill()
                client.wait()
        cls.lab.__exit__(None, None, None)

    @classmethod
    def change(cls, act, verdict):
        act()
        since = time.monotonic()
        time.sleep(0.4)
        cls.in_force.append((since, time.monotonic(), verdict))

    def test_an_action_after_a_reload_is_judged_by_the_new_generation(self):
        for form, answers in zip(self.forms, self.answers):
            answered_in = 0
            for since, until, verdict in self.in_force:
                within = {how for asked, answered, how in answers if since <= asked and answered <= until}
                self.assertLessEqual(within, {verdict}, form)
                answered_in += bool(within)
            self.assertGreater(answered_in, len(self.in_force) // 2, f"{form}: too slow to tell")

    def test_every_line_says_what_its_generation_says_and_none_goes_back(self):
        generations = {}  # of each flow, in the order of its lines
        for line in filter(self.is_asked, self.lab.audit_lines()):
            # The first generation is open, the second shut, and so on; a rollback puts one of them in force again.
            self.assertEqual(line["verdict"] == "allow", line["generation"] % 2 == 1, line)
            seen = generations.setdefault(line["flow"], [])
            if not seen or seen[-1] != line["generation"]:
                seen.append(line["generation"])
        whole = [seen for seen in generations.values() if seen == GENERATIONS]
        self.assertEqual(len(whole), self.lasting)
        for seen in generations.values():
            rest = iter(GENERATIONS)
            self.assertTrue(all(generation in rest for generation in seen), seen)

    def test_rules_that_stand_in_every_generation_are_counted_through_all(self):
        lines = [line for line in self.lab.audit_lines() if line.get("type") != "outcome"]
        for name in self.rules:
            decided = sum(line.get("rule") == name for line in lines)
            self.assertGreater(decided, 100 if name in ("open", "shut") else 10)
            self.assertEqual(self.hits[name]["decided"], decided)


class Postgres(Reloads, unittest.TestCase):
    forms = ("simple", "prepared", "transaction") * 2
    lasting = len(forms)  # connections that see every generation
    client, open, shut = CLIENT, OPEN, SHUT
    rules = ("open", "shut")

    @classmethod
    def make_lab(cls):
        lab = Lab(rules=OPEN, workers=2).__enter__()
        lab.admin("CREATE TABLE flip (n int); INSERT INTO flip VALUES (1); GRANT SELECT ON flip TO agent_ro")
        return lab

    @classmethod
    def arguments(cls, form):
        return cls.lab.virtual_address(), form

    @staticmethod
    def is_asked(line):
        return line.get("type") == "statement" and "flip" in line["facets"].get("tables", [])


class HttpServers(HttpLab):
    ports = {"node": 8084, "websocket": 8088}

    def servers_to_start(self):
        return {"node": ["node", HERE / "server.js", self.ports["node"], self.servers / "node.access", self.servers],
                "websocket": ["/usr/bin/python3", HERE / "websocket_server.py", self.ports["websocket"], self.servers]}


class Http(Reloads, unittest.TestCase):
    forms = ("keep-alive", "http2", "websocket") * 2
    lasting = 4  # a WebSocket ends with the first message that is denied
    client, open, shut = HTTP_CLIENT, HTTP_OPEN, HTTP_SHUT
    rules = ("open", "shut", "shut-messages")

    @classmethod
    def make_lab(cls):
        lab = HttpServers(rules=HTTP_OPEN, workers=2).__enter__()
        lab.trust(lab.agent)
        return lab

    @classmethod
    def arguments(cls, form):
        name = "websocket" if form == "websocket" else "node"
        return form, cls.lab.servers / "gateway.pem", f"{name}.internal", HttpServers.ports[name] + ENCRYPTED

    @staticmethod
    def is_asked(line):
        if line.get("type") == "message":
            return line["text"].startswith("message up ")
        return line.get("type") == "request" and line["facets"]["path"] == "/echo"


if __name__ == "__main__":
    unittest.main()
