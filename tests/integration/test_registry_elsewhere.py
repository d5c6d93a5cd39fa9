# SPDX-License-Identifier: Apache-2.0
"""Where a registry may lead us, and who gets the credentials. In a network of its own with public, private and link-local
addresses, so that the registry is not where everything is allowed: on loopback."""
import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from support.hosts import inside
from support.imagebuilder import File
from support.registry import FakeRegistry, TestImage, gzipped, make_ca

REGISTRY, OTHER = "203.0.113.5", "203.0.113.6"
INSIDE = ["10.9.8.7", "169.254.169.254"]
USERS = {"me": "very-secret-word"}
CREDS = ["--creds", "me:very-secret-word"]
HOSTS = f"""127.0.0.1 localhost loop.other.test
{REGISTRY} registry.site.test
{OTHER} auth.site.test cdn.other.test
10.9.8.7 private.other.test
169.254.169.254 meta.other.test
{OTHER} both.other.test
10.9.8.7 both.other.test
"""


@pytest.fixture(scope="module")
def net():
    """The network's name."""
    name = f"svreg{os.getpid()}"
    run = lambda *words: subprocess.run(words, check=True)
    folder = pathlib.Path("/etc/netns", name)
    made = not folder.parent.exists()
    run("ip", "netns", "add", name)
    try:
        folder.mkdir(parents=True)
        (folder / "hosts").write_text(HOSTS)
        run("ip", "-n", name, "link", "set", "lo", "up")
        for address in [REGISTRY, OTHER, *INSIDE, "169.254.10.10", "fd00:ec2::254"]:
            run("ip", "-n", name, "address", "add", address, "dev", "lo")
        yield name
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):
                folder.parent.rmdir()
        subprocess.run(["ip", "netns", "del", name], check=False)


class World:
    """A registry at REGISTRY with an image x:1, everybody else, and an engine in the same network."""

    def __init__(self, engine, net, tls=True, address=REGISTRY):
        self.engine, self._net, self._all = engine, net, []
        self.files = make_ca(f"{engine.dir}/ca", name=f"IP:{REGISTRY},IP:{OTHER},IP:{address},IP:10.9.8.7,IP:169.254.169.254,IP:127.0.0.1,"
                                                      "DNS:*.site.test,DNS:*.other.test")
        os.makedirs(f"{engine.dir}/certs")
        shutil.copy(self.files["ca.pem"], f"{engine.dir}/certs/ca.crt")
        for kind in ("cert", "key"):
            shutil.copy(self.files["client.pem" if kind == "cert" else "client.key"], f"{engine.dir}/certs/client.{kind}")
        self.registry = self.serve(address, tls)
        self.image = TestImage()
        self.registry.put("x:1", self.image)

    def serve(self, address, tls=True, **more):
        made = inside(self._net, lambda: FakeRegistry(tls=self.files if tls else None, address=address, **more))
        self._all.append(made)
        return made

    def run(self, *words, name=None, env=None):
        """pull x:1 from the registry, by another of its names too."""
        host = self.registry.host if name is None else f"{name}:{self.registry.port}"
        trust = ["--cert-dir", f"{self.engine.dir}/certs"] if self.registry.scheme == "https" else ["--tls-verify=false"]
        argv = ["ip", "netns", "exec", self._net, *self.engine.argv("pull", *trust, *words, f"{host}/x:1")]
        return self.engine.run(argv=argv, env={"SERVIN_TRANSFER_TRIES": "2", **(env or {})})

    def ok(self, *words, **more):
        result = self.run(*words, **more)
        assert result.code == 0, str(result)
        for image in set(self.engine.ok("images", "-q").lines):
            self.engine.ok("rmi", "-f", image)

    def refused(self, *words, code="E-REGISTRY-REDIRECT", match, **more):
        result = self.run(*words, **more)
        assert result.code == 125 and match in result.err, str(result)
        assert result.err.splitlines()[-1] == f"  more: servin help {code}", result.err
        assert "registry.site.test" in result.err or self.registry.host in result.err, result.err
        assert "very-secret-word" not in result.err
        assert not self.engine.run("images", "-q").lines

    def close(self):
        for server in self._all:
            server.close()


@pytest.fixture
def world(engine, net):
    made = []

    def make(**how):
        made.append(World(engine, net, **how))
        return made[0]

    yield make
    for one in made:
        one.close()


def secrets(server):
    return [request for request in server.requests if "Authorization" in request[2] or "very-secret" in str(request)]


