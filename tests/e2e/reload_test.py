"""Reload and rollback under load: every action is judged by one generation, the newest when it is judged, on connections
that go on."""
import json
import pathlib
import subprocess
import time
import unittest

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
    print("connected", flush=True)
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
        if select.select([sys.stdin], [], [], 0)[0]:
            break
print(json.dumps(answers))
"""
FORMS = ("simple", "prepared", "transaction") * 2


class Reload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(rules=OPEN, workers=2).__enter__()
        cls.lab.admin("CREATE TABLE flip (n int); INSERT INTO flip VALUES (1); GRANT SELECT ON flip TO agent_ro")
        script = pathlib.Path(cls.lab.directory) / "client.py"
        script.write_text(CLIENT)
        address = cls.lab.virtual_address()
        cls.clients = [
            subprocess.Popen([str(x) for x in cls.lab.inside(cls.lab.agent, "/usr/bin/python3", script, address, form)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
            for form in FORMS]
        for client in cls.clients:
            assert client.stdout.readline() == "connected\n"
        cls.in_force = []  # (since, until, verdict): nothing else was in force between the two
        for _ in range(6):
            cls.change(lambda: cls.lab.reload(SHUT + OPEN), "deny")
            cls.change(lambda: cls.lab.reload(OPEN), "allow")
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
        for form, answers in zip(FORMS, self.answers):
            answered_in = 0
            for since, until, verdict in self.in_force:
                within = {how for asked, answered, how in answers if since <= asked and answered <= until}
                self.assertLessEqual(within, {verdict}, form)
                answered_in += bool(within)
            self.assertGreater(answered_in, len(self.in_force) // 2, f"{form}: too slow to tell")

    def test_every_line_says_what_its_generation_says_and_none_goes_back(self):
        generations = {}  # of each flow, in the order of its lines
        for line in self.lab.audit_lines():
            if line.get("type") != "statement" or "flip" not in line["facets"].get("tables", []):
                continue
            # The first generation is open, the second shut, and so on; a rollback puts one of them in force again.
            self.assertEqual(line["verdict"] == "allow", line["generation"] % 2 == 1, line)
            seen = generations.setdefault(line["flow"], [])
            if not seen or seen[-1] != line["generation"]:
                seen.append(line["generation"])
        self.assertEqual(len(generations), len(FORMS))
        for seen in generations.values():
            self.assertEqual(seen, [*range(1, 14), 12, 11, 2])

    def test_rules_that_stand_in_every_generation_are_counted_through_all(self):
        lines = [line for line in self.lab.audit_lines() if line.get("rule") in ("open", "shut") and line.get("type") != "outcome"]
        for name in ("open", "shut"):
            decided = sum(line["rule"] == name for line in lines)
            self.assertGreater(decided, 100)
            self.assertEqual(self.hits[name]["decided"], decided)


if __name__ == "__main__":
    unittest.main()
