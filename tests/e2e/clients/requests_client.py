"""usage: requests_client.py URL"""
import sys

import requests

base, session = sys.argv[1], requests.Session()
print(session.get(base + "/echo?a=1&b=%20x", headers={"X-Test": "yes"}).json())
print(session.post(base + "/echo", json={"key": ["value", 1]}).json())
print(session.put(base + "/echo", data=(part for part in (b"one", b"two"))).json())
print(session.post(base + "/echo", files={"file": ("name", b"content")}, headers={"Content-Type": "text/plain"}).status_code)
print(session.get(base + "/gzip").text[:30], session.get(base + "/redirect").url.split("/")[-1])
print(session.get(base + "/cookie").cookies.get_dict(), session.get(base + "/nothing").status_code)
print(sum(map(len, session.get(base + "/large", stream=True).iter_content(65536))),
      session.head(base + "/large").headers.get("content-length"))
print("".join(session.get(base + "/chunked", stream=True).iter_content(10, decode_unicode=True)))
print("done")
