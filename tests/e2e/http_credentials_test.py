#!/usr/bin/python3
"""Tools that log in, with placeholders alone: gh, aws, kubectl and a server that asks for a client's certificate."""

import json
import os
import sys
import tempfile
import unittest

from http_lab import CLIENTS, HERE, HttpLab
from lab import environment, run

sys.path.insert(0, str(HERE))
import sigv4  # noqa: E402

GITHUB = "ghp_0000000000000000000000000000000agent"
TOKEN = "ghp_theRealOne/ofTheOperator+" + "x" * 12
KEY = {"access_key_id": "AKIAREALREALREALREAL", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYREALREALKEY", "session_token": "session/" + "t" * 60 + "=="}

POLICY = """
schema = 1

[gateway]
{gateway}
subnet  = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.18.0.0/16", "fd86:0:0:1::/64"]

{peers}

[profile.data]
credentials = ["github", "git", "aws", "aws-clear", "client", "cluster"]

[endpoint.github]
type  = "https"
hosts = ["api.github.com", "github.com"]
ca    = "file:ca.pem"

[credential.github]
type        = "bearer"
endpoint    = "github"
placeholder = "%s"
env         = ["GH_TOKEN", "GITHUB_TOKEN"]

[endpoint.git]
type  = "https"
hosts = ["git.internal:9085"]
ca    = "file:ca.pem"

[credential.git]
type     = "basic"
endpoint = "git"
user     = "x-access-token"

[endpoint.aws]
type  = "https"
hosts = ["aws.internal:9089"]
ca    = "file:ca.pem"

[credential.aws]
type     = "aws"
endpoint = "aws"

[endpoint.aws-clear]
type  = "http"
hosts = ["aws.internal:8089"]

[credential.aws-clear]
type     = "aws"
endpoint = "aws-clear"
env      = []

[endpoint.guarded]
type  = "https"
hosts = ["guarded.internal:9091"]
ca    = "file:ca.pem"

[credential.client]
type     = "mtls"
endpoint = "guarded"

[endpoint.cluster]
type  = "kubernetes"
hosts = ["cluster.internal:9092"]
ca    = "file:ca.pem"

[credential.cluster]
type     = "bearer"
endpoint = "cluster"

{rules}
""" % GITHUB
RULES = """
[[rule]]
name      = "no-delete"
endpoints = ["github", "aws", "aws-clear"]
priority  = 10
condition = "http.method == 'DELETE'"
verdict   = "deny"
reason    = "Nothing is deleted by agents"

[[rule]]
name      = "namespaces-stay"
endpoint  = "cluster"
priority  = 10
condition = "k8s.verb in ['delete', 'deletecollection'] && (k8s.resource == 'namespaces' || k8s.namespace == 'prod')"
verdict   = "deny"
reason    = "Namespaces are the operators'"

[[rule]]
name      = "no-privileged"
endpoint  = "cluster"
priority  = 10
condition = "k8s.verb == 'create' && k8s.resource == 'pods' && k8s.body.spec.containers.exists(c, has(c.securityContext) && c.securityContext.privileged)"
verdict   = "deny"
reason    = "No privileged pods"

[[rule]]
name      = "rest"
endpoints = ["github", "git", "aws", "aws-clear", "guarded", "cluster"]
verdict   = "allow"
"""
NGINX = """
daemon off; master_process off; pid {where}/nginx.pid; error_log {where}/nginx.error;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {where}/nb; proxy_temp_path {where}/np; fastcgi_temp_path {where}/nf; uwsgi_temp_path {where}/nu;
  scgi_temp_path {where}/ns;
  ssl_certificate {where}/server.pem; ssl_certificate_key {where}/server.key; ssl_client_certificate {where}/ca.pem;
  server {{ listen 8091; return 404; }}
  server {{ listen 9091 ssl http2; ssl_verify_client on; return 200 "$ssl_client_s_dn $ssl_client_verify $ssl_client_serial\\n"; }}
}}
"""


class CredentialsLab(HttpLab):
    ports = {"git": 8085, "aws": 8089, "guarded": 8091, "cluster": 8092}
    more_names = ("api.github.com", "github.com")

    def servers_to_start(self):
        at = self.servers
        (at / "nginx.conf").write_text(NGINX.format(where=at))
        keys = {KEY["access_key_id"]: [KEY["secret_access_key"], KEY["session_token"]]}
        return {
            "aws": ["/usr/bin/python3", HERE / "aws_server.py", self.ports["aws"], at, at / "aws.log", json.dumps(keys)],
            "git": ["/usr/bin/python3", HERE / "git_server.py", self.ports["git"], at, "x-access-token:" + TOKEN],
            "guarded": ["nginx", "-e", at / "nginx.error", "-c", at / "nginx.conf"],
            "cluster": ["/usr/bin/python3", HERE / "json_server.py", self.ports["cluster"], at, TOKEN, 443],
        }

    def identity(self, subject):
        """A client's certificate and key in PEM, as `creds set` takes them."""
        at = self.servers
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}", "-keyout", "client.key",
            "-out", "client.csr", cwd=at)
        (at / "usage").write_text("extendedKeyUsage=clientAuth\n")
        run("openssl", "x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "usage",
            "-out", "client.pem", cwd=at)
        return (at / "client.pem").read_text() + (at / "client.key").read_text()


class Credentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = CredentialsLab(RULES, policy=POLICY).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        for name, value in (("github", TOKEN), ("git", TOKEN), ("cluster", TOKEN), ("aws", json.dumps(KEY)), ("aws-clear", json.dumps(KEY)),
                            ("client", cls.lab.identity("first"))):
            cls.lab.cpctl("creds", "set", name, input=value + "\n")
        cls.home = tempfile.TemporaryDirectory(prefix="clawpatrol-agent-")
        cls.addClassCleanup(cls.home.cleanup)

    def agent(self, script, check=True):
        """In the environment that /env.sh makes, and with nothing else of ours."""
        begin = 'eval "$(curl -fsS http://10.77.1.1/env.sh)"; '
        said = run(*self.lab.inside(self.lab.agent, "sh", "-c", begin + script), check=check, timeout=120, cwd=self.home.name,
                   env=environment() | {"HOME": self.home.name, "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "AWS_EC2_METADATA_DISABLED": "true"})
        for secret in (TOKEN, KEY["secret_access_key"], KEY["session_token"]):
            self.assertNotIn(secret, said.stdout + said.stderr)
        return said

    # ---- gh, in Go

    def test_gh(self):
        self.assertEqual(self.agent("echo $GH_TOKEN $GITHUB_TOKEN").stdout.split(), [GITHUB, GITHUB])
        self.assertEqual(self.agent("gh api user --jq .login").stdout, "agent-smith\n")
        issues = self.agent("gh issue list -R owner/repo --json number,title")
        self.assertEqual(json.loads(issues.stdout), [{"number": 7, "title": "It leaks"}])

    def test_gh_is_told_why_not(self):
        said = self.agent("gh api -X DELETE repos/owner/repo", check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn("Nothing is deleted by agents", said.stdout)
        self.assertIn("403", said.stderr)

    def test_a_token_of_the_agents_own_is_replaced(self):
        self.assertEqual(self.agent("GH_TOKEN=ghp_of_somebody_else gh api user --jq .login").stdout, "agent-smith\n")

    def test_events_come_as_they_are_made(self):
        """Though each is looked into, also compressed, nothing waits for what comes behind it."""
        program = """
import httpx, os, sys
with httpx.Client(http2=sys.argv[1] == "2", headers={"Authorization": "Bearer " + os.environ["GH_TOKEN"]}, timeout=30) as client:
    with client.stream("GET", "https://api.github.com/events?" + sys.argv[2]) as events:
        came = b""
        for piece in events.iter_bytes():  # not lines: httpx itself keeps those back
            came += piece
            if came.endswith(b"*\\n\\n"):
                print(came.decode().strip())
                came = b""
                client.get("https://api.github.com/heard")
"""
        for version in "12":
            for coding in ("identity", "gzip"):
                with self.subTest(version + coding):
                    lines = self.agent(f"/usr/bin/python3 -c '{program}' {version} {coding}").stdout.splitlines()
                    self.assertEqual([line[:11] for line in lines], ["data: 0 for", "data: 1 for", "data: 2 for"])

    def test_git(self):
        """Without a word of a login, and with the placeholder in its place."""
        at = self.lab.servers / "x.git"
        run("git", "init", "-q", "--bare", "-b", "m", at)
        run("git", "-C", at, "config", "http.receivepack", "true")
        said = self.agent("""set -e
            git config --global user.email a@b; git config --global user.name n; git config --global init.defaultBranch m
            git clone -q https://git.internal:9085/x.git one 2>/dev/null; cd one; head -c 3000000 /dev/urandom > large; git add .
            git commit -q -m first; git push -q origin m; cd ..
            git clone -q 'https://x-access-token:{{git}}@git.internal:9085/x.git' two; cmp one/large two/large; git -C two fsck; echo done""")
        self.assertTrue(said.stdout.endswith("done\n"), said.stderr)

    # ---- aws

    @staticmethod
    def keys(scheme):
        """A credential is one endpoint's: /env.sh tells that of the encrypted one."""
        return "export AWS_ACCESS_KEY_ID='{{aws-clear}}' AWS_SECRET_ACCESS_KEY=x;" if scheme == "http" else ""

    def aws(self, scheme, command, check=True, config=""):
        port = {"http": 8089, "https": 9089}[scheme]
        begin = f"{self.keys(scheme)} export AWS_DEFAULT_REGION=eu-central-1 AWS_CONFIG_FILE=$HOME/aws; printf '[default]\\ns3 =\\n  addressing_style = path\\n{config}' > $HOME/aws; "
        return self.agent(f"{begin} aws --endpoint-url {scheme}://aws.internal:{port} {command}", check=check)

    def logged(self):
        return (self.lab.servers / "aws.log").read_text().splitlines()

    def test_aws(self):
        for scheme in ("http", "https"):
            with self.subTest(scheme):
                self.agent("head -c 20000000 /dev/urandom > 'a file+1.bin'")
                self.aws(scheme, "s3 cp 'a file+1.bin' 's3://bucket/a dir/a file+1 \u00fc.bin' --no-progress")
                self.aws(scheme, "s3 cp 's3://bucket/a dir/a file+1 \u00fc.bin' back.bin --no-progress && cmp 'a file+1.bin' back.bin")
                self.assertIn("20000000 a dir/a file+1 \u00fc.bin", self.aws(scheme, "s3 ls s3://bucket --recursive").stdout)
                self.assertIn("user/agent", self.aws(scheme, "sts get-caller-identity").stdout)
                self.assertIn("second", self.aws(scheme, "dynamodb list-tables").stdout)
        self.assertTrue(all(line.endswith(KEY["access_key_id"]) for line in self.logged()))

    def test_aws_signs_its_payload_where_it_is_told_to(self):
        self.aws("https", "s3 cp $HOME/aws s3://bucket/signed --no-progress", config="  payload_signing_enabled = true\\n")
        self.aws("https", "s3 cp $HOME/aws s3://bucket/unsigned --no-progress")
        hows = {line.split()[1]: line.split()[2] for line in self.logged() if line.startswith("PUT")}
        self.assertEqual((hows["/bucket/signed"], hows["/bucket/unsigned"]), ("SIGNED", "UNSIGNED-PAYLOAD"))

    def test_presigned_urls(self):
        self.aws("https", "s3 cp $HOME/aws s3://bucket/shared --no-progress")
        self.aws("https", "s3 presign s3://bucket/shared | tee url | xargs curl -fsS | cmp - $HOME/aws")
        self.assertNotIn(KEY["access_key_id"], (self.agent("cat url").stdout))

    def test_bodies_that_are_signed_in_chunks(self):
        for scheme, port in (("http", 8089), ("https", 9089)):
            for how in ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
                with self.subTest(scheme + " " + how):
                    said = self.agent(f"{self.keys(scheme)} /usr/bin/python3 {CLIENTS / 'aws_chunks_client.py'} {scheme}://aws.internal:{port}/bucket/chunks {how}").stdout
                    self.assertEqual(said, "200\n")
                    self.assertIn(how, self.logged()[-1])

    def test_aws_is_told_why_not(self):
        said = self.aws("https", "s3 rm s3://bucket/kept", check=False)
        self.assertNotEqual(said.returncode, 0)
        self.assertIn("403", said.stderr)
        self.assertFalse([line for line in self.logged() if line.startswith("DELETE")])

    # ---- a certificate of the client

    def test_the_server_sees_the_certificate_of_the_credential(self):
        url = "https://guarded.internal:9091/"
        for version in ("--http1.1", "--http2"):
            self.assertRegex(self.agent(f"curl -sS {version} {url}").stdout, "CN=first SUCCESS")
        # Whatever the agent shows is its own affair: it ends here.
        own = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=agent -keyout k -out c 2>/dev/null; "
        self.assertRegex(self.agent(own + f"curl -sS --cert c --key k {url}").stdout, "CN=first SUCCESS")
        self.lab.cpctl("creds", "set", "client", input=self.lab.identity("second"))
        self.assertRegex(self.agent(f"curl -sS {url}").stdout, "CN=second SUCCESS")

    # ---- kubectl

    def kubectl(self, command, check=True):
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {
            "server": "https://cluster.internal:9092", "certificate-authority": "AUTHORITY"}}],
            "users": [{"name": "u", "user": {"token": "{{cluster}}"}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
        with open(os.path.join(self.home.name, "kube.json"), "w") as out:
            json.dump(config, out)
        return self.agent("sed -i \"s,AUTHORITY,$SSL_CERT_FILE,\" kube.json; " + f"kubectl --kubeconfig kube.json {command}", check=check)

    def test_kubectl(self):
        self.assertEqual(self.kubectl("get pods -o name").stdout, "pod/web-1\n")
        self.assertIn('"phase": "Running"', self.kubectl("get pod web-1 -o json").stdout)
        self.assertEqual(self.kubectl("logs web-1").stdout, "a line\n")
        self.assertEqual(self.kubectl("get pods -o name --watch-only").stdout, "pod/web-1\npod/web-1\n")
        self.assertIn("web-1", self.kubectl("delete pod web-1 --wait=false").stdout)
        verbs = [(line["facets"]["verb"], line["facets"].get("resource")) for line in self.lab.judged() if line["endpoint"] == "cluster"]
        for expected in (("list", "pods"), ("get", "pods/log"), ("watch", "pods"), ("delete", "pods")):
            self.assertIn(expected, verbs)

    def test_kubectl_prints_the_reason(self):
        said = self.kubectl("delete namespace prod --wait=false", check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn("Error from server (Forbidden)", said.stderr)
        self.assertIn("Namespaces are the operators'", said.stderr)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "image": "i", "securityContext": {"privileged": True}}]}}
        for privileged, expected in ((True, "No privileged pods"), (False, "pod/p created")):
            pod["spec"]["containers"][0]["securityContext"]["privileged"] = privileged
            with open(os.path.join(self.home.name, "pod.json"), "w") as out:
                json.dump(pod, out)
            said = self.kubectl("create -f pod.json --validate=false", check=False)
            self.assertIn(expected, said.stdout + said.stderr)


