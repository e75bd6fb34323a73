"""S3, STS and DynamoDB as far as a client notices, behind a check of each signature. Every request that passes is a line of
the log. usage: aws_server.py PORT DIRECTORY LOG KEYS; TLS at PORT + 1000. KEYS: JSON, id -> [secret, session token]"""
import http.server
import json
import pathlib
import re
import ssl
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import sigv4  # noqa: E402

objects, parts, keys = {}, {}, json.loads(sys.argv[4])
IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/agent</Arn><UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def serve(self):
        request = sigv4.Request(self.command, self.path, self.headers.items(), self.body())
        try:
            body, how = sigv4.verify(request, keys)
        except sigv4.Refused as refused:
            return self.say(403, f"<Error><Code>SignatureDoesNotMatch</Code><Message>{refused}</Message></Error>".encode(), "application/xml")
        with open(sys.argv[3], "a") as log:
            log.write(f"{self.command} {self.path.partition('?')[0]} {how if len(how) != 64 else 'SIGNED'} {sigv4.signature_of(request)[0].split('/')[0]}\n")
        if self.headers.get("X-Amz-Target"):
            return self.say(200, json.dumps({"TableNames": ["first", "second"]}).encode(), "application/x-amz-json-1.0")
        query = dict(request.query)
        if "uploads" in query:
            return self.say(200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>", "application/xml")
        if "uploadId" in query:
            return self.serve_part(request, query, body)
        if self.command == "POST":
            return self.say(200, IDENTITY, "text/xml")
        self.serve_object(request, body)

    def serve_part(self, request, query, body):
        if self.command == "PUT":
            parts.setdefault(request.path, {})[int(query["partNumber"])] = body
            return self.say(200, b"")
        objects[request.path] = b"".join(data for _, data in sorted(parts.pop(request.path).items()))
        self.say(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>", "application/xml")

    def serve_object(self, request, body):
        if self.command == "PUT":
            objects[request.path] = body
            return self.say(200, b"")
        if self.command == "GET" and request.path.count("/") < 2:
            listed = "".join(f"<Contents><Key>{urllib.parse.unquote(path.split('/', 2)[2])}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>&quot;x&quot;"
                             f"</ETag><Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>" for path, data in sorted(objects.items()))
            return self.say(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>".encode(), "application/xml")
        data = objects.get(request.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if data and asked and self.command == "GET":
            first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            return self.say(206, data[first:last + 1], "application/octet-stream", f"bytes {first}-{last}/{len(data)}")
        self.say(200 if data is not None else 404, data or b"", "application/octet-stream")

    def say(self, status, body, kind="text/plain", part=""):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if part:
            self.send_header("Content-Range", part)
        self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
        self.send_header("ETag", '"x"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve


if __name__ == "__main__":
    plain, encrypted = (http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1]) + more), Handler) for more in (0, 1000))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2] + "/server.pem", sys.argv[2] + "/server.key")
    encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
    threading.Thread(target=encrypted.serve_forever, daemon=True).start()
    plain.serve_forever()
