"""What BPF_PROG_TEST_RUN cannot show: real packets through veth and TUN, with the real clawpatrol-netd."""

import errno, fcntl, os, select, signal, socket, struct, subprocess, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as labs
from lab import Lab, run, wait_for

ANY_V4, ANY_V6 = "203.0.113.9", "2001:db8:9::9"


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def tcp_segment(source, destination, source_port, port, flags=2, sequence=1, acknowledged=0):
    """A TCP header with a right checksum, for either family."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    header = struct.pack(">HHIIBBHHH", source_port, port, sequence, acknowledged, 5 << 4, flags, 64240, 0, 0)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    pseudo = ends + (struct.pack(">IHBB", len(header), 0, 0, 6) if family == socket.AF_INET6 else struct.pack(">BBH", 0, 6, len(header)))
    return header[:16] + struct.pack(">H", checksum(pseudo + header)) + header[18:]


def ipv4(source, destination, protocol, payload, fragment=0):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ipv6(source, destination, protocol, payload):
    return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + \
        socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) + payload


class SteeringTest(unittest.TestCase):
    def lab(self, *options, start=True, **configuration):
        self.net = Lab(**configuration)
        self.addCleanup(self.net.close)
        return self.net.start(*options) if start else self.net

    def exchange(self, agent, gateway):
        agent.sendall(b"up")
        self.assertEqual(gateway.recv(10), b"up")
        gateway.sendall(b"down")
        self.assertEqual(agent.recv(10), b"down")

    def assert_counted(self, daemon, reason, action):
        before = daemon.drops().get(reason, 0)
        action()
        wait_for(lambda: daemon.drops().get(reason, 0) > before, what=f"a drop for reason {reason}")

    def assert_silent(self, net, action):
        """The agent's packets reach the filter, and end there."""
        before = net.dropped()
        action()
        wait_for(lambda: net.dropped() > before, what="a drop")

    def send_raw(self, packet, destination):
        def body():
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                raw.sendto(packet, (destination, 0))
        self.net.as_agent(body)

    def send_raw_v6(self, packet, destination):
        def body():
            with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                raw.sendto(packet, (destination, 0))
        self.net.as_agent(body)

    # What an agent may do.

    def test_tcp_to_any_destination_arrives_with_the_destination_that_was_dialled(self):
        net = self.lab()
        daemon = net.daemon()
        for destination in ((ANY_V4, 5432), ("8.8.8.8", 22), (ANY_V6, 443), ("198.18.3.4", 1), (ANY_V4, 53)):
            agent = net.dial(*destination)
            gateway, dialled, _ = daemon.accept()
            self.assertEqual(dialled, destination)
            self.exchange(agent, gateway)

    def test_connections_spread_over_workers(self):
        net = self.lab()
        daemon = net.daemon(workers=4)
        seen = set()
        for _ in range(80):
            net.dial(ANY_V6, 5432)
            seen.add(daemon.accept()[2])
        self.assertEqual(seen, {0, 1, 2, 3})

    def test_dns_to_any_resolver_is_answered_from_the_address_that_was_asked(self):
        net = self.lab()
        daemon = net.daemon()
        for host in (ANY_V4, ANY_V6, "10.86.0.1", "fd86::1", "10.77.1.1", "fd77:1::1"):
            agent = net.udp(host, 53)
            self.assertEqual(daemon.answer_dns(), (host, 53))
            self.assertEqual(agent.recv(100), b"re:query")

    def test_a_resolver_of_the_host_is_not_in_the_way(self):
        net = self.lab(start=False)

        def host_resolver():
            resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            resolver.bind(("127.0.0.53", 53))
            return resolver
        net.stack.callback(net.as_gateway(host_resolver).close)
        net.start()
        daemon = net.daemon()
        agent = net.udp(ANY_V4, 53)
        self.assertEqual(daemon.answer_dns(), (ANY_V4, 53))
        self.assertEqual(agent.recv(100), b"re:query")

    def test_a_reused_4_tuple_in_time_wait_connects_ten_times_of_ten(self):
        net = self.lab()
        daemon = net.daemon()
        for host in (ANY_V4, ANY_V6):
            for _ in range(10):
                agent = net.dial(host, 5432, source_port=45454)
                gateway, _, _ = daemon.accept()
                gateway.close()  # first, so that TIME_WAIT is on the gateway's side
                self.assertEqual(agent.recv(1), b"")
                agent.close()

    def test_ping_reaches_the_gateway_and_nobody_else(self):
        net = self.lab()
        daemon = net.daemon()
        ping = lambda host, wait: subprocess.run(["ip", "netns", "exec", net.agent, "ping", "-nqc1", "-W", wait, host],
                                                 capture_output=True).returncode
        self.assertEqual(ping("10.77.1.1", "2"), 0)
        self.assertEqual(ping("fd77:1::1", "2"), 0)
        before = daemon.drops().get(labs.ICMP, 0)
        for host in (ANY_V4, ANY_V6):
            self.assertNotEqual(ping(host, "0.2"), 0)
        self.assertEqual(daemon.drops().get(labs.ICMP, 0), before + 2)

    # What an agent must not do.

    def test_other_udp_and_quic_are_dropped_and_counted(self):
        net = self.lab()
        daemon = net.daemon()
        self.assert_counted(daemon, labs.UDP, lambda: net.udp(ANY_V4, 123))
        self.assert_counted(daemon, labs.QUIC, lambda: net.udp(ANY_V6, 443))
        self.assert_counted(daemon, labs.OWN_ADDRESS, lambda: net.udp("10.77.1.1", 51820))

    def test_fragments_and_other_protocols_are_dropped_and_counted(self):
        net = self.lab()
        daemon = net.daemon()
        segment = tcp_segment("10.77.1.2", ANY_V4, 1000, 5432)
        self.assert_counted(daemon, labs.FRAGMENT, lambda: self.send_raw(ipv4("10.77.1.2", ANY_V4, 6, segment, 0x2000), ANY_V4))
        self.assert_counted(daemon, labs.PROTOCOL, lambda: self.send_raw(ipv4("10.77.1.2", ANY_V4, 132, segment), ANY_V4))
        self.assert_counted(daemon, labs.OPTIONS, lambda: self.send_raw_v6(
            ipv6("fd77:1::2", ANY_V6, 60, b"\x06\0\x01\x04\0\0\0\0" + segment), ANY_V6))
        self.assertTrue(daemon.nothing_arrived())

    def test_attack_23_a_spoofed_inner_source_is_dropped_and_counted(self):
        """attack 23: a spoofed inner source is dropped and counted"""
        net = self.lab()
        daemon = net.daemon()
        for source in ("10.86.0.2", "10.77.1.3", "10.77.1.1"):
            packet = ipv4(source, ANY_V4, 6, tcp_segment(source, ANY_V4, 1000, 5432))
            self.assert_counted(daemon, labs.SPOOFED, lambda: self.send_raw(packet, ANY_V4))
        packet = ipv6("fd86::2", ANY_V6, 6, tcp_segment("fd86::2", ANY_V6, 1000, 5432))
        self.assert_counted(daemon, labs.SPOOFED, lambda: self.send_raw_v6(packet, ANY_V6))
        self.assertTrue(daemon.nothing_arrived())

    def test_attack_14_the_gateways_own_addresses_are_closed_also_one_that_is_added_later(self):
        """attack 14: the gateway's own addresses are closed, also one that is added later"""
        net = self.lab()
        daemon = net.daemon()
        service = net.listen_wildcard(2222)
        for host in ("10.77.1.1", "fd77:1::1"):
            self.assert_counted(daemon, labs.OWN_ADDRESS, lambda: net.start_dialling(host, 2222))
        net.dial("192.0.2.55", 2222)
        self.assertEqual(daemon.accept()[1], ("192.0.2.55", 2222))
        run("ip", "-n", net.gateway, "addr", "add", "192.0.2.55/32", "dev", "lo")

        def refused():
            before = daemon.drops().get(labs.OWN_ADDRESS, 0)
            with net.start_dialling("192.0.2.55", 2222):
                select.select([], [], [], 0.01)
            return daemon.drops().get(labs.OWN_ADDRESS, 0) > before
        wait_for(refused, what="the new address to be protected")
        self.assertIsNone(self.accept_or_none(service))

    def accept_or_none(self, service):
        try:
            return service.accept()
        except BlockingIOError:
            return None

    def test_a_wildcard_service_of_the_gateway_is_never_reached(self):
        net = self.lab()
        service = net.listen_wildcard(2222)
        daemon = net.daemon()
        net.dial(ANY_V6, 2222)
        self.assertEqual(daemon.accept()[1], (ANY_V6, 2222))
        net.kill()
        net.dial(ANY_V6, 2222)  # the daemon holds what is needed
        self.assertEqual(daemon.accept()[1], (ANY_V6, 2222))
        daemon.close(keep_sockets=True)
        daemon.drop_keep()  # listeners without the lookup program
        for host in (ANY_V4, ANY_V6, "fd77:1::1"):
            self.assert_silent(net, lambda: net.start_dialling(host, 2222))
        self.assertTrue(daemon.nothing_arrived())
        daemon.drop_sockets()
        for host in (ANY_V4, ANY_V6, "10.77.1.1", "fd77:1::1"):
            self.assert_silent(net, lambda: net.start_dialling(host, 2222))
        self.assert_silent(net, lambda: net.udp(ANY_V6, 53))
        self.assertIsNone(self.accept_or_none(service))

    def test_an_operators_interface_without_our_filter_is_not_routed_to_us(self):
        net = self.lab()
        service = net.listen_wildcard(2222)
        net.kill()
        run("tc", "-n", net.gateway, "qdisc", "del", "dev", "vg", "clsact")
        with self.assertRaises(OSError):  # no route, instead of the wildcard service
            net.dial(ANY_V6, 2222, seconds=0.3)
        self.assertIsNone(self.accept_or_none(service))

    def test_no_other_routing_rule_goes_around_ours(self):
        net = self.lab()
        around = ("to", f"{ANY_V4}/32", "lookup", "main")
        run("ip", "-n", net.gateway, "rule", "add", *around)  # the kernel chooses its place
        rules = run("ip", "-n", net.gateway, "rule").splitlines()
        own = [at for at, rule in enumerate(rules) if "iif vg" in rule]
        self.assertEqual(own, [1], "behind that of the local table, before all others")
        self.assertIn(ANY_V4, rules[2])
        run("ip", "netns", "exec", net.gateway, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        daemon = net.daemon()
        self.assertEqual(daemon.reload(), "")
        forwarding = run("ip", "netns", "exec", net.gateway, "sysctl", "-n", "net.ipv4.conf.vg.forwarding")
        self.assertEqual(forwarding.strip(), "0")
        net.dial(ANY_V4, 5432)
        daemon.accept()
        # One that somebody has put before ours.
        run("ip", "-n", net.gateway, "rule", "del", *around)
        net.netd.send_signal(signal.SIGSTOP)
        run("ip", "-n", net.gateway, "rule", "del", "iif", "vg")
        run("ip", "-n", net.gateway, "rule", "add", "pref", "0", *around)
        net.netd.send_signal(signal.SIGCONT)
        wait_for(lambda: "iif vg" in run("ip", "-n", net.gateway, "rule"), what="our rule again")
        wait_for(lambda: "a routing rule stands before ours" in net.log_text(), what="a word of it")
        self.assert_silent(net, lambda: net.start_dialling(ANY_V4, 5432))
        self.assertTrue(daemon.nothing_arrived())
        run("ip", "-n", net.gateway, "rule", "del", "pref", "0", *around)
        self.assertTrue(net.dial(ANY_V4, 5432, seconds=10))
        daemon.accept()

    # Who lives, who dies.

    def test_netd_dead_connections_go_on_and_new_ones_come(self):
        net = self.lab()
        daemon = net.daemon()
        agent = net.dial(ANY_V4, 5432)
        gateway, _, _ = daemon.accept()
        net.kill()
        self.exchange(agent, gateway)
        net.dial(ANY_V6, 5432)
        daemon.accept()
        asked = net.udp(ANY_V4, 53)
        daemon.answer_dns()
        self.assertEqual(asked.recv(100), b"re:query")

    def test_attack_24_daemon_dead_handshakes_complete_and_data_waits_for_the_next_one(self):
        """attack 24: with the daemon dead handshakes complete, and data waits unread for the next one"""
        net = self.lab()
        daemon = net.daemon()
        daemon.close()
        agent = net.dial(ANY_V4, 5432)
        agent.sendall(b"unread")
        gateway, dialled, _ = net.daemon().accept()
        self.assertEqual((dialled, gateway.recv(10)), ((ANY_V4, 5432), b"unread"))

    def test_a_netd_that_starts_again_takes_over_while_the_daemon_goes_on(self):
        net = self.lab()
        daemon = net.daemon(workers=2)
        agent = net.dial(ANY_V4, 5432)
        gateway, _, _ = daemon.accept()
        net.kill()
        net.start()
        self.exchange(agent, gateway)
        waiting = net.dial(ANY_V6, 5432)
        second = net.daemon(workers=2)
        later, dialled, _ = second.accept()
        self.assertEqual(dialled, (ANY_V6, 5432))
        daemon.close()  # its duplicates of the old netd's sockets, and of the old program
        self.exchange(waiting, later)
        self.exchange(agent, gateway)
        net.dial(ANY_V4, 1)
        self.assertEqual(second.accept()[1], (ANY_V4, 1))
        filters = run("tc", "-n", net.gateway, "filter", "show", "dev", "vg", "ingress")
        self.assertEqual(filters.count("filter_ingress:["), 1)
        self.assertEqual(run("ip", "-n", net.gateway, "rule").count("iif vg"), 1)

    def test_an_interface_that_comes_back_is_filtered_and_steered_again(self):
        net = self.lab()
        daemon = net.daemon()
        run("ip", "-n", net.gateway, "link", "del", "vg")
        net.connect()
        wait_for(lambda: "filter_ingress" in run("tc", "-n", net.gateway, "filter", "show", "dev", "vg", "ingress"))
        net.dial(ANY_V4, 5432)
        self.assertEqual(daemon.accept()[1], (ANY_V4, 5432))

    def test_a_missing_interface_is_waited_for(self):
        net = self.lab(start=False, more_ingress=', "later0"')
        net.start()
        self.assertIn("later0", net.log_text())
        run("ip", "-n", net.gateway, "link", "add", "later0", "type", "veth", "peer", "name", "later1")
        wait_for(lambda: "filter_ingress" in run("tc", "-n", net.gateway, "filter", "show", "dev", "later0", "ingress"))

    # The operator.

    def test_reload_lets_a_new_peer_in_and_refuses_a_configuration_that_is_wrong(self):
        net = self.lab()
        daemon = net.daemon()
        run("ip", "-n", net.agent, "addr", "add", "10.77.1.9/24", "dev", "va")
        packet = ipv4("10.77.1.9", ANY_V4, 6, tcp_segment("10.77.1.9", ANY_V4, 1000, 5432))
        self.assert_counted(daemon, labs.SPOOFED, lambda: self.send_raw(packet, ANY_V4))
        net.configure(peers='[peer.late]\nprofile = "p"\ninterface = "vg"\naddresses = ["10.77.1.9"]')
        self.assertEqual(daemon.reload(), "")
        daemon.until(labs.PEERS_END) if "late" not in daemon.peers.values() else None
        self.assertIn("late", daemon.peers.values())
        before = daemon.drops().get(labs.SPOOFED, 0)
        self.send_raw(packet, ANY_V4)
        wait_for(lambda: run("ss", "-Htn", "-N", net.gateway, "state", "syn-recv", check=False) or True)
        self.assertEqual(daemon.drops().get(labs.SPOOFED, 0), before)
        with open(f"{net.directory}/clawpatrol.toml", "w") as file:
            file.write("schema = 1\n[gateway\n")
        self.assertNotEqual(daemon.reload(), "")
        net.dial(ANY_V4, 5432)
        daemon.accept()

    def test_a_configuration_that_others_may_write_is_refused(self):
        net = self.lab(start=False)
        os.chmod(f"{net.directory}/clawpatrol.toml", 0o666)
        with self.assertRaisesRegex(AssertionError, "may be written by others"):
            net.start()
        net.netd = None

    def test_peers_are_added_listed_and_removed_at_the_operators_word(self):
        net = self.lab(gateway='endpoint = "192.0.2.1:51820"\ninterface = "vg"', agent="")
        daemon = net.daemon()
        added = net.operator(command="add", name="builder-1")
        self.assertTrue(added["ok"], added)
        self.assertEqual(added["peer"]["addresses"], ["10.86.0.2", "fd86::2"])
        self.assertIn("PrivateKey = ", added["config"])
        self.assertIn("Endpoint = 192.0.2.1:51820", added["config"])
        self.assertTrue(added["wg_set"].startswith("wg set vg private-key "))
        self.assertFalse(net.operator(command="add", name="builder-1")["ok"])
        daemon.until(labs.PEERS_END)
        self.assertIn("builder-1", daemon.peers.values())
        run("ip", "-n", net.agent, "addr", "add", "10.86.0.2/32", "dev", "va")
        run("ip", "-n", net.gateway, "route", "add", "10.86.0.2/32", "dev", "vg")
        agent = net.as_agent(lambda: socket.create_connection((ANY_V4, 5432), 3, ("10.86.0.2", 0)))
        net.stack.callback(agent.close)
        daemon.accept()
        self.assertTrue(net.operator(command="rm", name="builder-1")["ok"])
        daemon.until(labs.PEERS_END)
        self.assertNotIn("builder-1", daemon.peers.values())
        names = [peer["name"] for peer in net.operator(command="list")["peers"]]
        self.assertEqual(names, [])
        packet = ipv4("10.86.0.2", ANY_V4, 6, tcp_segment("10.86.0.2", ANY_V4, 1000, 5432))
        self.assert_counted(daemon, labs.SPOOFED, lambda: self.send_raw(packet, ANY_V4))
        self.assertIn("added by uid 0", net.log_text())
        self.assertIn("removed by uid 0", net.log_text())

    def test_ids_and_addresses_survive_a_restart(self):
        """attack 20: peer ids and resting addresses survive a restart of netd"""
        net = self.lab(gateway='endpoint = "192.0.2.1:51820"\ninterface = "vg"', agent="")
        first = net.operator(command="add", name="one")["peer"]
        net.operator(command="rm", name="one")
        net.kill()
        net.start()
        second = net.operator(command="add", name="two")["peer"]
        self.assertGreater(second["id"], first["id"])
        self.assertNotEqual(second["addresses"], first["addresses"])

    def test_strangers_are_turned_away_at_both_sockets(self):
        """attack 25: the operators reach their socket and the daemon's user its own; a stranger cannot even connect"""
        daemon, operators, nobody = 64901, 64902, 65534
        net = self.lab("--daemon-uid", str(daemon), "--operator-group", str(operators))
        probe = ("import socket,sys\n"
                 "s=socket.socket(socket.AF_UNIX,socket.SOCK_STREAM if 'peers' in sys.argv[1] else socket.SOCK_SEQPACKET)\n"
                 "try: s.connect(sys.argv[1])\n"
                 "except PermissionError: sys.exit('refused')\n")

        def connects(socket_name, user, *groups):
            tried = subprocess.run(["/usr/bin/python3", "-c", probe, f"{net.run}/{socket_name}"], user=user, group=nobody,
                                   extra_groups=groups, capture_output=True, text=True)
            self.assertIn(tried.stderr, ("", "refused\n"))
            return tried.returncode == 0
        for name, admitted in (("peers.sock", (False, True, False)), ("netd.sock", (False, False, True))):
            self.assertEqual(os.stat(f"{net.run}/{name}").st_mode & 0o777, 0o660, name)
            self.assertEqual((connects(name, nobody), connects(name, nobody, operators), connects(name, daemon)),
                             admitted, name)

    def test_netd_keeps_three_capabilities_and_no_way_to_run_anything(self):
        net = self.lab()
        with open(f"/proc/{net.netd.pid}/status") as file:
            status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        wanted = 1 << 12 | 1 << 10 | 1 << 39  # NET_ADMIN, NET_BIND_SERVICE, BPF
        for each in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status[each], 16), wanted, each)
        for each in ("CapInh", "CapAmb"):
            self.assertEqual(int(status[each], 16), 0, each)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")

    def test_netd_runs_as_another_user(self):
        net = self.lab("--user", "65534")
        with open(f"/proc/{net.netd.pid}/status") as file:
            self.assertIn("Uid:\t65534\t65534\t65534\t65534", file.read())
        daemon = net.daemon()
        net.dial(ANY_V6, 5432)
        daemon.accept()
        net.configure(peers='[peer.late]\nprofile = "p"\ninterface = "vg"\naddresses = ["10.77.1.9"]')
        self.assertEqual(daemon.reload(), "")

    def test_teardown_leaves_nothing_in_the_kernel(self):
        net = self.lab()
        net.kill(signal.SIGTERM)
        self.assertIn("iif vg", run("ip", "-n", net.gateway, "rule"))
        run("ip", "netns", "exec", net.gateway, labs.NETD, "--config", net.directory, "--teardown")
        self.assertNotIn("iif vg", run("ip", "-n", net.gateway, "rule"))
        self.assertNotIn("iif vg", run("ip", "-n", net.gateway, "-6", "rule"))
        self.assertEqual(run("ip", "-n", net.gateway, "route", "show", "table", "49576", check=False), "")
        self.assertNotIn("filter_ingress", run("tc", "-n", net.gateway, "filter", "show", "dev", "vg", "ingress"))

    # Links without Ethernet, as WireGuard's.

    def test_packets_without_a_link_header_are_steered_as_well(self):
        net = self.lab(start=False, more_ingress=', "tun0"',
                       peers='[peer.tunnel]\nprofile = "p"\ninterface = "tun0"\naddresses = ["10.87.0.2", "fd87::2"]')

        def make_tun():
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
            return tun
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("this kernel has no TUN devices")
        tun = net.as_gateway(make_tun)
        net.stack.callback(os.close, tun)
        run("ip", "-n", net.gateway, "link", "set", "tun0", "up")
        run("ip", "-n", net.gateway, "route", "add", "10.87.0.2/32", "dev", "tun0")
        run("ip", "-n", net.gateway, "-6", "route", "add", "fd87::2/128", "dev", "tun0")
        net.start()
        daemon = net.daemon()

        def answer(want):
            """The next packet to the peer for which want() is true."""
            while True:
                ready, _, _ = select.select([tun], [], [], 3)
                self.assertTrue(ready, "no answer from the tunnel")
                packet = os.read(tun, 2000)
                if want(packet):
                    return packet
        for source, destination, header in (("10.87.0.2", ANY_V4, 20), ("fd87::2", ANY_V6, 40)):
            wrap = ipv4 if header == 20 else ipv6
            os.write(tun, wrap(source, destination, 6, tcp_segment(source, destination, 1000, 5432, sequence=100)))
            packet = answer(lambda p: len(p) >= header + 20 and p[header + 13] == 0x12)  # SYN and ACK
            sequence = struct.unpack_from(">I", packet, header + 4)[0]
            os.write(tun, wrap(source, destination, 6, tcp_segment(source, destination, 1000, 5432, 0x10, 101, (sequence + 1) & 0xffffffff)))
            self.assertEqual(daemon.accept()[1], (destination, 5432))
        self.assert_counted(daemon, labs.SPOOFED, lambda: os.write(tun, ipv4("10.77.1.2", ANY_V4, 6, tcp_segment("10.77.1.2", ANY_V4, 1, 2))))


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: network namespaces and BPF need root")
        sys.exit(77)
    if not os.path.exists(labs.NETD):
        print(f"skipped: {labs.NETD} is not built")
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")  # sockets of a test that failed close when it is collected
