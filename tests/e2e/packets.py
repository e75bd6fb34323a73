"""IP packets by hand, for what no kernel would send. Checksums are right, so that only what is meant is wrong."""

import socket
import struct

SYN, ACK = 0x02, 0x10


def raw_address(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def with_checksum(segment, at, source, destination, protocol):
    """The segment with its checksum at that offset, over the pseudo-header of either family."""
    ends = raw_address(source) + raw_address(destination)
    length = struct.pack(">IHBB", len(segment), 0, 0, protocol) if ":" in source else \
        struct.pack(">BBH", 0, protocol, len(segment))
    return segment[:at] + struct.pack(">H", checksum(ends + length + segment)) + segment[at + 2:]


def tcp(source, destination, source_port, port, flags=SYN, sequence=1, payload=b""):
    segment = struct.pack(">HHIIBBHHH", source_port, port, sequence, 0, 5 << 4, flags, 64240, 0, 0) + payload
    return with_checksum(segment, 16, source, destination, socket.IPPROTO_TCP)


def udp(source, destination, source_port, port, payload):
    segment = struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload
    return with_checksum(segment, 6, source, destination, socket.IPPROTO_UDP)


def icmp(kind, code, rest=b"\0" * 4, body=b""):
    message = struct.pack(">BBH", kind, code, 0) + rest + body
    return message[:2] + struct.pack(">H", checksum(message)) + message[4:]


def icmpv6(source, destination, kind, code, rest=b"\0" * 4, body=b""):
    message = struct.pack(">BBH", kind, code, 0) + rest + body
    return with_checksum(message, 2, source, destination, socket.IPPROTO_ICMPV6)


def ipv4(source, destination, protocol, payload, options=b"", fragment=0):
    """fragment: the flags and the offset, as they stand in the header."""
    words = 5 + len(options) // 4
    header = struct.pack(">BBHHHBBH4s4s", 0x40 | words, 0, 4 * words + len(payload), 7, fragment, 64, protocol, 0,
                         raw_address(source), raw_address(destination)) + options
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ipv6(source, destination, protocol, payload, hop_limit=64):
    return struct.pack(">IHBB", 0x60000000, len(payload), protocol, hop_limit) + raw_address(source) + \
        raw_address(destination) + payload


def ip(source, destination, protocol, payload):
    return (ipv6 if ":" in source else ipv4)(source, destination, protocol, payload)
