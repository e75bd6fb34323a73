#!/usr/bin/python3
"""Attack 23, performed: packets that no honest kernel sends, from an agent's namespace, through the real filter.

What is dropped is counted by reason and peer in `cpctl status -o json`, reaches neither the upstream nor a service of
the gateway, and is answered by nobody.
"""

import collections
import contextlib
import json
import re
import socket
import struct
import unittest

import packets
import wire
from lab import Lab, run, wait_until
from packets import ACK, icmp, icmpv6, ipv4, ipv6, tcp, udp

AGENT, AGENT_V6 = "10.77.1.2", "fd77:1::2"
OTHER, OTHER_V6 = "10.77.4.2", "fd77:4::2"
GATEWAY, GATEWAY_V6 = "10.77.1.1", "fd77:1::1"
UPSTREAM, UPSTREAM_V6 = "10.77.2.2", "fd77:2::2"
FORGED_PORT = 41000  # where forged TCP and UDP come from, and no real connection of these tests
SERVICE_PORT = 2222  # of a service of the gateway's own, on every address

OPTIONS, FRAGMENT, ICMP = "IP options or extension headers", "fragment", "ICMP"
MALFORMED, DESTINATION = "malformed headers", "multicast, loopback or link-local destination"

DNS_QUERY = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\2pg\10internal\0" + struct.pack(">HH", 1, 1)

IPV4_OPTIONS = {
    "no operation": b"\1\1\1\1",
    "end of list": b"\0\0\0\0",
    "record route": b"\7\7\4" + b"\0" * 5,
    "loose source route": b"\x83\7\4" + packets.raw_address(UPSTREAM) + b"\0",
    "strict source route": b"\x89\7\4" + packets.raw_address(UPSTREAM) + b"\0",
    "timestamp": b"\x44\x08\5\0" + b"\0" * 4,
    "router alert": b"\x94\4\0\0",
    "as many as there can be": b"\1" * 40,
}


