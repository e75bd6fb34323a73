"""PostgreSQL's protocol by hand, for what no client library would send."""

import socket
import struct


def frame(kind, body=b""):
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def text(value):
    return (value if isinstance(value, bytes) else value.encode()) + b"\0"


def startup(version=0x30000, **parameters):
    body = struct.pack(">I", version)
    for name, value in parameters.items():
        body += text(name) + text(value)
    body += b"\0"
    return struct.pack(">I", len(body) + 4) + body


def query(sql):
    return frame("Q", text(sql))


def parse(sql, name="", types=()):
    return frame("P", text(name) + text(sql) + struct.pack(">H", len(types)) + b"".join(struct.pack(">I", t) for t in types))


def bind(statement="", portal="", values=(), formats=()):
    body = text(portal) + text(statement) + struct.pack(">H", len(formats)) + b"".join(struct.pack(">H", f) for f in formats)
    body += struct.pack(">H", len(values))
    for value in values:
        raw = value if isinstance(value, (bytes, type(None))) else str(value).encode()
        body += struct.pack(">i", -1) if raw is None else struct.pack(">I", len(raw)) + raw
    return frame("B", body + struct.pack(">H", 0))


def describe(name="", kind="S"):
    return frame("D", kind.encode() + text(name))


def execute(portal="", rows=0):
    return frame("E", text(portal) + struct.pack(">I", rows))


def close(name="", kind="S"):
    return frame("C", kind.encode() + text(name))


def sync():
    return frame("S")


def flush():
    return frame("H")


class Closed(Exception):
    """The other side closed or reset the connection."""


class Connection:
    """Reads frames as (type, body); errors as dictionaries by field letter."""

    def __init__(self, sock):
        self.socket = sock
        self.buffer = b""
        self.parameters, self.key = {}, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *messages):
        try:
            self.socket.sendall(b"".join(messages))
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Closed() from error
        return self

    def exactly(self, size):
        while len(self.buffer) < size:
            try:
                chunk = self.socket.recv(65536)
            except ConnectionResetError as error:
                raise Closed() from error
            if not chunk:
                raise Closed()
            self.buffer += chunk
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def read(self):
        head = self.exactly(5)
        return head[:1].decode(), self.exactly(struct.unpack(">I", head[1:])[0] - 4)

    def until(self, *kinds):
        """Frames up to and with the first of one of these types."""
        frames = []
        while True:
            frames.append(self.read())
            if frames[-1][0] in kinds:
                return frames

    def login(self, version=0x30000, **parameters):
        parameters.setdefault("user", "agent")
        parameters.setdefault("database", "app")
        self.send(startup(version, **parameters))
        frames = self.until("Z", "E")
        if frames[-1][0] == "E":
            raise Refused(fields(frames[-1][1]))
        for kind, body in frames:
            if kind == "S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif kind == "K":
                self.key = body
        return self

    def simple(self, sql):
        """Sends a Query; returns the frames up to ReadyForQuery."""
        return self.send(query(sql)).until("Z")

    def closed(self):
        """Whether the other side closes without saying anything more than an error."""
        try:
            while True:
                kind, body = self.read()
                if kind != "E":
                    return False
        except Closed:
            return True
        except socket.timeout:
            return False


class Refused(Exception):
    """The login was answered with this ErrorResponse."""

    def __init__(self, error):
        super().__init__(error.get("M"))
        self.error = error


def fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def kinds(frames):
    return "".join(kind for kind, _ in frames)


def errors(frames):
    return [fields(body) for kind, body in frames if kind == "E"]


def error_codes(frames):
    return [error["C"] for error in errors(frames)]


def tags(frames):
    return [body.rstrip(b"\0").decode() for kind, body in frames if kind == "C"]


def status(frames):
    """The transaction state of the last ReadyForQuery: I, T or E."""
    return [body.decode() for kind, body in frames if kind == "Z"][-1]


def rows(frames):
    result = []
    for kind, body in frames:
        if kind != "D":
            continue
        count, at, row = struct.unpack(">H", body[:2])[0], 2, []
        for _ in range(count):
            size = struct.unpack(">i", body[at:at + 4])[0]
            at += 4
            row.append(None if size < 0 else body[at:at + size].decode())
            at += max(size, 0)
        result.append(row)
    return result
