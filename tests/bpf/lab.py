"""Namespaces for an agent and a gateway with the real clawpatrol-netd in it, and a stand-in for the daemon."""

import array, contextlib, ctypes, json, os, re, select, shutil, signal, socket, struct, subprocess, tempfile, threading, time

BUILD = os.environ.get("CLAWPATROL_BUILD", os.path.join(os.path.dirname(__file__), "../../build/dev"))
NETD = os.path.join(BUILD, "daemon/clawpatrol-netd")
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
SOL_IPV6 = 41
IP_ORIGDSTADDR, IPV6_ORIGDSTADDR, IP_PKTINFO, IPV6_PKTINFO = 20, 74, 8, 50

HELLO, GET_STATISTICS, RELOAD, WELCOME, DESCRIPTOR, PEER, PEERS_END, STATISTICS, STATISTICS_END, RELOADED = \
    1, 2, 3, 64, 65, 66, 67, 68, 69, 70
TCP_LISTENER, DNS_V4, DNS_V6, KEEP = range(4)
(INTERFACE, LINK, MALFORMED, FRAGMENT, OPTIONS, SPOOFED, OWN_ADDRESS, DESTINATION, UDP, QUIC, ICMP, PROTOCOL,
 NO_LISTENER, RATE) = range(1, 15)


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def wait_for(condition, seconds=5.0, what="what was waited for"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        select.select([], [], [], 0.005)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def in_space(name, action):
    """Runs action() with the network namespace `name`: sockets that it makes stay in it."""
    result = []

    def body():
        with open(f"/run/netns/{name}") as space:
            if LIBC.setns(space.fileno(), CLONE_NEWNET) != 0:
                result.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            result.append(action())
        except BaseException as error:  # handed to the caller
            result.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def pack(kind, body=b""):
    return struct.pack("<HHI240s", 1, kind, 248, body)


class Daemon:
    """Speaks the daemon's half of daemon/netd/protocol.h."""

    def __init__(self, run_directory, workers=1):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(5)
        self.socket.connect(f"{run_directory}/netd.sock")
        self.listeners, self.dns, self.keep, self.peers = [], {}, [], {}
        self.socket.send(pack(HELLO, struct.pack("<I", workers)))
        self.until(PEERS_END)

    def receive(self):
        data, control, flags, _ = self.socket.recvmsg(248, socket.CMSG_SPACE(64))
        descriptors = array.array("i")
        for level, kind, body in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(body)
        assert len(data) == 248, "netd closed the session"
        version, kind, length, body = struct.unpack("<HHI240s", data)
        return kind, body, list(descriptors)

    def until(self, last):
        rows = []
        while True:
            kind, body, descriptors = self.receive()
            if kind == DESCRIPTOR:
                role, index = struct.unpack_from("<II", body)
                if role == KEEP:
                    self.keep += descriptors
                elif role == TCP_LISTENER:
                    self.listeners.append(socket.socket(fileno=descriptors[0]))
                else:
                    self.dns[role] = socket.socket(fileno=descriptors[0])
            elif kind == PEER:
                change, number, name = struct.unpack_from("<II64s", body)
                if change == 0:
                    self.peers[number] = name.rstrip(b"\0").decode()
                else:
                    self.peers.pop(number, None)
            rows.append((kind, body))
            if kind == last:
                return rows

    def drops(self):
        """{reason: packets}, over all peers."""
        self.socket.send(pack(GET_STATISTICS))
        total = {}
        for kind, body in self.until(STATISTICS_END):
            if kind == STATISTICS:
                _, reason, packets, _ = struct.unpack_from("<IIQQ", body)
                total[reason] = total.get(reason, 0) + packets
        return total

    def reload(self):
        self.socket.send(pack(RELOAD))
        ok, problem = struct.unpack_from("<I192s", self.until(RELOADED)[-1][1])
        return "" if ok else problem.rstrip(b"\0").decode()

    def accept(self, seconds=3.0):
        """(connection, destination that the agent dialled, number of the worker)"""
        ready, _, _ = select.select(self.listeners, [], [], seconds)
        if not ready:
            raise AssertionError("no connection arrived")
        connection, _ = ready[0].accept()
        connection.setblocking(True)
        connection.settimeout(5)
        return connection, plain(connection.getsockname()), self.listeners.index(ready[0])

    def nothing_arrived(self):
        return not select.select(self.listeners, [], [], 0)[0]

    def answer_dns(self, seconds=3.0):
        """Answers one query with 're:' and the query, from the address that was asked. Returns that address."""
        ready, _, _ = select.select(list(self.dns.values()), [], [], seconds)
        if not ready:
            raise AssertionError("no query arrived")
        data, control, _, source = ready[0].recvmsg(2000, 512)
        for level, kind, body in control:
            if level == socket.SOL_IP and kind == IP_ORIGDSTADDR:
                info = [(socket.SOL_IP, IP_PKTINFO, struct.pack("=I4s4s", 0, body[4:8], b"\0" * 4))]
                asked = (socket.inet_ntop(socket.AF_INET, body[4:8]), struct.unpack(">H", body[2:4])[0])
            if level == SOL_IPV6 and kind == IPV6_ORIGDSTADDR:
                info = [(SOL_IPV6, IPV6_PKTINFO, body[8:24] + struct.pack("=I", 0))]
                asked = (socket.inet_ntop(socket.AF_INET6, body[8:24]), struct.unpack(">H", body[2:4])[0])
        ready[0].sendmsg([b"re:" + data], info, 0, source)
        return asked

    def close(self, keep_sockets=False):
        self.socket.close()
        if not keep_sockets:
            self.drop_sockets()
            self.drop_keep()

    def drop_sockets(self):
        for each in self.listeners + list(self.dns.values()):
            each.close()
        self.listeners, self.dns = [], {}

    def drop_keep(self):
        for descriptor in self.keep:
            os.close(descriptor)
        self.keep = []


def plain(name):
    return (name[0].removeprefix("::ffff:"), name[1])


class Lab:
    """agent (10.77.1.2, fd77:1::2) -- veth -- gateway (10.77.1.1, fd77:1::1) with netd, which steers `vg`."""

    AGENT = """
[peer.agent]
profile = "p"
interface = "vg"
addresses = ["10.77.1.2", "fd77:1::2"]
"""

    CONFIGURATION = """
schema = 1
[gateway]
subnet = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16"]
%(ingress)s
%(gateway)s
%(agent)s
%(peers)s
[profile.p]
"""

    def __init__(self, **configuration):
        self.directory = tempfile.mkdtemp(prefix="netd-lab-")
        os.chmod(self.directory, 0o755)
        self.agent = f"netd-{os.getpid()}-a"
        self.gateway = f"netd-{os.getpid()}-g"
        self.run = f"{self.directory}/run"
        self.stack = contextlib.ExitStack()
        self.netd = None
        self.configure(**configuration)
        for space in (self.agent, self.gateway):
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        self.connect()

    def configure(self, gateway="", peers="", more_ingress="", agent=AGENT, ingress='"vg"'):
        with open(f"{self.directory}/clawpatrol.toml", "w") as file:
            file.write(self.CONFIGURATION % {
                "gateway": gateway, "peers": peers, "agent": agent, "ingress": f"ingress = [{ingress}{more_ingress}]"})

    def connect(self):
        a, g = self.agent, self.gateway
        run("ip", "link", "add", "va", "netns", a, "type", "veth", "peer", "name", "vg", "netns", g)
        for space, device, v4, v6 in ((a, "va", "10.77.1.2", "fd77:1::2"), (g, "vg", "10.77.1.1", "fd77:1::1")):
            run("ip", "-n", space, "addr", "add", v4 + "/24", "dev", device)
            run("ip", "-n", space, "addr", "add", v6 + "/64", "dev", device, "nodad")
            run("ip", "-n", space, "link", "set", device, "up")
        run("ip", "-n", a, "route", "add", "default", "via", "10.77.1.1")
        run("ip", "-n", a, "-6", "route", "add", "default", "via", "fd77:1::1")

    def start(self, *options):
        self.log = open(f"{self.directory}/log", "a+")
        before = self.log.tell()
        command = ["ip", "netns", "exec", self.gateway, NETD, "--config", self.directory, "--state",
                   f"{self.directory}/state", "--run", self.run, "--daemon-uid", str(os.getuid()), *options]
        self.netd = subprocess.Popen(command, stderr=self.log)

        def ready():
            assert self.netd.poll() is None, self.log_text()
            return "ready" in self.log_text()[before:]
        wait_for(ready, what="netd's start")
        return self

    def log_text(self):
        with open(f"{self.directory}/log") as file:
            return file.read()

    def kill(self, how=signal.SIGKILL):
        self.netd.send_signal(how)
        self.netd.wait()
        self.netd = None

    def daemon(self, workers=1):
        daemon = Daemon(self.run, workers)
        self.stack.callback(daemon.close)
        return daemon

    def operator(self, **request):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(5)
            caller.connect(f"{self.run}/peers.sock")
            caller.sendall(json.dumps({"v": 1, **request}).encode() + b"\n")
            return json.loads(caller.makefile().readline())

    def as_agent(self, action):
        return in_space(self.agent, action)

    def as_gateway(self, action):
        return in_space(self.gateway, action)

    def dial(self, host, port, seconds=3.0, source_port=0):
        """A connection of the agent's; it raises what connect does."""
        def body():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_STREAM)
            self.stack.callback(connection.close)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if source_port:
                connection.bind(("", source_port))
            connection.settimeout(seconds)
            connection.connect((host, port))
            return connection
        return self.as_agent(body)

    def start_dialling(self, host, port):
        """A connection whose SYN is on its way, and nobody waits for."""
        def body():
            connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            self.stack.callback(connection.close)
            connection.setblocking(False)
            connection.connect_ex((host, port))
            return connection
        return self.as_agent(body)

    def udp(self, host, port, data=b"query"):
        def body():
            sender = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            self.stack.callback(sender.close)
            sender.settimeout(3)
            sender.connect((host, port))  # so that an answer from any other address is not delivered
            sender.send(data)
            return sender
        return self.as_agent(body)

    def listen_wildcard(self, port):
        """A service of the gateway's own on every address, like sshd."""
        def body():
            service = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            self.stack.callback(service.close)
            service.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            service.bind(("::", port))
            service.listen(16)
            service.setblocking(False)
            return service
        return self.as_gateway(body)

    def dropped(self, device="vg"):
        """Packets that the interface's filter has dropped, by the kernel's own count."""
        text = run("tc", "-n", self.gateway, "-s", "qdisc", "show", "dev", device, "clsact")
        return int(re.search(r"dropped (\d+)", text).group(1))

    def close(self):
        self.stack.close()
        if self.netd:
            self.kill()
            self.log.close()
        for space in (self.agent, self.gateway):
            run("ip", "netns", "del", space, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