def padding_header(following):
    """A header of eight bytes with an option that only fills it."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


def routing_header(following, kind):
    """One more stop on the way: the upstream."""
    return bytes([following, 2, kind, 1, 0, 0, 0, 0]) + packets.raw_address(UPSTREAM_V6)


# Name -> number of the header, and what it is in front of `following`.
IPV6_HEADERS = {
    "hop by hop": (0, padding_header),
    "destination options": (60, padding_header),
    "routing, type 0": (43, lambda following: routing_header(following, 0)),
    "routing, type 4": (43, lambda following: routing_header(following, 4)),
    "authentication": (51, lambda following: bytes([following, 1]) + b"\0" * 10),
    "mobility": (135, padding_header),
    "host identity": (139, padding_header),
    "shim6": (140, padding_header),
    "options before a fragment": (60, lambda following: padding_header(44) + bytes([following]) + b"\0" * 7),
}


def fragment_header(following, offset_and_more):
    return struct.pack(">BBHI", following, 0, offset_and_more, 7)


class Packets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(second_agent=True).__enter__()
        try:
            cls.virtual, cls.virtual_v6 = cls.lab.virtual_address(), cls.lab.virtual_address(kind="AAAA")
            link = json.loads(run("ip", "-j", "-n", cls.lab.gateway, "link", "show", "dev", cls.lab.ingress).stdout)
            cls.gateway_mac = bytes.fromhex(link[0]["address"].replace(":", ""))
            with cls.lab.as_agent():
                cls.agent_wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL
                cls.agent_wire.bind(("eth0", 3))
            with cls.lab.as_agent(cls.lab.upstream):
                cls.upstream_wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
                cls.upstream_wire.bind(("eth0", 3))
            with cls.lab.as_agent(cls.lab.gateway):
                cls.service = socket.create_server(("::", SERVICE_PORT), family=socket.AF_INET6, dualstack_ipv6=True)
                cls.datagram_service = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                cls.datagram_service.bind(("::", SERVICE_PORT))
        except BaseException:
            cls.lab.__exit__(None, None, None)
            raise

    @classmethod
    def tearDownClass(cls):
        for each in (cls.agent_wire, cls.upstream_wire, cls.service, cls.datagram_service):
            each.close()
        cls.lab.__exit__(None, None, None)

    # ---- sending and looking -------------------------------------------------------------------------------------

    def send(self, packet):
        kind = 0x86dd if packet[0] >> 4 == 6 else 0x0800
        self.agent_wire.sendto(packet, ("eth0", kind, 0, 0, self.gateway_mac))

    @staticmethod
    def received(sock):
        """The IP packets that came in on this wire since it was last asked, without the neighbours' chatter."""
        sock.setblocking(False)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, protocol, direction, *_) = sock.recvfrom(65536)
                chatter = protocol == 0x86dd and (packet[6] == 0 or packet[6] == 58 and 130 <= packet[40] <= 143)
                if direction != socket.PACKET_OUTGOING and protocol in (0x0800, 0x86dd) and not chatter:
                    found.append(packet)
        return found

    def drops(self, peer="builder-1"):
        rows = json.loads(self.lab.cpctl("status", "-o", "json").stdout.splitlines()[0])["drops"]
        return collections.Counter({row["reason"]: row["packets"] for row in rows if row["peer"] == peer})

    def assert_dropped(self, cases):
        """cases: (packet, reason). Each is counted once for the agent, and nobody ever hears of it."""
        before = self.drops()
        self.received(self.agent_wire), self.received(self.upstream_wire)
        for packet, _ in cases:
            self.send(packet)
        expected = collections.Counter(reason for _, reason in cases)
        # The daemon asks for the counts once a second.
        wait_until(lambda: (self.drops() - before).total() >= len(cases), f"{expected} to be counted")
        self.assertEqual(self.drops() - before, expected)
        self.assertEqual(self.answers(), [], "the agent got an answer")
        self.assert_nothing_passed()

    def answers(self):
        """What came back to the agent but for what belongs to connections of its own."""
        def of_a_connection(packet):
            protocol, at = (packet[6], 40) if packet[0] >> 4 == 6 else (packet[9], 20)
            return protocol == socket.IPPROTO_TCP and packet[at + 2:at + 4] != struct.pack(">H", FORGED_PORT)
        return [packet for packet in self.received(self.agent_wire) if not of_a_connection(packet)]

    def assert_nothing_passed(self):
        """Nothing but the gateway's own packets reached the upstream, and nothing a service of the gateway's."""
        gateways = [packets.raw_address(address) for address in ("10.77.2.1", "fd77:2::1")]
        self.assertEqual([packet for packet in self.received(self.upstream_wire)
                          if packet[12:16] not in gateways and packet[8:24] not in gateways], [])
        for each, arrived in ((self.service, socket.socket.accept), (self.datagram_service, lambda s: s.recv(100))):
            each.setblocking(False)
            with self.assertRaises(BlockingIOError):
                arrived(each)

    def assert_answered(self, packet):
        self.received(self.agent_wire)
        self.send(packet)
        wait_until(self.answers, "an answer to the packet that has nothing wrong", 5)

    # What an agent might send: to an endpoint, to the gateway's resolver and to its service, past it to the upstream.

    def segments(self, source, virtual, gateway, upstream):
        ping = icmpv6(source, gateway, 128, 0) if ":" in source else icmp(8, 0)
        ping_protocol = socket.IPPROTO_ICMPV6 if ":" in source else socket.IPPROTO_ICMP
        yield virtual, socket.IPPROTO_TCP, tcp(source, virtual, FORGED_PORT, 5432)
        yield upstream, socket.IPPROTO_TCP, tcp(source, upstream, FORGED_PORT, 5432)
        yield gateway, socket.IPPROTO_TCP, tcp(source, gateway, FORGED_PORT, SERVICE_PORT)
        yield gateway, socket.IPPROTO_UDP, udp(source, gateway, FORGED_PORT, SERVICE_PORT, b"to the service")
        yield gateway, socket.IPPROTO_UDP, udp(source, gateway, FORGED_PORT, 53, DNS_QUERY)
        yield gateway, ping_protocol, ping

    def segments_v4(self):
        return self.segments(AGENT, self.virtual, GATEWAY, UPSTREAM)

    def segments_v6(self):
        return self.segments(AGENT_V6, self.virtual_v6, GATEWAY_V6, UPSTREAM_V6)

    # ---- the tests -----------------------------------------------------------------------------------------------

    def test_the_same_packets_with_nothing_wrong(self):
        """the packets of these tests, without what is wrong with them, are answered"""
        for family, source, segments in ((ipv4, AGENT, self.segments_v4()), (ipv6, AGENT_V6, self.segments_v6())):
            for number, (destination, protocol, segment) in enumerate(segments):
                if number in (0, 4, 5):  # the endpoint, the resolver, ping
                    self.assert_answered(family(source, destination, protocol, segment))

    def test_23_ipv4_options(self):
        """attack 23: IPv4 options are dropped and counted, whatever they are and wherever they go"""
        self.assert_dropped([(ipv4(AGENT, destination, protocol, segment, options), OPTIONS)
                             for options in IPV4_OPTIONS.values()
                             for destination, protocol, segment in self.segments_v4()])

    def test_23_ipv6_extension_headers(self):
        """attack 23: IPv6 extension headers are dropped and counted, whatever they are and wherever they go"""
        self.assert_dropped([(ipv6(AGENT_V6, destination, number, header(protocol) + segment), OPTIONS)
                             for number, header in IPV6_HEADERS.values()
                             for destination, protocol, segment in self.segments_v6()])

    def test_23_fragments(self):
        """attack 23: fragments are dropped and counted: first, middle, last and whole ones"""
        cases = []
        for destination, protocol, segment in self.segments_v4():
            for fragment, part in ((0x2000, segment), (0x2000, segment[:8]), (0x2001, segment[8:16]), (1, segment[8:])):
                cases.append((ipv4(AGENT, destination, protocol, part, fragment=fragment), FRAGMENT))
        for destination, protocol, segment in self.segments_v6():
            for fragment, part in ((1, segment[:8]), (8 | 1, segment[8:16]), (8, segment[8:]), (0, segment)):
                cases.append((ipv6(AGENT_V6, destination, 44, fragment_header(protocol, fragment) + part), FRAGMENT))
        self.assert_dropped(cases)

    def quote(self, source, destination, sequence=1, port=43000):
        """A packet of an endpoint's to a peer, as an ICMP error quotes it."""
        return packets.ip(source, destination, socket.IPPROTO_TCP,
                          tcp(source, destination, 5432, port, ACK, sequence))

    def too_big(self, quoted, mtu=1300):
        """What a router says that cannot pass the quoted packet on: to the one who sent it."""
        if quoted[0] >> 4 == 6:
            to = socket.inet_ntop(socket.AF_INET6, quoted[8:24])
            return ipv6(AGENT_V6, to, socket.IPPROTO_ICMPV6, icmpv6(AGENT_V6, to, 2, 0, struct.pack(">I", mtu), quoted))
        to = socket.inet_ntoa(quoted[12:16])
        return ipv4(AGENT, to, socket.IPPROTO_ICMP, icmp(3, 4, struct.pack(">HH", 0, mtu), quoted))

    def test_23_icmp_errors(self):
        """attack 23: ICMP errors, redirects and routers' messages are dropped, quoting whatever flow"""
        own, own_v6 = self.quote(self.virtual, AGENT), self.quote(self.virtual_v6, AGENT_V6)
        cases = [(ipv4(AGENT, to, 1, icmp(kind, code, packets.raw_address(AGENT), own)), ICMP)
                 for to in (self.virtual, GATEWAY)
                 for kind, code in [(3, code) for code in range(16) if code != 4] +
                 [(kind, 0) for kind in (0, 4, 5, 9, 10, 11, 12, 13, 17)]]
        cases += [(ipv6(AGENT_V6, to, 58, icmpv6(AGENT_V6, to, kind, code, body=own_v6), 255), ICMP)
                  for to in (self.virtual_v6, GATEWAY_V6)
                  for kind, code in [(1, code) for code in range(7)] +
                  [(kind, 0) for kind in (3, 4, 129, 133, 134, 137)]]
        everyone = "ff02::1"
        cases += [(ipv6(AGENT_V6, everyone, 58, icmpv6(AGENT_V6, everyone, 134, 0, b"\x40\0\7\x08", b"\0" * 8), 255),
                   DESTINATION)]
        routes = [run("ip", "-n", self.lab.gateway, family, "route").stdout for family in ("-4", "-6")]
        self.assert_dropped(cases)
        self.assertEqual(routes, [run("ip", "-n", self.lab.gateway, family, "route").stdout for family in ("-4", "-6")])

    def session(self, namespace, address):
        connection = wire.Connection(self.lab.connect(address, namespace=namespace))
        self.addCleanup(connection.socket.close)
        return connection

    def next_sequence(self, namespace, address, talk):
        """The gateway's next sequence number to a connection that talks: what only who sees the flow can know."""
        with self.lab.as_agent(namespace), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as seen:
            seen.bind(("eth0", 3))
            talk()
            sequence = 0
            for packet in self.received(seen):
                v6 = packet[0] >> 4 == 6
                header = packet[40:] if v6 else packet[20:]
                size = (struct.unpack(">H", packet[4:6])[0] if v6 else struct.unpack(">H", packet[2:4])[0] - 20)
                if struct.unpack(">H", header[:2])[0] == 5432:
                    sequence = struct.unpack(">I", header[4:8])[0] + size - (header[12] >> 4) * 4
        return sequence

    def flow_quote(self, namespace, virtual, peer):
        """A packet of a live flow to that peer, which the kernel would believe an error about."""
        connection = self.session(namespace, virtual)
        sequence = self.next_sequence(namespace, virtual, connection.login)
        self.assertNotEqual(sequence, 0)
        return connection, self.quote(virtual, peer, sequence, connection.socket.getsockname()[1])

    def path_mtu(self, address):
        found = re.search(r"\bmtu (\d+)", run("ip", "-n", self.lab.gateway, "route", "get", address).stdout)
        return int(found.group(1)) if found else None

    def test_23_path_mtu_of_others(self):
        """attack 23: "too big" about another peer's flow, the gateway's to the upstream, or none, changes no path"""
        sessions, cases = [], []
        for virtual, peer in ((self.virtual, OTHER), (self.virtual_v6, OTHER_V6)):
            connection, quoted = self.flow_quote(self.lab.other_agent, virtual, peer)
            sessions.append(connection)
            cases.append((self.too_big(quoted), ICMP))
            cases.append((self.too_big(self.quote(virtual, peer)), ICMP))
        cases += [(self.too_big(self.quote("10.77.2.1", UPSTREAM, port=5432)), ICMP),
                  (self.too_big(self.quote("fd77:2::1", UPSTREAM_V6, port=5432)), ICMP),
                  (self.too_big(self.quote(self.virtual, AGENT)[:16] + b"\1"), MALFORMED),
                  (self.too_big(ipv4(self.virtual, AGENT, 6, tcp(self.virtual, AGENT, 5432, 43000), b"\1" * 4)), ICMP)]
        self.assert_dropped_beside(cases)
        for address in (OTHER, OTHER_V6, UPSTREAM, UPSTREAM_V6):
            self.assertIsNone(self.path_mtu(address), address)
        for connection in sessions:
            self.assertEqual(wire.rows(connection.simple("SELECT 1")), [["1"]])

    def assert_dropped_beside(self, cases):
        """As assert_dropped(), while connections of others are open, whose packets pass."""
        before = self.drops()
        for packet, _ in cases:
            self.send(packet)
        wait_until(lambda: (self.drops() - before).total() >= len(cases), "the drops to be counted")
        self.assertEqual(self.drops() - before, collections.Counter(reason for _, reason in cases))

    def test_23_path_mtu_of_oneself(self):
        """attack 23: "too big" about the agent's own flow is believed, of its path alone; about no flow, not"""
        for virtual, peer in ((self.virtual, AGENT), (self.virtual_v6, AGENT_V6)):
            connection, quoted = self.flow_quote(self.lab.agent, virtual, peer)
            self.send(self.too_big(self.quote(virtual, peer, port=43001), mtu=1280))
            self.send(self.too_big(quoted, mtu=1300))
            # In order: when the second is believed, the first has been looked at.
            wait_until(lambda: self.path_mtu(peer) is not None, "the path's MTU to be what its own peer says", 5)
            self.assertEqual(self.path_mtu(peer), 1300)
            self.assertEqual(wire.rows(connection.simple("SELECT repeat('x', 5000)")), [["x" * 5000]])
        for address in (OTHER, OTHER_V6):
            self.assertIsNone(self.path_mtu(address), address)

    def test_23_another_peers_source(self):
        """attack 23: nothing passes under another peer's source, the gateway's or nobody's, nor is counted as theirs"""
        sources = [OTHER, OTHER_V6, "10.77.1.3", "fd77:1::3", GATEWAY, GATEWAY_V6, UPSTREAM, "127.0.0.1", "::1",
                   f"::ffff:{AGENT}", "0.0.0.0", "255.255.255.255"]
        before, others = self.drops(peer=""), self.drops(peer="builder-2")
        self.received(self.agent_wire), self.received(self.upstream_wire)
        for source in sources:
            virtual = self.virtual_v6 if ":" in source else self.virtual
            self.send(packets.ip(source, virtual, 6, tcp(source, virtual, FORGED_PORT, 5432)))
        spoofed = "source is no peer's"
        wait_until(lambda: self.drops(peer="")[spoofed] - before[spoofed] >= len(sources), "the drops to be counted")
        self.assertEqual(self.drops(peer="builder-2"), others)
        self.assert_nothing_passed()


if __name__ == "__main__":
    unittest.main(verbosity=2)
