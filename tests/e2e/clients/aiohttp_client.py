"""usage: aiohttp_client.py URL"""
import asyncio
import sys

import aiohttp

base = sys.argv[1]


async def parts():
    for part in (b"one", b"two", b"three"):
        yield part
        await asyncio.sleep(0.01)


async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post(base + "/echo", data=parts(), headers={"X-Test": "yes"}, expect100=True) as answer:
            print(answer.status, await answer.json())
        async with session.get(base + "/chunked") as answer:
            print(await answer.text())
        async with session.get(base + "/large") as answer:
            print(len(await answer.read()))
        answers = await asyncio.gather(*(session.get(base + f"/echo?{i}") for i in range(40)))
        print([(await answer.json())["url"] for answer in answers])
    print("done")


asyncio.run(main())
