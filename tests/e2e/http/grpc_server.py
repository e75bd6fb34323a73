"""gRPC in all its four shapes, of bytes as they are. usage: grpc_server.py PORT DIRECTORY; TLS at PORT + 1000"""
import concurrent.futures
import hashlib
import pathlib
import sys
import time

import grpc


def unary(request, context):
    context.send_initial_metadata((("x-first", "1"),))
    context.set_trailing_metadata((("x-last", "2"), ("x-binary-bin", b"\0\xff")))
    said = dict(context.invocation_metadata())
    return request + b" " + said.get("x-asked", "").encode() + said.get("x-asked-bin", b"")


def count(request, _):
    for number in range(int(request)):
        yield b"%d" % number


def total(requests, _):
    digest, size = hashlib.sha256(), 0
    for request in requests:
        digest.update(request)
        size += len(request)
    return b"%d %s" % (size, digest.hexdigest().encode())


def echo(requests, context):
    for number, request in enumerate(requests):
        yield b"%d " % number + request
    context.set_trailing_metadata((("x-echoed", str(number + 1)),))


def fail(request, context):
    context.set_trailing_metadata((("x-why", "asked for"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no, \u2014 100 % not: " + request.decode())


def fail_late(_, context):
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "in the midst")


def sleep(request, context):
    deadline = time.monotonic() + float(request)
    while context.is_active() and time.monotonic() < deadline:
        time.sleep(0.02)
    return b"slept"


def large(request, _):
    return bytes(range(256)) * (int(request) // 256)


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
    "Large": grpc.unary_unary_rpc_method_handler(large),
}
port, directory = int(sys.argv[1]), pathlib.Path(sys.argv[2])
server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=(("grpc.max_receive_message_length", 64 << 20),))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Shapes", METHODS),))
identity = ((directory / "server.key").read_bytes(), (directory / "server.pem").read_bytes())
server.add_insecure_port(f"0.0.0.0:{port}")
server.add_secure_port(f"0.0.0.0:{port + 1000}", grpc.ssl_server_credentials((identity,)))
server.start()
server.wait_for_termination()
