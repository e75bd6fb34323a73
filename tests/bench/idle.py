#!/usr/bin/python3
"""Memory of idle TLS connections, through HAProxy and through us, in one run.

    scripts/bench idle [--connections 10000]

Each connection makes its handshake and one request, and then stays. What is measured is the growth of the processes'
proportional set size, and of the kernel's memory for TCP; a connection's share is what the table shows.
"""

import argparse
import resource
import socket
import ssl
import time

from web import NAME, Web


def open_connections(lab, target, count):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address, port = lab.targets[target]
    opened = []
    with lab.as_agent():
        for _ in range(count):
            plain = socket.create_connection((address, port), timeout=20)
            opened.append(context.wrap_socket(plain, server_hostname=NAME))
            opened[-1].sendall(f"GET /1k HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            answer = b""
            while len(answer.partition(b"\r\n\r\n")[2]) < 1024:
                answer += opened[-1].recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{target}: {answer[:200]!r}")
    return opened


def measure(lab, target, count):
    for warm in open_connections(lab, target, 40):
        warm.close()
    time.sleep(1)
    before = lab.resident_bytes(target)
    opened = open_connections(lab, target, count)
    time.sleep(2)
    grown = lab.resident_bytes(target) - before
    alive = 0
    for each in opened:
        each.settimeout(0.0)
        try:
            alive += each.recv(1) != b""
        except (ssl.SSLWantReadError, BlockingIOError):
            alive += 1
    for each in opened:
        each.close()
    return grown / count, alive


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--connections", type=int, default=10000)
    given = arguments.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Ours keeps a second descriptor for each, of a connection to a server: a machine with a low limit measures fewer.
    count = min(given.connections, (hard - 700) // 2)
    most = count + 50
    limits = f"connections = {most}\nconnections_per_peer = {most}\n"
    print("| through | connections still open | bytes a connection |\n|---|---|---|")
    with Web(limits=limits, mitmproxy=False) as lab:
        for target in ("HAProxy", "nginx", "ours"):
            each, alive = measure(lab, target, count)
            print(f"| {target} | {alive} of {count} | {each:.0f} |", flush=True)


if __name__ == "__main__":
    main()
