"""What an operator must act on comes to the journal with its id, out of the sandboxes of both programs."""
import pathlib
import re
import shutil
import socket
import tempfile
import unittest

from lab import ROOT, Lab, wait_until

IDS = dict(re.findall(r'\{Message::(\w+), \w+, "([0-9a-f]{32})"\}', (ROOT / "daemon/journal/messages.cpp").read_text()))

# As systemd starts a service: standard error is what $JOURNAL_STREAM names, and the journal's socket is where it is.
AS_A_SERVICE = ("unshare", "-m", "sh", "-ec", 'mount -t tmpfs none /run; mkdir -p /run/systemd/journal; '
                'mount --bind "$1" /run/systemd/journal; shift; '
                'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$@"', "sh")


def fields_of(entry):
    """systemd's Native Journal Protocol."""
    fields = {}
    while entry:
        key, sign, rest = re.match(rb"([A-Z_]+)([=\n])(.*)", entry, re.DOTALL).groups()
        size = rest.index(b"\n") if sign == b"=" else int.from_bytes(rest[:8], "little")
        rest = rest if sign == b"=" else rest[8:]
        assert key.decode() not in fields and rest[size:size + 1] == b"\n", entry
        fields[key.decode()], entry = rest[:size].decode(), rest[size + 1:]
    return fields


class JournalLab(Lab):
    def __init__(self, journal, **setting):
        super().__init__(**setting)
        self.journal = journal

    def inside(self, namespace, *argv):
        as_service = namespace == self.gateway and argv[0] == "setpriv"
        return super().inside(namespace, *((*AS_A_SERVICE, self.journal, *argv) if as_service else argv))


class Journal(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="clawpatrol-"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o666)
        self.socket.setblocking(False)
        self.entries = []
        self.lab = self.enterContext(JournalLab(folder, postgres=False))

    def said(self, name):
        """The messages of that id so far."""
        try:
            while True:
                self.entries.append(fields_of(self.socket.recv(1 << 20)))
        except BlockingIOError:
            pass
        return [entry for entry in self.entries if entry["MESSAGE_ID"] == IDS[name]]

    def log(self, name):
        return (self.lab.directory / f"{name}.log").read_text()

    def test_messages(self):
        """Both programs' messages with an id are entries of the journal, and all else goes to standard error"""
        self.assertEqual(len(self.said("credential_key_unsealed")), 1)
        self.assertIn("clawpatrol-netd: ready\n", self.log("netd"))
        self.assertIn("policy generation", self.log("daemon"))
        self.assertNotIn("key of the credentials", self.log("daemon"), "said once")

        self.lab.cpctl("lockdown", "--all")
        entry = wait_until(lambda: self.said("peers_held"), "the lockdown")[0]
        self.assertEqual({**entry, "MESSAGE": ""}, {"MESSAGE_ID": IDS["peers_held"], "PRIORITY": "5",
                                                    "SYSLOG_IDENTIFIER": "clawpatrol-netd", "MESSAGE": ""})
        self.assertEqual(entry["MESSAGE"], "all peers are locked down by uid 0")
        self.lab.cpctl("unlock", "--all")

        # A message of several lines, one of which looks like a field.
        broken = self.lab.config / "conf.d" / "99-broken.toml"
        broken.parent.mkdir()
        broken.write_text("schema = 1\n[gateway]\nPRIORITY=0\n")
        self.assertNotEqual(self.lab.cpctl("reload", check=False).returncode, 0)
        entry = wait_until(lambda: self.said("reload_refused"), "the refusal")[0]
        self.assertEqual((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]), ("3", "clawpatrold"))
        self.assertIn("99-broken.toml", entry["MESSAGE"])
        self.assertIn("PRIORITY=0\n", entry["MESSAGE"])

        self.lab.end(self.lab.netd)
        wait_until(lambda: self.said("netd_lost"), "the loss of netd")
        self.assertEqual({name: len(self.said(name)) for name in IDS if self.said(name)},
                         {"credential_key_unsealed": 1, "peers_held": 1, "reload_refused": 1, "netd_lost": 1})

        # Where the journal is away nothing is lost.
        self.socket.close()
        self.assertNotEqual(self.lab.cpctl("reload", check=False).returncode, 0)
        wait_until(lambda: "clawpatrold: reload refused; the policy in force stays:" in self.log("daemon"), "the refusal")
        self.assertIn("99-broken.toml", self.log("daemon"))


if __name__ == "__main__":
    unittest.main()
