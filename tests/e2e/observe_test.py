"""From observing to enforcing, as docs/operate.md says it: what would have been denied is recorded, rules are suggested of
it, their effect is looked at, and then they are enforced."""
import shutil
import unittest

import wire
from lab import BUILD, POLICY, ROOT, run, wait_until
from shared_lab import SharedLab

LOGINS = '[[rule]]\nname = "logins"\nendpoint = "pg-prod"\non = ["login", "cancel"]\ncondition = "true"\nverdict = "allow"\n'
SEEN = "SELECT name FROM users WHERE id = 1"
SET = "SET timezone = 'UTC'"
NOT_SEEN = ("SELECT token FROM sec.tokens", "DELETE FROM users", "SELECT name FROM users WHERE pg_sleep(0) IS NULL",
            "SET timezone = 'CET'", "SET search_path = sec")


class Observe(SharedLab):
    setting = {"rules": LOGINS, "policy": POLICY.replace("[gateway]", '[gateway]\nmode = "observe"')}

    def replayed(self, name, suggested):
        """What the log's actions would become under the configuration that enforces, with these rules."""
        directory = self.lab.directory / name
        shutil.copytree(self.lab.config, directory)
        file = directory / "clawpatrol.toml"
        file.write_text(file.read_text().replace('mode = "observe"', 'mode = "enforce"'))
        (directory / "conf.d").mkdir(exist_ok=True)
        (directory / "conf.d" / "70-seen.toml").write_text(suggested)
        return self.lab.cpctl("diff", self.lab.config, directory, "--replay", self.lab.state / "audit").stdout

    def test_from_observing_to_enforcing(self):
        """observe, the audit log, cpctl rules suggest, cpctl diff --replay, cpctl enforce"""
        self.assertEqual(wire.rows(self.session().simple(SEEN)), [["user1"]], "what no rule is for passes")

        self.assertEqual(wire.errors(self.session().simple(SET)), [])

        def observed():
            return [line for line in self.lab.audit_lines() if line.get("guard") == "observe"]
        wait_until(observed, "the audit line")
        self.assertEqual({(line["verdict"], line.get("rule", "")) for line in observed()}, {("allow", "")})

        suggested = self.lab.cpctl("rules", "suggest", "--since", "30m").stdout
        self.assertRegex(suggested, 'name      = "seen-pg-prod-select-[0-9a-f]{8}"')
        count = len(observed())
        self.assertIn(f"0 wider, {count} narrower", self.replayed("without", ""), "what would be denied from now on")
        with_them = self.replayed("with", suggested)
        self.assertIn('by rule "seen-pg-prod-select-', with_them)
        self.assertIn("0 wider, 0 narrower", with_them)

        (self.lab.config / "conf.d").mkdir(exist_ok=True)
        (self.lab.config / "conf.d" / "70-seen.toml").write_text(suggested)
        self.lab.cpctl("reload")
        connection = self.session()
        self.assertEqual(wire.rows(connection.simple(NOT_SEEN[0])), [["s3cr3t"]], "it observes still")
        self.lab.cpctl("enforce")
        self.assertIn('mode = "enforce"', (self.lab.config / "clawpatrol.toml").read_text())
        for going_on in (connection, self.session()):
            self.assertEqual(wire.rows(going_on.simple(SEEN)), [["user1"]])
            self.assertEqual(wire.errors(going_on.simple(SET)), [])
            for text in NOT_SEEN:
                self.assertEqual(wire.error_codes(going_on.simple(text)), ["42501"], text)
        self.lab.admin("CREATE DATABASE elsewhere")
        elsewhere = wire.Connection(self.lab.connect(self.address))
        self.addCleanup(elsewhere.socket.close)
        elsewhere.login(database="elsewhere")
        self.assertEqual(wire.error_codes(elsewhere.simple(SEEN)), ["42501"])
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100")
        again = self.lab.cpctl("enforce", check=False)
        self.assertEqual(again.returncode, 1, "it enforces already")


class AsWritten(SharedLab):
    setting = Observe.setting

    def test_docs_operate(self):
        """docs/operate.md, "Observe first", word for word, with what is installed where an operator has it"""
        self.assertEqual(wire.rows(self.session().simple(SEEN)), [["user1"]])
        wait_until(lambda: any(line.get("guard") == "observe" for line in self.lab.audit_lines()), "the audit line")
        (self.lab.config / "conf.d").mkdir()  # as the package has it
        text = (ROOT / "docs" / "operate.md").read_text()
        commands = text.split("## Observe first")[1].split("```")[1]
        self.assertEqual(commands.count("cpctl "), 5)
        places = {self.lab.config: "/etc/clawpatrol", self.lab.state: "/var/lib/clawpatrol", self.lab.run_dir: "/run/clawpatrol"}
        mounts = "".join(f"mkdir -p {at} && mount --bind {each} {at}\n" for each, at in places.items())
        top = self.lab.directory / "tmp"
        top.mkdir()
        for directory in ("/etc", "/var/lib", "/run"):  # to be made in, and to be gone with this process
            (top / directory[1:]).mkdir(parents=True)
            mounts = f"mount -t overlay -o lowerdir={directory},upperdir={top}{directory},workdir=$(mktemp -d -p {top}) none {directory}\n" + mounts
        script = f"set -e\nmount --make-rprivate /\n{mounts}export PATH={BUILD}/cpctl:$PATH TMPDIR={top}\nset -x\n{commands}"
        done = run(*self.lab.inside(self.lab.gateway, "unshare", "-m", "bash", "-c", script), check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("0 wider, 0 narrower", done.stdout, "what was seen goes on")
        self.assertIn('mode = "enforce"', (self.lab.config / "clawpatrol.toml").read_text())
        self.assertEqual(wire.rows(self.session().simple(SEEN)), [["user1"]])
        self.assertEqual(wire.error_codes(self.session().simple(NOT_SEEN[1])), ["42501"])


if __name__ == "__main__":
    unittest.main()
