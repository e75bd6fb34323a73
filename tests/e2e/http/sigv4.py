"""Signature Version 4 as a server checks it, after AWS's "Create a signed AWS API request" and "Signature calculations for
the Authorization header: transferring payload in multiple chunks". What our own code was written from is not used here."""

import base64
import hashlib
import hmac
import re
import urllib.parse
import zlib

EMPTY = hashlib.sha256(b"").hexdigest()
STREAMED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


class Refused(Exception):
    pass


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, scope):
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = keyed(key, part)
    return key


def encoded(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_path(path, service):
    if service == "s3":
        return encoded(urllib.parse.unquote(path)).replace("%2F", "/")
    return encoded(path).replace("%2F", "/")  # what came is encoded already: twice


def canonical_query(pairs):
    return "&".join(f"{name}={value}" for name, value in sorted((encoded(name), encoded(value)) for name, value in pairs))


class Request:
    """method, target as sent, headers as a list of pairs, the body as it came."""

    def __init__(self, method, target, headers, body):
        self.method, self.body = method, body
        self.path, _, query = target.partition("?")
        self.query = urllib.parse.parse_qsl(query, keep_blank_values=True)
        self.headers = {}
        for name, value in headers:
            self.headers.setdefault(name.lower(), []).append(" ".join(value.split()))

    def header(self, name):
        return ",".join(self.headers.get(name, []))


def signature_of(request):
    """(credential, signed header names, signature, time, whether it stands in the query)"""
    query = dict(request.query)
    if "X-Amz-Signature" in query:
        return (query["X-Amz-Credential"], query["X-Amz-SignedHeaders"], query["X-Amz-Signature"], query["X-Amz-Date"], True)
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\S+?), ?SignedHeaders=(\S+?), ?Signature=([0-9a-f]{64})",
                         request.header("authorization"))
    if not found or len(request.headers["authorization"]) != 1:
        raise Refused("no signature")
    return (*found.groups(), request.header("x-amz-date"), False)


def verify(request, keys):
    """The plain body of a request that is signed with one of `keys` (id -> (secret, session token or "")), and how it is."""
    credential, names, signature, time, in_query = signature_of(request)
    key_id, scope = credential.split("/", 1)
    secret, token = keys.get(key_id) or refuse("InvalidAccessKeyId " + key_id)
    service = scope.split("/")[2]
    signed = names.split(";")
    if "host" not in signed or signed != sorted(signed):
        raise Refused("SignedHeaders")
    check_token(request, token, signed, in_query)
    payload = request.header("x-amz-content-sha256") or ("UNSIGNED-PAYLOAD" if in_query else hashlib.sha256(request.body).hexdigest())
    pairs = [(name, value) for name, value in request.query if name != "X-Amz-Signature"]
    canonical = "\n".join([request.method, canonical_path(request.path, service), canonical_query(pairs),
                           *(f"{name}:{request.header(name)}" for name in signed), "", names, payload])
    key = signing_key(secret, scope)
    to_sign = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    if not hmac.compare_digest(keyed(key, to_sign).hex(), signature):
        raise Refused("SignatureDoesNotMatch")
    return check_payload(request, payload, lambda kind, *hashes: "\n".join([kind, time, scope, *hashes]), key, signature), payload


def refuse(why):
    raise Refused(why)


def check_token(request, token, signed, in_query):
    sent = dict(request.query).get("X-Amz-Security-Token", "") if in_query else request.header("x-amz-security-token")
    if sent != token:
        raise Refused(f"InvalidToken {sent!r}")
    if token and not in_query and "x-amz-security-token" not in signed:
        raise Refused("a session token that is not signed")


def check_payload(request, payload, to_sign, key, seed):
    if payload == "UNSIGNED-PAYLOAD":
        return request.body
    if not payload.startswith("STREAMING-"):
        return request.body if hashlib.sha256(request.body).hexdigest() == payload else refuse("XAmzContentSHA256Mismatch")
    body, left, chunks = b"", request.body, payload.startswith(STREAMED)
    while True:
        line, _, left = left.partition(b"\r\n")
        size, _, extension = line.decode().partition(";")
        data = left[:int(size, 16)]
        if chunks:
            seed_next = keyed(key, to_sign("AWS4-HMAC-SHA256-PAYLOAD", seed, EMPTY, hashlib.sha256(data).hexdigest())).hex()
            if extension != "chunk-signature=" + seed_next:
                raise Refused("chunk signature")
            seed = seed_next
        body, left = body + data, left[len(data):]
        if not data:
            break
        left = left[2:] if left.startswith(b"\r\n") else refuse("chunk end")
    if len(body) != int(request.header("x-amz-decoded-content-length")):
        raise Refused("decoded length")
    check_trailers(left, payload, body, to_sign, key, seed)
    return body


def check_trailers(text, payload, body, to_sign, key, seed):
    fields = dict(line.split(":", 1) for line in text.decode().replace("\r\n", "\n").strip("\n").split("\n") if line)
    signature = fields.pop("x-amz-trailer-signature", None)
    sums = {"x-amz-checksum-crc32": lambda: zlib.crc32(body).to_bytes(4, "big"), "x-amz-checksum-sha256": lambda: hashlib.sha256(body).digest()}
    for name, value in fields.items():
        if name in sums and base64.b64decode(value) != sums[name]():
            raise Refused("BadDigest " + name)
    if payload == STREAMED + "-TRAILER":
        written = "".join(f"{name}:{value.strip()}\n" for name, value in sorted(fields.items()))
        wanted = keyed(key, to_sign("AWS4-HMAC-SHA256-TRAILER", seed, hashlib.sha256(written.encode()).hexdigest())).hex()
        if signature != wanted:
            raise Refused("trailer signature")