# Each with where it leads from an https registry at a public address: "token server" or "redirect" to these is refused.
REFUSED = [
    "http://{registry}/{path}", "http://203.0.113.6:{port}/{path}", "https://127.0.0.1:{port}/{path}", "https://localhost:{port}/{path}",
    "https://127.1:{port}/{path}", "https://0x7f000001:{port}/{path}", "https://[::1]:{port}/{path}", "https://[::ffff:127.0.0.1]:{port}/{path}",
    "https://0.0.0.0:{port}/{path}", "https://10.9.8.7:{port}/{path}", "https://192.168.1.1:{port}/{path}", "https://172.16.0.1/{path}",
    "https://100.64.0.1/{path}", "https://[fd12::1]/{path}", "https://169.254.169.254:{port}/{path}", "https://2852039166/{path}",
    "https://[fd00:ec2::254]/{path}", "https://[fe80::1]/{path}", "https://224.0.0.1/{path}", "https://me:word@203.0.113.6:{port}/{path}",
    "ftp://203.0.113.6/{path}", "file:///etc/passwd", "https://loop.other.test:{port}/{path}", "https://private.other.test:{port}/{path}",
    "https://meta.other.test:{port}/{path}"]


def listeners(world):
    """Whoever is asked there although he should not: one port at all addresses."""
    first = world.serve("127.0.0.1")
    others = [world.serve(address, port=first.port) for address in [OTHER, *INSIDE]]
    return [first, *others, world.serve("::1", port=first.port)], first.port


@pytest.mark.deadline(300)
def test_token_servers_that_are_refused(world):
    """CVE-2026-48978's matrix: no request there, with or without credentials."""
    w = world()
    others, port = listeners(w)
    w.registry.tokens = True
    for form in REFUSED:
        w.registry.realm = form.format(registry=w.registry.host, port=port, path="token")
        for words in (CREDS, []):
            # Another domain is no place for credentials, whatever its address is.
            code = "E-REGISTRY-TOKEN-SERVER" if words and "other.test" in form else "E-REGISTRY-REDIRECT"
            w.refused(*words, code=code, match=f"registry {w.registry.host}")
    assert not any(server.requests for server in others)
    assert not secrets(w.registry)


def test_token_servers_that_may_be_asked(world):
    """Credentials go to the registry's host and domain; elsewhere only by SERVIN_TOKEN_SERVERS. Who has none asks anybody."""
    w = world()
    w.registry.tokens = True
    other = w.serve(OTHER)
    other.issue_for(w.registry)
    neighbour = w.serve(REGISTRY)
    neighbour.issue_for(w.registry)
    w.registry.realm = f"https://{other.host}/token"
    w.ok()
    w.registry.users = other.users = neighbour.users = USERS
    w.registry.realm = f"https://{neighbour.host}/token"  # another port of the same host
    w.ok(*CREDS)
    w.registry.realm = f"https://auth.site.test:{other.port}/token"
    w.ok(*CREDS, name="registry.site.test")
    other.requests.clear()
    for realm in (f"https://{other.host}/token", f"https://cdn.other.test:{other.port}/token"):
        w.registry.realm = realm
        w.refused(*CREDS, code="E-REGISTRY-TOKEN-SERVER", match="wants the credentials sent to", name="registry.site.test")
    assert not other.requests
    w.ok(*CREDS, name="registry.site.test", env={"SERVIN_TOKEN_SERVERS": "auth.example, cdn.other.test"})
    assert secrets(other)
    assert not [r for r in w.registry.requests if "Basic" in r[2].get("Authorization", "")], "a token instead of the password"


def test_a_plain_registry_may_have_a_plain_token_server(world):
    """Where the person has allowed plain http; not at this machine, in private networks and so on."""
    w = world(tls=False)
    w.registry.tokens = True
    other, local = w.serve(OTHER, tls=False), w.serve("127.0.0.1", tls=False)
    other.issue_for(w.registry)
    w.registry.realm = f"http://{other.host}/token"
    w.ok()
    other.requests.clear()
    w.refused(*CREDS, code="E-REGISTRY-TOKEN-SERVER", match=OTHER)
    for realm in (f"http://{local.host}/token", "http://169.254.169.254/token", "http://10.9.8.7/token"):
        w.registry.realm = realm
        w.refused(*CREDS, match="token server")
    assert not other.requests and not local.requests


@pytest.mark.deadline(300)
@pytest.mark.parametrize("where", ["manifests", "blobs"])
def test_redirects_that_are_refused(world, where):
    w = world()
    others, port = listeners(w)
    w.registry.users = USERS
    for form in REFUSED:
        target = form.format(registry=w.registry.host, port=port, path="x")
        w.registry.hook = lambda request, to=target: f"/{where}/" in request.path and (request.answer(307, headers=[("Location", to)]) or True)
        w.refused(*CREDS, match="registry")
    assert not any(server.requests for server in others)


