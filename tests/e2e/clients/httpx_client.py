"""usage: httpx_client.py URL"""
import asyncio
import sys

import httpx

base = sys.argv[1]


async def many():
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(*(client.post(base + "/echo", content=b"x" * 1000 * i) for i in range(20)))
    return [answer.json()["size"] for answer in answers]


with httpx.Client() as client:
    print(client.get(base + "/echo?q", headers={"X-Test": "yes"}).json())
    print(client.post(base + "/echo", data={"a": "b"}).json())
    print(client.get(base + "/gzip").text[:30], client.delete(base + "/echo").json()["method"])
    with client.stream("GET", base + "/large") as answer:
        print(sum(len(part) for part in answer.iter_bytes()))
print(asyncio.run(many()))
print("done")
