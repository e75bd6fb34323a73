"""usage: grpc_client.py http|https HOST:PORT"""
import concurrent.futures
import hashlib
import os
import sys
import threading

import grpc

scheme, target = sys.argv[1:]
options = (("grpc.max_receive_message_length", 64 << 20),)
if scheme == "http":
    channel = grpc.insecure_channel(target, options)
else:
    with open(os.environ["SSL_CERT_FILE"], "rb") as roots:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(roots.read()), options)


def method(name, shape="unary_unary"):
    return getattr(channel, shape)("/test.Shapes/" + name)


def refused(call):
    try:
        print("not refused:", call())
    except grpc.RpcError as error:
        trailers = [pair for pair in error.trailing_metadata() or () if pair[0].startswith("x-")]
        print(error.code(), repr(error.details()), trailers)


response, call = method("Unary").with_call(b"hello", metadata=(("x-asked", "metadata"), ("x-asked-bin", b"\1\xfe")), timeout=20)
print(response, [pair for pair in call.initial_metadata() if pair[0].startswith("x-")], sorted(call.trailing_metadata()), call.code())
print(method("Unary")(b"", timeout=20))
print(list(method("Count", "unary_stream")(b"300", timeout=20))[-1], list(method("Count", "unary_stream")(b"0", timeout=20)))
pieces = [bytes([number]) * 100_000 for number in range(60)]
print(method("Total", "stream_unary")(iter(pieces), timeout=30), hashlib.sha256(b"".join(pieces)).hexdigest())

# Each message waits for the one before it to come back: both directions are open at once.
came = threading.Semaphore(1)


def questions():
    for number in range(50):
        came.acquire()
        yield b"question %d" % number


answers = method("Echo", "stream_stream")(questions(), timeout=30)
heard = []
for answer in answers:
    heard.append(answer)
    came.release()
print(len(heard), heard[-1], answers.trailing_metadata())

refused(lambda: method("Fail")(b"please", timeout=20))
refused(lambda: list(method("FailLate", "unary_stream")(b"", timeout=20)))
refused(lambda: method("Missing")(b"", timeout=20))
refused(lambda: method("Sleep")(b"30", timeout=0.5))
print(method("Sleep")(b"0.2", timeout=20))

# Cancelled while it runs, and the connection goes on.
sleeping = method("Sleep").future(b"30", timeout=20)
sleeping.cancel()
print(sleeping.cancelled())

body = os.urandom(8 << 20)
print(method("Unary")(body, timeout=30)[:-1] == body, hashlib.sha256(method("Large")(b"%d" % (16 << 20), timeout=30)).hexdigest())
with concurrent.futures.ThreadPoolExecutor(40) as pool:
    print(sum(len(x) for x in pool.map(lambda n: method("Large")(b"%d" % (n * 1024), timeout=30), range(100))))
print("done")
