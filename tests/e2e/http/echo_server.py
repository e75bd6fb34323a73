"""Says back what it was asked, in the form that the path names: what an upstream may do with a secret."""

import base64
import gzip
import http.server
import json
import sys
import time
import urllib.parse
import zlib

FORMS = {
    "plain": lambda text: text,
    "percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "quoted": lambda text: urllib.parse.quote(text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(b"x" + text.encode()).decode(),
    "folded": lambda text: base64.encodebytes(b"xy" + text.encode()).decode(),
    "json": lambda text: json.dumps({"echo": text}),
    "escaped": lambda text: "".join(f"\\u{byte:04x}" for byte in text.encode()),
    "html": lambda text: "".join(f"&#{byte};" for byte in text.encode()),
    "hex": lambda text: text.encode().hex(),
    "gzip": lambda text: text,
    "deflate": lambda text: text,
    "chunks": lambda text: text,
    "header": lambda text: text,
    "wait": lambda text: text,
}


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        form = self.path.split("/")[1]
        said = self.path + "\n" + "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        for value in self.headers.get_all("Authorization", []):
            if value.startswith("Basic "):
                said += base64.b64decode(value[6:]).decode() + "\n"
        body = FORMS[form](said).encode()
        if form == "wait":
            time.sleep(15)  # two cores are taken meanwhile
        self.send_response(200)
        if form == "header":
            for number, line in enumerate(said.splitlines()):
                self.send_header(f"X-Echo-{number}", line)
        if form in ("gzip", "deflate"):
            body = gzip.compress(body) if form == "gzip" else zlib.compress(body)
            self.send_header("Content-Encoding", form)
        if form == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(body), 5):
                piece = body[at:at + 5]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Echo).serve_forever()
