"""A laboratory: an agent, a gateway and an upstream in network namespaces of their own, with a real PostgreSQL.

    with Lab() as lab:
        lab.psql("select 1")

Everything it makes (namespaces, processes, a temporary directory, files under /etc/netns) is gone when it closes.
The daemons run as uids of their own, with the capabilities that they have in production and no others.
"""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CLAWPATROL_BUILD", ROOT / "build" / "dev"))
PG_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
NETD_UID, DAEMON_UID = 64900, 64901  # nobody's on a Debian machine

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
credentials = ["pg-reader"]

[endpoint.pg-prod]
type  = "postgres"
hosts = ["pg.internal:5432"]
tls   = "disable"

[credential.pg-reader]
type     = "postgres"
endpoint = "pg-prod"
user     = "agent_ro"

{rules}
"""

ALLOW_ALL = """
[[rule]]
name      = "everything"
endpoint  = "pg-prod"
on        = ["statement", "login", "cancel", "function_call", "replication"]
condition = "true"
verdict   = "allow"
"""


def environment():
    """The image sets TLS trust and proxy variables for every client: tests do without."""
    dropped = ("SSL_CERT", "REQUESTS_CA", "CURL_CA", "NODE_EXTRA", "PIP_", "HTTP", "http", "https", "ALL_PROXY", "PG")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)}


def run(*argv, check=True, **options):
    """Runs a command and returns its CompletedProcess; what it said is in the exception where it fails."""
    options.setdefault("env", environment())
    options.setdefault("errors", "backslashreplace")
    result = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def wait_until(condition, what, seconds=20.0, process=None):
    """Polls, since it waits for another process: the only clock in these tests."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"waited for {what}, but the process ended with {process.returncode}")
        time.sleep(0.02)
    raise TimeoutError(f"waited {seconds} s for {what}")


