"""Says back each message as it came. usage: websocket_server.py PORT DIRECTORY; TLS at PORT + 1000"""
import asyncio
import ssl
import sys

import websockets


async def echo(socket, path):
    if path == "/flood":  # to who does not read
        for number in range(256):
            await socket.send(bytes([number]) * (1 << 20))
        return
    if path == "/close":
        return await socket.close(4000, "asked for")
    async for message in socket:
        if path == "/pieces" and len(message) > 4:  # in fragments
            await socket.send([message[at:at + 1000] for at in range(0, len(message), 1000)])
        else:
            await socket.send(message)


async def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2] + "/server.pem", sys.argv[2] + "/server.key")
    options = {"max_size": 64 << 20, "subprotocols": ["chat"], "ping_interval": None}
    async with websockets.serve(echo, "0.0.0.0", int(sys.argv[1]), **options), \
            websockets.serve(echo, "0.0.0.0", int(sys.argv[1]) + 1000, ssl=context, **options):
        await asyncio.Future()


asyncio.run(serve())
