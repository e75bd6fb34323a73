#!/usr/bin/python3
"""Real clients cannot tell that the gateway is there: the same program, directly and through it, says the same."""

import re
import unittest

from lab import ROOT, Lab, environment, run

CLIENTS = ROOT / "tests" / "e2e" / "clients"


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab().__enter__()
        cls.address = cls.lab.virtual_address()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def outputs(self, *argv, env=None, merge=True, **options):
        """What the command says directly and through the gateway. Only directly has it the password."""
        said = []
        for namespace, host, password in ((self.lab.gateway, "10.77.2.2", "reader-secret"),
                                          (self.lab.agent, self.address, None)):
            variables = environment() | {"HOST": host, "DBUSER": "agent_ro", "PGSSLMODE": "disable", "PGHOST": host,
                                         "PGUSER": "agent_ro", "PGDATABASE": "app"} | (env or {})
            if password:
                variables |= {"PASSWORD": password, "PGPASSWORD": password}
            result = run(*self.lab.inside(namespace, *argv), check=False, env=variables, timeout=120, cwd="/", **options)
            said.append((result.returncode, result.stdout + (result.stderr if merge else "")))
        return said

    def same(self, *argv, replace=(), **options):
        direct, through = self.outputs(*argv, **options)
        for pattern, text in replace:
            direct, through = (tuple([s[0], re.sub(pattern, text, s[1])]) for s in (direct, through))
        self.assertEqual(direct[0], options.get("exit", 0), direct[1])
        self.assertEqual(direct, through)
        return direct[1]

    def test_psql(self):
        self.assertIn("done", self.same("psql", "-X", "-f", CLIENTS / "psql.sql",
                                        replace=[(r"server process with PID \d+", "PID")]))

    def test_psycopg2(self):
        self.assertIn("still here", self.same("/usr/bin/python3", CLIENTS / "psycopg2_client.py"))

    def test_psycopg3_with_pipelines(self):
        # Whether psycopg says this too depends on when an error arrives: before the client's next statement or after.
        self.same("/usr/bin/python3", CLIENTS / "psycopg3_client.py",
                  replace=[(r"error ignored terminating <psycopg.Pipeline.*\n", "")])

    def test_asyncpg(self):
        self.assertIn("still here", self.same("/usr/bin/python3", CLIENTS / "asyncpg_client.py"))

    def test_node_pg(self):
        self.assertIn("queued", self.same("node", CLIENTS / "node" / "client.js"))

    def test_pgjdbc_in_all_its_query_modes(self):
        classes = self.lab.directory / "java"
        classes.mkdir(exist_ok=True)
        jar = "/usr/share/java/postgresql.jar"
        run("javac", "-cp", jar, "-d", classes, CLIENTS / "Jdbc.java")
        said = self.same("java", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jar}", "Jdbc")
        self.assertEqual(said.count("rows 17"), 4)

    def test_pgbench_in_all_its_query_modes(self):
        run("pgbench", "-i", "-q", "-h", self.lab.directory / "pg", "-U", "postgres", "app", cwd="/")
        for mode in ("simple", "extended", "prepared"):
            for kind in ("-S", "-N", "-b tpcb-like"):
                out = self.same("pgbench", "-n", "-M", mode, *kind.split(), "-c", 4, "-j", 2, "-t", 50, "app",
                                replace=[(r"(latency average|initial connection time|tps) = .*", r"\1")])
                self.assertIn("number of transactions actually processed: 200/200", out)
                self.assertIn("number of failed transactions: 0", out)
        balance = self.lab.admin("SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)")
        self.assertEqual(balance, "t")


RULES = """
[[rule]]
name = "no-4711"
endpoint = "pg-prod"
priority = 5
condition = "'4711' in sql.params || '4711' in sql.literals"
verdict = "deny"
reason = "not this one"
[[rule]]
name = "rest"
endpoint = "pg-prod"
verdict = "allow"
"""


class Parameters(unittest.TestCase):
    """Under a rule on sql.params, clients that send values in binary form."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(rules=RULES).__enter__()
        cls.lab.admin("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        cls.environment = environment() | {"HOST": cls.lab.virtual_address(), "DBUSER": "agent_ro"}

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def agent(self, *argv):
        return run(*self.lab.inside(self.lab.agent, *argv), env=self.environment, timeout=60, cwd="/").stdout

    def test_asyncpg(self):
        said = self.agent("/usr/bin/python3", CLIENTS / "asyncpg_params.py").splitlines()
        self.assertEqual(said, ["[4711, 4713]", "not this one", "not this one", "200", "not evaluated", "still here"])
        lines = [line["facets"] for line in self.lab.audit_lines() if line.get("parent") and "params" in line["facets"]]
        self.assertIn(["47.11"], [facets["params"] for facets in lines])
        self.assertIn(["{1,NULL,3}"], [facets["params"] for facets in lines])

    def test_pgjdbc(self):
        classes = self.lab.directory / "java"
        classes.mkdir(exist_ok=True)
        jar = "/usr/share/java/postgresql.jar"
        run("javac", "-cp", jar, "-d", classes, CLIENTS / "JdbcParams.java")
        said = self.agent("java", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jar}", "JdbcParams")
        self.assertEqual(said.splitlines(), ["passed 4710", "42501 ERROR: not this one", "passed 4712"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
