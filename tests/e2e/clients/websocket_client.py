"""usage: websocket_client.py URL"""
import asyncio
import hashlib
import sys

import websockets

base = sys.argv[1].replace("http", "ws", 1)
large = bytes(index * 31 % 251 for index in range(1 << 16)) * 160  # 10 MiB


async def talk(**options):
    async with websockets.connect(base + "/echo", max_size=64 << 20, **options) as socket:
        print(socket.subprotocol, [extension.name for extension in socket.extensions])
        for message in ("text \u2014 \U0001f600", "", b"", b"\0\xff" * 100, "x" * 70000, large):
            await socket.send(message)
            answer = await socket.recv()
            print(type(answer).__name__, len(answer), answer == message)
        await socket.send(["in ", "three ", "pieces"])
        print(await socket.recv())
        await socket.send(large[at:at + 4096] for at in range(0, 1 << 20, 4096))
        print(hashlib.sha256(await socket.recv()).hexdigest())
        await asyncio.wait_for(await socket.ping(b"are you there?"), 10)
        await asyncio.gather(*(socket.send(str(number)) for number in range(200)))
        print([await socket.recv() for _ in range(200)][-1])
        await socket.close(4001, "bye")
        print(socket.close_code, repr(socket.close_reason))


async def main():
    await talk(subprotocols=["chat"])
    await talk(compression=None)
    async with websockets.connect(base + "/pieces") as socket:
        await socket.send("y" * 12345)
        print(await socket.recv() == "y" * 12345)
    async with websockets.connect(base + "/close") as socket:
        try:
            print(await socket.recv())
        except websockets.ConnectionClosed as closed:
            print(closed)
    print("done")


asyncio.run(main())
