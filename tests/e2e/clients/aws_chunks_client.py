"""An upload of which each chunk is signed, with placeholders for keys. usage: aws_chunks_client.py URL HOW"""
import base64
import hashlib
import os
import sys
import zlib

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import sigv4  # noqa: E402

url, how = sys.argv[1:]
data = os.urandom(300_000)
trailer = ("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()) if how.endswith("TRAILER") else None
signed = how.startswith("STREAMING-AWS4")
key = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


class Auth(S3SigV4Auth):
    def payload(self, request):
        return how

    def _should_sha256_sign_payload(self, request):
        return True


headers = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(data)), "x-amz-content-sha256": how}
if trailer:
    headers["x-amz-trailer"] = trailer[0]
request = AWSRequest("PUT", url, headers=headers)
Auth(key, "s3", "eu-central-1").add_auth(request)
request.headers.replace_header("X-Amz-Content-SHA256", how) if request.headers.get("X-Amz-Content-SHA256") != how else None
time = request.context["timestamp"]
scope = f"{time[:8]}/eu-central-1/s3/aws4_request"
previous = request.headers["Authorization"].rpartition("Signature=")[2]
secret = sigv4.signing_key(key.secret_key, scope)
body = b""
for piece in [data[at:at + 65536] for at in range(0, len(data), 65536)] + [b""]:
    extension = b""
    if signed:
        to_sign = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", time, scope, previous, sigv4.EMPTY, hashlib.sha256(piece).hexdigest()])
        previous = sigv4.keyed(secret, to_sign).hex()
        extension = b";chunk-signature=" + previous.encode()
    body += b"%x%s\r\n" % (len(piece), extension) + (piece + b"\r\n" if piece else b"")
if trailer:
    body += f"{trailer[0]}:{trailer[1]}\r\n".encode()
    if signed:
        written = hashlib.sha256(f"{trailer[0]}:{trailer[1]}\n".encode()).hexdigest()
        last = sigv4.keyed(secret, "\n".join(["AWS4-HMAC-SHA256-TRAILER", time, scope, previous, written])).hex()
        body += f"x-amz-trailer-signature:{last}\r\n".encode()
body += b"\r\n"
answer = requests.put(url, data=body, headers=dict(request.headers))
print(answer.status_code, answer.text, sep="\n" if answer.text else "")