def end_by_signal(number, _):
    """So that what is told to stop takes down what it has set up."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


for each in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, end_by_signal)


class Lab:
    """tunnel: 'veth' (the agent's Ethernet is an ingress), 'kernel' (wireguard.ko) or 'go' (wireguard-go)."""

    netd_options = ()
    daemon_prefix = ()  # a command that starts the daemon, such as prlimit
    hosts = "127.0.0.1 localhost\n10.77.2.2 pg.internal\n"  # as the gateway knows them
    # The server's: every statement in its log, for tests to look at, and no waits for a disk. A command line overrides
    # what ALTER SYSTEM says.
    server_settings = ("fsync=off", "log_statement=all", "log_min_messages=info")
    daemon_privileges = ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")

    def __init__(self, rules=ALLOW_ALL, tunnel="veth", policy=None, extra_peers="", workers=None, audit="",
                 postgres=True, extra="", unknown_host=None, second_agent=False):
        self.tag = f"cp{os.getpid() % 100000}{secrets.token_hex(1)}"
        self.agent, self.gateway, self.upstream = (f"{self.tag}{x}" for x in "agu")
        self.tunnel, self.rules, self.extra_peers, self.extra = tunnel, rules, extra_peers, extra
        self.policy_template, self.workers, self.audit = policy or POLICY, workers, audit
        self.with_postgres, self.unknown_host, self.second_agent = postgres, unknown_host, second_agent
        self.stack = contextlib.ExitStack()
        self.netd = self.daemon = self.postgres = None
        self.ingress, self.other_ingress = f"{self.tag}i"[:15], f"{self.tag}j"[:15]
        self.other_agent = f"{self.tag}b"
        self.wg_agent, self.wg_gateway = f"{self.tag}A"[:15], f"{self.tag}G"[:15]

    # ---- life ----------------------------------------------------------------------------------------------------

    def __enter__(self):
        try:
            self.directory = pathlib.Path(tempfile.mkdtemp(prefix="clawpatrol-"))
            self.directory.chmod(0o755)
            self.stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.make_networks()
            self.make_directories()
            if self.with_postgres:
                self.start_postgres()
            self.write_policy()
            if self.tunnel == "go":
                self.start_wireguard_go(self.gateway, self.wg_gateway)
                self.start_wireguard_go(self.agent, self.wg_agent)
            self.start_netd()
            if self.tunnel != "veth":
                self.make_tunnel()
            self.start_daemon()
            return self
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is not None:
                self.report()
        finally:  # also where nobody reads the report
            self.stack.close()

    def report(self):
        """What the processes said, when a test has failed."""
        for name in ("netd", "daemon", "postgres"):
            log = getattr(self, "directory", pathlib.Path("/nonexistent")) / f"{name}.log"
            if log.exists():
                text = log.read_text(errors="replace")[-4000:]
                print(f"---- {name}.log\n{text}", file=sys.stderr)

    # ---- networks ------------------------------------------------------------------------------------------------

    def make_networks(self):
        for name in (self.agent, self.gateway, self.upstream):
            run("ip", "netns", "add", name)
            self.stack.callback(run, "ip", "netns", "del", name, check=False)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self.wire(self.agent, "eth0", ("10.77.1.2/24", "fd77:1::2/64"),
                  self.gateway, self.ingress, ("10.77.1.1/24", "fd77:1::1/64"))
        if self.second_agent:
            run("ip", "netns", "add", self.other_agent)
            self.stack.callback(run, "ip", "netns", "del", self.other_agent, check=False)
            run("ip", "-n", self.other_agent, "link", "set", "lo", "up")
            self.wire(self.other_agent, "eth0", ("10.77.4.2/24", "fd77:4::2/64"),
                      self.gateway, self.other_ingress, ("10.77.4.1/24", "fd77:4::1/64"))
            run("ip", "-n", self.other_agent, "route", "add", "default", "via", "10.77.4.1")
            run("ip", "-n", self.other_agent, "-6", "route", "add", "default", "via", "fd77:4::1")
        self.wire(self.gateway, "up0", ("10.77.2.1/24", "fd77:2::1/64"),
                  self.upstream, "eth0", ("10.77.2.2/24", "fd77:2::2/64"))
        run("ip", "-n", self.agent, "route", "add", "default", "via", "10.77.1.1")
        run("ip", "-n", self.agent, "-6", "route", "add", "default", "via", "fd77:1::1")
        self.files_for(self.gateway, hosts=self.hosts, resolv="")
        tunnel_address = "10.77.1.1" if self.tunnel == "veth" else "10.86.0.1"
        self.files_for(self.agent, hosts="127.0.0.1 localhost\n", resolv=f"nameserver {tunnel_address}\n")

    def wire(self, left, left_name, left_addresses, right, right_name, right_addresses):
        run("ip", "link", "add", left_name, "netns", left, "type", "veth", "peer", "name", right_name, "netns", right)
        for namespace, device, addresses in ((left, left_name, left_addresses), (right, right_name, right_addresses)):
            for address in addresses:
                run("ip", "-n", namespace, "addr", "add", address, "dev", device,
                    *(["nodad"] if ":" in address else []))
            run("ip", "-n", namespace, "link", "set", device, "up")

    def files_for(self, namespace, hosts, resolv):
        """`ip netns exec` lays these over /etc."""
        folder = pathlib.Path("/etc/netns") / namespace
        folder.mkdir(parents=True)
        self.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "hosts").write_text(hosts)
        (folder / "resolv.conf").write_text(resolv)
        (folder / "nsswitch.conf").write_text("hosts: files dns\npasswd: files\ngroup: files\n")

    def inside(self, namespace, *argv):
        return ["ip", "netns", "exec", namespace, *map(str, argv)]

    # ---- processes -----------------------------------------------------------------------------------------------

    def make_directories(self):
        self.config = self.directory / "etc"
        self.state, self.netd_state, self.run_dir = (self.directory / x for x in ("state", "netd", "run"))
        for folder, uid in ((self.config, 0), (self.state, DAEMON_UID), (self.netd_state, NETD_UID)):
            folder.mkdir(mode=0o755)
            os.chown(folder, uid, uid)
            if uid:
                folder.chmod(0o700)
        # Both daemons make their sockets here; in production systemd's RuntimeDirectory with a shared group.
        self.run_dir.mkdir(mode=0o755)
        os.chown(self.run_dir, 0, 0)
        self.run_dir.chmod(0o777)

    def spawn(self, name, argv, **options):
        log = open(self.directory / f"{name}.log", "ab")
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment(), **options)
        log.close()
        self.stack.callback(self.end, process)
        return process

    @staticmethod
    def end(process, how=signal.SIGTERM):
        if process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(0.5)
            return
        except subprocess.TimeoutExpired:
            process.send_signal(how)  # the daemon gives connections time to end; twice is now
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start_netd(self):
        socket_path = self.run_dir / "netd.sock"
        socket_path.unlink(missing_ok=True)
        caps = "-all,+net_admin,+bpf,+net_bind_service"
        self.netd = self.spawn("netd", self.inside(
            self.gateway, "setpriv", f"--reuid={NETD_UID}", f"--regid={NETD_UID}", "--clear-groups", "--no-new-privs",
            f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}",
            BUILD / "daemon" / "clawpatrol-netd", "--config", self.config, "--state", self.netd_state,
            "--run", self.run_dir, "--daemon-uid", DAEMON_UID, *self.netd_options))
        wait_until(socket_path.exists, "netd's socket", process=self.netd)

    def start_daemon(self):
        self.spawn_daemon()
        # Once: a credential that is set anew ends the logins that are under way.
        if self.with_postgres and not (self.state / "credentials" / "pg-reader.credential").exists():
            self.cpctl("creds", "set", "pg-reader", input="reader-secret\n")
        self.wait_serving()

    def spawn_daemon(self):
        control = self.run_dir / "control.sock"
        control.unlink(missing_ok=True)
        self.daemon = self.spawn("daemon", self.inside(
            self.gateway, *self.daemon_prefix, "setpriv", f"--reuid={DAEMON_UID}", f"--regid={DAEMON_UID}", "--clear-groups",
            *self.daemon_privileges, BUILD / "daemon" / "clawpatrold", "--config", self.config, "--state", self.state, "--run", self.run_dir))
        wait_until(control.exists, "the control socket", process=self.daemon)

    def wait_serving(self, seconds=20.0):
        """Until a new flow of the agent is answered."""
        def serves():
            answer = self.cpctl("status", "-o", "json", check=False).stdout.splitlines()
            status = json.loads(answer[0]) if answer else {}
            return status.get("netd", {}).get("connected")
        wait_until(serves, "the gateway to serve", seconds, self.daemon)

    def start_postgres(self):
        data = self.directory / "pg"
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        (self.directory / "pw").write_text("superuser-secret\n")
        run(*as_postgres, PG_BIN / "initdb", "-D", data, "-U", "postgres", "--pwfile", self.directory / "pw",
            "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", cwd="/")
        (data / "pg_hba.conf").write_text("local all all trust\nhost all all all scram-sha-256\n"
                                          "host replication all all scram-sha-256\n")
        self.postgres = self.spawn("postgres", self.inside(
            self.upstream, *as_postgres, PG_BIN / "postgres", "-D", data, "-c", "listen_addresses=*",
            "-c", f"unix_socket_directories={data}", "-c", "max_connections=300", "-c", "wal_level=logical",
            *(word for setting in self.server_settings for word in ("-c", setting))), cwd="/")
        wait_until(lambda: run(PG_BIN / "pg_isready", "-h", data, check=False).returncode == 0, "PostgreSQL",
                   process=self.postgres)
        self.admin("CREATE DATABASE app", database="postgres")
        self.admin("""
            CREATE ROLE agent_ro LOGIN PASSWORD 'reader-secret' SUPERUSER;
            CREATE TABLE users (id int PRIMARY KEY, name text, email text);
            INSERT INTO users SELECT i, 'user' || i, 'user' || i || '@example.com' FROM generate_series(1, 100) i;
            CREATE SCHEMA sec; CREATE TABLE sec.tokens (token text); INSERT INTO sec.tokens VALUES ('s3cr3t');
        """)

    def admin(self, sql, database="app"):
        """As superuser, beside the gateway: what the server really holds."""
        return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.directory / "pg", "-U", "postgres",
                   "-d", database, "-c", sql, cwd="/").stdout.strip()

    # ---- the operator --------------------------------------------------------------------------------------------

    def policy_text(self):
        if self.tunnel == "veth":
            ingress = [self.ingress] + ([self.other_ingress] if self.second_agent else [])
            gateway = f"ingress = {json.dumps(ingress)}"
            peers = (f'[peer.builder-1]\nprofile = "data"\ninterface = "{self.ingress}"\n'
                     'addresses = ["10.77.1.2", "fd77:1::2"]\n')
            if self.second_agent:
                peers += (f'[peer.builder-2]\nprofile = "data"\ninterface = "{self.other_ingress}"\n'
                          'addresses = ["10.77.4.2", "fd77:4::2"]\n')
        elif self.tunnel == "go":
            gateway = (f'interface = "{self.wg_gateway}"\ningress = ["{self.wg_gateway}"]\n'
                       'endpoint = "10.77.1.1:51820"')
            peers = '[peer.builder-1]\nprofile = "data"\n'
        else:
            gateway = 'endpoint = "10.77.1.1:51820"'
            peers = '[peer.builder-1]\nprofile = "data"\n'
        if self.workers:
            self.extra += f"\n[limits]\nworkers = {self.workers}\n"
            self.workers = None
        if self.unknown_host:
            peers += f'\n[defaults]\nunknown_host = "{self.unknown_host}"\n'
        return self.policy_template.format(gateway=gateway, peers=peers + self.extra_peers,
                                           rules=self.rules + self.extra + self.audit)

    def write_policy(self, rules=None):
        if rules is not None:
            self.rules = rules
        (self.config / "clawpatrol.toml").write_text(self.policy_text())

    def reload(self, rules=None):
        self.write_policy(rules)
        return self.cpctl("reload")

    def cpctl(self, *argv, check=True, **options):
        return run(*self.inside(self.gateway, BUILD / "cpctl" / "cpctl", "--config", self.config, "--state", self.state,
                                "--run", self.run_dir, *argv), check=check, **options)

    def audit_lines(self):
        lines = []
        for path in sorted((self.state / "audit").glob("*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        return lines

    # ---- the agent -----------------------------------------------------------------------------------------------

    def psql(self, sql, check=True, options=(), host="pg.internal", user="agent", database="app"):
        argv = ["psql", "-X", "-A", "-t", *options, "-h", host, "-U", user, "-d", database]
        for statement in [sql] if isinstance(sql, str) else sql:
            argv += ["-c", statement]
        return run(*self.inside(self.agent, *argv), check=check, timeout=60, cwd="/")

    @contextlib.contextmanager
    def as_agent(self, namespace=None):
        """This thread's sockets are the agent's while it lasts; its resolver is not: use virtual_address()."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        target = os.open(f"/run/netns/{namespace or self.agent}", os.O_RDONLY)
        try:
            setns(target)
            yield
        finally:
            setns(own)
            os.close(own)
            os.close(target)

    def virtual_address(self, name="pg.internal", kind="A"):
        answer = run(*self.inside(self.agent, "dig", "+short", "+tries=3", "+time=2", name, kind)).stdout.split()
        if not answer:
            raise RuntimeError(f"the gateway's resolver has no {kind} for {name}")
        return answer[0]

    def connect(self, address=None, port=5432, timeout=10.0, namespace=None):
        """A raw TCP connection from the agent, or from another namespace."""
        address = address or self.virtual_address()
        with self.as_agent(namespace):
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            connection.settimeout(timeout)
            connection.connect((address, port))
        return connection

    # ---- tunnels -------------------------------------------------------------------------------------------------

    def make_tunnel(self):
        """As an operator would: what cpctl printed, given to plain tools."""
        answer = self.cpctl("peers", "add", "builder-1", "-o", "json")
        self.peer = json.loads(answer.stdout)
        config = dict(line.split(" = ", 1) for line in self.peer["config"].splitlines() if " = " in line)
        device = self.wg_agent
        if self.tunnel == "kernel":
            run("ip", "-n", self.agent, "link", "add", device, "type", "wireguard")
        if self.tunnel == "go":
            # wireguard-go's interface is the operator's own: set up with the line that cpctl printed.
            run(*self.inside(self.gateway, "sh", "-ec", self.peer["wg_set"]))
            run("ip", "-n", self.gateway, "link", "set", self.wg_gateway, "up", "mtu", "1420")
            for address in ("10.86.0.1/24", "fd86::1/64"):
                run("ip", "-n", self.gateway, "addr", "add", address, "dev", self.wg_gateway,
                    *(["nodad"] if ":" in address else []))
        settings = "\n".join(line for line in self.peer["config"].splitlines()
                             if not line.startswith(("Address", "DNS", "MTU", "PostUp", "PostDown")))
        stripped = self.directory / "agent.conf"
        stripped.write_text(settings + "\n")
        run(*self.inside(self.agent, "wg", "setconf", device, stripped))
        for address in config["Address"].split(", "):
            run("ip", "-n", self.agent, "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        run("ip", "-n", self.agent, "link", "set", device, "up", "mtu", config.get("MTU", "1420"))
        run("ip", "-n", self.agent, "route", "del", "default")
        run("ip", "-n", self.agent, "-6", "route", "del", "default")
        run("ip", "-n", self.agent, "route", "add", "default", "dev", device)
        run("ip", "-n", self.agent, "-6", "route", "add", "default", "dev", device)

    def start_wireguard_go(self, namespace, device):
        """Its interface name is also the name of its socket under /var/run, so unique on the host."""
        process = self.spawn(f"wireguard-{device}", self.inside(namespace, "wireguard-go", "-f", device))
        control = pathlib.Path(f"/var/run/wireguard/{device}.sock")
        self.stack.callback(control.unlink, missing_ok=True)
        wait_until(control.exists, f"wireguard-go on {device}", process=process)


def setns(fd):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")
