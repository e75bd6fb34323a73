"""The tunnel that netd makes over generic netlink, with Debian's wireguard.ko. Skipped where the kernel has none."""

import os, socket, subprocess, sys, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as labs
from lab import Lab, run, wait_for

ANY_V4, ANY_V6 = "203.0.113.9", "2001:db8:9::9"


def kernel_has_wireguard():
    name = f"cpt{os.getpid() % 100000}"
    made = subprocess.run(["ip", "link", "add", name, "type", "wireguard"], capture_output=True).returncode == 0
    if made:
        run("ip", "link", "del", name)
    return made


class WireguardTest(unittest.TestCase):
    def setUp(self):
        self.net = Lab(gateway='endpoint = "10.77.1.1:51820"', agent='[peer.builder-1]\nprofile = "p"', ingress="")
        self.addCleanup(self.net.close)
        self.net.start()

    def join(self, added, device="wg0"):
        """As wg-quick would, with what the operator was given."""
        net = self.net
        lines = [line for line in added["config"].splitlines() if not line.startswith(("Address", "DNS", "MTU"))]
        with open(f"{net.directory}/agent.conf", "w") as file:
            file.write("\n".join(lines) + "\n")
        run("ip", "-n", net.agent, "link", "add", device, "type", "wireguard")
        run("ip", "netns", "exec", net.agent, "wg", "setconf", device, f"{net.directory}/agent.conf")
        for address in added["peer"]["addresses"]:
            run("ip", "-n", net.agent, "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        run("ip", "-n", net.agent, "link", "set", device, "up", "mtu", "1420")
        run("ip", "-n", net.agent, "route", "replace", "default", "dev", device)
        run("ip", "-n", net.agent, "-6", "route", "replace", "default", "dev", device)

    def gateway_wg(self, what):
        return run("ip", "netns", "exec", self.net.gateway, "wg", "show", "wg-cp0", what)

    def test_a_peer_that_was_added_reaches_us_through_its_tunnel_and_a_removed_one_does_not(self):
        net = self.net
        daemon = net.daemon()
        added = net.operator(command="add", name="builder-1")
        self.assertTrue(added["ok"], added)
        self.assertNotIn("wg_set", added)
        self.assertIn("10.86.0.2/32 fd86::2/128", self.gateway_wg("allowed-ips"))
        self.assertEqual(self.gateway_wg("listen-port").strip(), "51820")
        self.join(added)
        for host in (ANY_V4, ANY_V6):
            agent = net.dial(host, 5432, seconds=10)
            gateway, dialled, _ = daemon.accept(10)
            self.assertEqual((dialled, gateway.getpeername()[0].removeprefix("::ffff:")),
                             ((host, 5432), "10.86.0.2" if host == ANY_V4 else "fd86::2"))
            agent.sendall(b"up")
            self.assertEqual(gateway.recv(10), b"up")
            asked = net.udp(host, 53)
            self.assertEqual(daemon.answer_dns(10), (host, 53))
            self.assertEqual(asked.recv(100), b"re:query")
        row = net.operator(command="list")["peers"][0]
        self.assertGreater(row["rx_bytes"], 0)
        self.assertLess(abs(time.time() - row["last_handshake"]), 120)
        for target in ("10.86.0.1", "fd86::1"):
            run("ip", "netns", "exec", net.agent, "ping", "-nqc1", "-W5", target)
        before = daemon.drops().get(labs.ICMP, 0)
        self.assertNotEqual(subprocess.run(["ip", "netns", "exec", net.agent, "ping", "-nqc1", "-W1", ANY_V6],
                                           capture_output=True).returncode, 0)
        self.assertGreater(daemon.drops().get(labs.ICMP, 0), before)

        self.assertTrue(net.operator(command="rm", name="builder-1")["ok"])
        self.assertEqual(self.gateway_wg("peers"), "")
        with self.assertRaises(OSError):
            net.dial(ANY_V4, 5432, seconds=1)

    def test_a_restart_of_netd_is_not_noticed_in_the_tunnel(self):
        net = self.net
        daemon = net.daemon()
        self.join(net.operator(command="add", name="builder-1"))
        agent = net.dial(ANY_V4, 5432, seconds=10)
        gateway, _, _ = daemon.accept(10)
        handshakes = self.gateway_wg("latest-handshakes")
        net.kill()
        net.start()
        agent.sendall(b"up")
        self.assertEqual(gateway.recv(10), b"up")
        self.assertEqual(self.gateway_wg("latest-handshakes"), handshakes)

    def test_a_public_key_keeps_the_private_one_off_the_gateway(self):
        private = run("wg", "genkey").strip()
        public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True).stdout.strip()
        added = self.net.operator(command="add", name="builder-1", public_key=public)
        self.assertTrue(added["ok"], added)
        self.assertNotIn("\nPrivateKey", added["config"])
        self.assertEqual(self.gateway_wg("peers").strip(), public)

    def test_what_others_changed_on_the_interface_is_put_right(self):
        net = self.net
        net.operator(command="add", name="builder-1")
        stranger = run("wg", "genkey").strip()
        public = subprocess.run(["wg", "pubkey"], input=stranger, capture_output=True, text=True).stdout.strip()
        run("ip", "netns", "exec", net.gateway, "wg", "set", "wg-cp0", "listen-port", "1234", "peer", public,
            "allowed-ips", "10.86.0.9/32")
        run("ip", "-n", net.gateway, "addr", "add", "10.99.0.1/32", "dev", "wg-cp0")  # netd is told of this
        wait_for(lambda: public not in self.gateway_wg("peers"), 20, "the stranger to be gone")
        self.assertEqual(self.gateway_wg("listen-port").strip(), "51820")

    def test_netd_is_idle_when_nothing_changes(self):
        wait_for(lambda: self.turns() == self.turns(), what="quiet")
        before = self.turns()
        self.net.operator(command="list")
        self.net.operator(command="list")
        self.assertLess(self.turns() - before, 20)

    def turns(self):
        """How often netd has waited and been woken."""
        with open(f"/proc/{self.net.netd.pid}/status") as file:
            return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)

    def test_teardown_removes_the_interface(self):
        """Also where the configuration, which has its name, does not load any more; and no other."""
        net = self.net
        net.kill()
        with open(os.path.join(net.directory, "clawpatrol.toml"), "w") as file:
            file.write("nonsense")
        run("ip", "-n", net.gateway, "link", "add", "wg-theirs", "type", "wireguard")
        run("ip", "netns", "exec", net.gateway, labs.NETD, "--config", net.directory, "--teardown")
        self.assertIn("wg-theirs", run("ip", "-n", net.gateway, "link"))
        self.assertNotIn("wg-cp0", run("ip", "-n", net.gateway, "link"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: WireGuard and network namespaces need root")
        sys.exit(77)
    if not os.path.exists(labs.NETD):
        print(f"skipped: {labs.NETD} is not built")
        sys.exit(77)
    if not kernel_has_wireguard():
        print("skipped: this kernel has no WireGuard; tests/vm runs this on Debian's")
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
