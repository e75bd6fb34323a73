#!/usr/bin/python3
"""Real clients of HTTP cannot tell that the gateway is there: the same program, directly and through it, says the same."""

import unittest

from http_lab import CLIENTS, HttpLab, SaysTheSame
from lab import run

class HttpClients(SaysTheSame, unittest.TestCase):
    scheme = "http"

    @classmethod
    def setUpClass(cls):
        cls.lab = HttpLab().__enter__()
        cls.node = cls.url("node", "")
        cls.trust = {namespace: cls.lab.trust(namespace) for namespace in (cls.lab.gateway, cls.lab.agent)}

    @classmethod
    def url(cls, name, path="/"):
        return cls.lab.url(name, path, cls.scheme)

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def test_curl(self):
        for name in ("nginx", "h2o", "caddy"):
            for path in ("/", "/large", "/none", "/a"):
                with self.subTest(name + path):
                    self.same("sh", "-c", f"curl -sS {self.url(name, path)} | md5sum") if path == "/large" \
                        else self.same("curl", "-sS", "-i", self.url(name, path), lines_in_order=False)
        for options in (["/echo?a=b"], ["--compressed", "/gzip"], ["-d", "a=b", "/echo"], ["-T", "/etc/services", "/echo"],
                        ["-X", "DELETE", "/echo"], ["-I", "/echo"], ["-L", "/redirect"], ["-X", "PATCH", "-d", "a=b", "/echo"],
                        ["-T", "-", "/echo"], ["-H", "Expect: 100-continue", "-d", "x", "/echo"],
                        ["--http1.0", "-o", "-", "-r", "0-99", "/large"], ["-r", "0-99", "/large"], ["/chunked"], ["/cookie"], ["/empty"], ["--http2", "/echo"],
                        ["--path-as-is", "/a/../echo"]):
            with self.subTest(options):
                self.same("curl", "-sS", "-i", "-o", "-", *options[:-1], self.node + options[-1], lines_in_order=False) if "/large" not in options[-1] \
                    else self.same("sh", "-c", f"curl -sS {' '.join(options[:-1])} {self.node}{options[-1]} | md5sum")

    def test_wget(self):
        wget = "wget --ca-certificate=$SSL_CERT_FILE -q -O -"
        self.same("sh", "-c", f"{wget} -S {self.url('nginx')}", merge=True, lines_in_order=False)
        self.same("sh", "-c", f"{wget} --post-data=a=b {self.node}/echo")
        self.same("sh", "-c", f"{wget} {self.url('nginx', '/large')} | md5sum")

    def test_python_requests(self):
        self.assertIn("done", self.same("/usr/bin/python3", CLIENTS / "requests_client.py", self.node))

    def test_python_httpx(self):
        self.assertIn("done", self.same("/usr/bin/python3", CLIENTS / "httpx_client.py", self.node))

    def test_python_aiohttp(self):
        self.assertIn("done", self.same("/usr/bin/python3", CLIENTS / "aiohttp_client.py", self.node))

    def test_node_fetch(self):
        self.assertIn("done", self.same("node", CLIENTS / "fetch_client.mjs", self.node))

    def test_undici(self):
        self.assertIn("done", self.same("node", CLIENTS / "node" / "undici.js", self.node))

    def test_git_clone_and_push(self):
        script = """
            set -e; export HOME=$(mktemp -d) GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"
            cd $HOME; git config --global user.email a@b; git config --global user.name n; git config --global init.defaultBranch m
            rm -rf SERVERS/x.git; git init -q --bare SERVERS/x.git; git -C SERVERS/x.git config http.receivepack true
            git clone -q URL/x.git one 2>/dev/null; cd one
            head -c 3000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null > large; echo text > file
            git add .; git commit -q -m first; git push -q origin m
            cd ..; git clone -q URL/x.git two; git -C two log --format=%H; md5sum two/large; rm -rf $HOME; echo done
        """.replace("URL", self.url("git", "")).replace("SERVERS", str(self.lab.servers))
        self.assertIn("done", self.same("sh", "-c", script))

    def test_what_was_asked_is_in_the_audit_log(self):
        before = len(self.lab.judged())
        run(*self.lab.inside(self.lab.agent, "curl", "-sS", "-o", "/dev/null", self.node + "/large"), env=self.trust[self.lab.agent])
        run(*self.lab.inside(self.lab.agent, "curl", "-sS", "-o", "/dev/null", self.node + "/echo"), env=self.trust[self.lab.agent])
        line = self.lab.judged()[before]
        self.assertEqual((line["facets"]["method"], line["facets"]["path"], line["verdict"], line["kind"]),
                         ("GET", "/large", "allow", "read"))
        self.assertEqual((line["outcome"]["ok"], line["outcome"]["code"], line["outcome"]["bytes_down"]), (True, "200", 10 << 20))


class HttpsClients(HttpClients):
    """The same over TLS: in HTTP/2 where the client speaks it, under an authority that it got from the gateway."""

    scheme = "https"


if __name__ == "__main__":
    unittest.main()