class Verifier(unittest.TestCase):
    """What checks the signatures above agrees with botocore, and takes nothing that was changed."""

    def signed(self, method, url, body=b"", signer="s3", headers=()):
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials
        key = botocore.credentials.Credentials(KEY["access_key_id"], KEY["secret_access_key"], KEY["session_token"])
        makers = {"s3": lambda: botocore.auth.S3SigV4Auth(key, "s3", "eu-central-1"), "sts": lambda: botocore.auth.SigV4Auth(key, "sts", "us-east-1"),
                  "query": lambda: botocore.auth.S3SigV4QueryAuth(key, "s3", "eu-central-1", expires=60)}
        request = botocore.awsrequest.AWSRequest(method, url, headers=dict(headers), data=body)
        makers[signer]().add_auth(request)
        prepared = request.prepare()
        sent = [(name, value.decode() if isinstance(value, bytes) else str(value)) for name, value in prepared.headers.items()]
        if "host" not in {name.lower() for name, _ in sent}:
            sent.append(("Host", prepared.url.split("/")[2]))
        return sigv4.Request(method, "/" + prepared.url.split("/", 3)[3], sent, body)

    def test_what_botocore_signs_is_taken_and_what_was_changed_is_not(self):
        keys = {KEY["access_key_id"]: (KEY["secret_access_key"], KEY["session_token"])}
        for request in (self.signed("PUT", "https://h/b/a%20b%2Bc?x=1&a=%20&e", b"body"), self.signed("GET", "https://h:9089/b/k", signer="query"),
                        self.signed("POST", "https://h/", b"Action=GetCallerIdentity", "sts", [("X-Extra", "a   b")]),
                        self.signed("GET", "https://h/a%20b/c", signer="sts")):
            sigv4.verify(request, keys)
            for change in (lambda: setattr(request, "method", "HEAD"), lambda: setattr(request, "path", request.path + "x"),
                           lambda: request.query.append(("a", "b")), lambda: request.headers.update(host=["other"])):
                kept = dict(method=request.method, path=request.path, query=list(request.query), headers=dict(request.headers))
                change()
                with self.assertRaises(sigv4.Refused):
                    sigv4.verify(request, keys)
                vars(request).update(kept)
            with self.assertRaises(sigv4.Refused):
                sigv4.verify(request, {KEY["access_key_id"]: ("other secret", KEY["session_token"])})


if __name__ == "__main__":
    unittest.main()