def test_redirects_that_are_followed(world):
    """To another public host: without credentials, cookies and the client's certificate; and not back with them."""
    w = world()
    other = w.serve(OTHER)
    other.put("x:1", w.image)
    w.registry.users = USERS

    def away(request):
        if "/blobs/" not in request.path or "back" in request.path:
            return False
        request.answer(307, headers=[("Location", f"https://{other.host}{request.path}"), ("Set-Cookie", "session=very-secret")])
        return True

    w.registry.hook = away
    w.ok(*CREDS)
    assert other.asked("GET", "/blobs/") and not secrets(other)
    assert not [r for r in [*other.requests, *w.registry.requests] if "Cookie" in r[2]]
    # There and back: what was dropped on the way stays dropped.
    other.hook = lambda request: request.answer(307, headers=[("Location", f"https://{w.registry.host}{request.path}?back")]) or True
    result = w.run(*CREDS)
    assert result.code == 125 and "servin help E-REGISTRY-DENIED" in result.err
    assert not [r for r in w.registry.asked("GET", "back") if "Authorization" in r[2]]


@pytest.mark.parametrize("challenge", ["Bearer", "Basic"])
def test_only_the_registry_names_a_token_server(world, challenge):
    """Whom it leads to asks for credentials, by a token server of the registry's own domain too: he gets none."""
    w = world()
    other, third = w.serve(OTHER), w.serve(REGISTRY)
    w.registry.users = USERS
    for server in (other, third):
        server.hook = lambda request: request.answer(401, headers=[("WWW-Authenticate", f'{challenge} realm="https://{third.host}/token"')]) or True
    w.registry.hook = lambda request: "/blobs/" in request.path and (
        request.answer(307, headers=[("Location", f"https://{other.host}{request.path}")]) or True)
    w.refused(*CREDS, code="E-REGISTRY-DENIED", match="denies")
    assert other.requests and not secrets(other)
    assert not third.requests


def test_uploads_to_another_host(world):
    """The place of an upload is an address of the registry's choice: the same rules."""
    w = world()
    others, port = listeners(w)
    w.registry.users = USERS

    def push(target):
        def hook(request):
            if request.command != "POST":
                return False
            request.answer(202, headers=[("Location", target)])
            return True

        w.registry.hook = hook
        argv = ["ip", "netns", "exec", w._net, *w.engine.argv("push", "--cert-dir", f"{w.engine.dir}/certs", *CREDS, "base",
                                                              f"{w.registry.host}/base:1")]
        return w.engine.run(argv=argv, env={"SERVIN_TRANSFER_TRIES": "2"})

    for form in ("http://{registry}/{path}", "https://127.0.0.1:{port}/{path}", "https://meta.other.test:{port}/{path}", "https://10.9.8.7:{port}/{path}"):
        result = push(form.format(registry=w.registry.host, port=port, path="upload"))
        assert result.code == 125 and "servin help E-REGISTRY-REDIRECT" in result.err, str(result)
    assert not any(server.requests for server in others)
    push(f"https://{OTHER}:{port}/v2/base/blobs/uploads/1")
    assert others[1].asked("PUT", "/uploads/") and not secrets(others[1])


def test_a_registry_with_several_addresses(world):
    """It is where it answers from, not where nobody listened; and stays there."""
    w = world(address="10.9.8.7")
    w.ok(name="both.other.test")
    w.registry.hook = lambda request: "/blobs/" in request.path and (request.answer(307, headers=[("Location", "https://127.0.0.1:1/x")]) or True)
    result = w.run(name="both.other.test")
    assert result.code == 125 and "that is this machine" in result.err, str(result)


def test_a_name_that_moves_into_this_machine(world, net):
    """DNS rebinding: after the first answers the registry's name means this machine. What asks anew is not led there."""
    w = world()
    image = TestImage(*(gzipped(File(f"f{number}", str(number))) for number in range(6)))
    w.registry.put("x:1", image)
    local = w.serve("127.0.0.1", port=w.registry.port)
    local.put("x:1", image)
    hosts = pathlib.Path("/etc/netns", net, "hosts")

    def hook(request):
        if image.id in request.path:  # the same file: it is mounted where the engine is
            hosts.write_text(HOSTS.replace(f"{REGISTRY} registry", "127.0.0.1 registry"))
        if "/blobs/" in request.path:
            request.close_connection = True
        return False

    w.registry.hook = hook
    try:
        result = w.run(name="registry.site.test")
    finally:
        hosts.write_text(HOSTS)
    assert result.code == 125 and "servin help E-REGISTRY-REDIRECT" in result.err and "this machine" in result.err, str(result)
    assert not local.requests


def test_a_registry_at_an_odd_address_is_no_way_to_others(world):
    """Who names a link-local address himself gets it; from there nothing leads to this machine."""
    w = world(address="169.254.10.10")
    w.ok()
    for target in ("https://127.0.0.1:1/x", "https://10.9.8.7/x"):
        w.registry.hook = lambda request, to=target: "/blobs/" in request.path and (request.answer(307, headers=[("Location", to)]) or True)
        w.refused(match="registry")


def test_a_name_that_leads_to_the_metadata_service(world):
    """DNS is the attacker's: the name of a registry that means a link-local address is refused."""
    w = world(address="169.254.169.254")
    result = w.run(name="meta.other.test")
    assert result.code == 125 and "servin help E-REGISTRY-REDIRECT" in result.err, str(result)
    assert not w.registry.requests
