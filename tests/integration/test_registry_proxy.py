# SPDX-License-Identifier: Apache-2.0
"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY: a proxy carries, and learns nothing."""
import base64
import pathlib
import socket

import pytest

from support.imagebuilder import busybox
from support.proxy import Proxy
from support.registry import FakeRegistry, TestImage, compressed, make_ca

NAME = "registry.example"  # no DNS knows it: only the proxy leads there
SECRET = "very-secret-word"


@pytest.fixture
def behind(engine, cleanup):
    """A registry called NAME that only a proxy can reach. Returns it, and what makes proxies."""
    files = make_ca(f"{engine.dir}/ca", name=NAME)
    registry = FakeRegistry(tls=files, users={"me": SECRET})
    cleanup.append(registry)
    registry.put("team/x:1", TestImage(compressed(busybox())))
    folder = pathlib.Path(engine.dir, "certs")
    folder.mkdir()
    (folder / "ca.crt").symlink_to(files["ca.pem"])

    def proxy(**how):
        made = Proxy(registry.port, **how)
        cleanup.append(made)
        return made

    return registry, proxy, ["--cert-dir", folder]


def refused(engine, *words, match, cure, env):
    result = engine.fails("pull", *words, match=match, env={"SERVIN_TRANSFER_TRIES": "2", **env})
    assert cure in result.err, result.err
    assert result.err.splitlines()[-1] == "  more: servin help E-REGISTRY-PROXY", result.err
    return result


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("more", ["", "Content-Length: 0\r\nWWW-Authenticate: Basic realm=x\r\nLocation: http://169.254.169.254/\r\n"])
def test_tunnel(engine, behind, variable, more):
    """pull, run and push through CONNECT; the proxy sees names and TLS, no credentials. What it says of the tunnel is not taken
    for the registry's words."""
    registry, make_proxy, trust = behind
    proxy = make_proxy(more=more)
    env = {variable: f"http://{proxy.host}"}
    auth = pathlib.Path(engine.dir, "auth.json")
    auth.write_text('{"auths": {"%s": {"auth": "%s"}}}' % (NAME, base64.b64encode(f"me:{SECRET}".encode()).decode()))
    engine.ok("pull", *trust, "--authfile", auth, f"{NAME}/team/x:1", env=env)
    assert engine.ok("run", "--rm", "--network", "none", f"{NAME}/team/x:1", "echo", "x", env=env).out == "x\n"
    engine.ok("push", *trust, "--authfile", auth, "base", f"{NAME}/team/base:1", env=env)
    assert [r for r in registry.requests if r[2].get("Authorization")]
    heads = b"".join(proxy.heads)
    assert proxy.heads and all(head.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n".encode()) for head in proxy.heads)
    assert b"authorization" not in heads.lower()
    for secret in (SECRET.encode(), base64.b64encode(f"me:{SECRET}".encode())):
        assert secret not in heads + bytes(proxy.seen)


def test_proxy_with_a_password(engine, behind):
    """It gets its own password, and the registry does not; no message has it in it."""
    registry, make_proxy, trust = behind
    registry.users = None
    proxy = make_proxy(user="proxy:proxy-word")
    name = f"{NAME}/team/x:1"
    refused(engine, *trust, name, match=f"registry {NAME}: the proxy {proxy.host} wants a user and a password", cure="USER:PASSWORD@",
            env={"HTTPS_PROXY": f"http://{proxy.host}"})
    wrong = refused(engine, *trust, name, match="407", cure="USER:PASSWORD@", env={"HTTPS_PROXY": f"http://proxy:wrong-word@{proxy.host}"})
    assert "wrong-word" not in wrong.err
    engine.ok("pull", *trust, name, env={"HTTPS_PROXY": f"http://proxy:proxy-word@{proxy.host}"})
    assert not [r for r in registry.requests if "proxy" in str(r[2]).lower()]


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway", "200x"])
def test_proxy_that_refuses(engine, behind, status):
    _, make_proxy, trust = behind
    proxy = make_proxy(refuse=status)
    env = {"HTTPS_PROXY": f"http://{proxy.host}"}
    if status == "200x":  # a tunnel that leads nowhere
        engine.fails("pull", *trust, f"{NAME}/team/x:1", env=env, match=f"registry {NAME}")
        return
    refused(engine, *trust, f"{NAME}/team/x:1", match=f"registry {NAME}: the proxy {proxy.host} refuses the way there ({status[:3]})",
            cure="NO_PROXY", env=env)


def test_proxy_that_is_not_there(engine, behind):
    _, _, trust = behind
    name = f"{NAME}/team/x:1"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    for address, match in ((f"http://u:hidden-word@{nobody}", f"the proxy {nobody} cannot be reached"),
                           ("http://u:hidden-word@nosuch.invalid:3128", "the proxy nosuch.invalid:3128 has a name that nobody knows"),
                           ("ftp://u:hidden-word@x:1", "the proxy's address is none"), ("http://u:hidden-word@:x", "the proxy's address is none")):
        result = refused(engine, *trust, name, match=f"registry {NAME}: {match}", cure="PROXY", env={"HTTPS_PROXY": address})
        assert "hidden-word" not in result.err


def test_no_proxy(engine, behind):
    """Who is named in NO_PROXY, and this machine, are reached without."""
    registry, make_proxy, trust = behind
    registry.users = None
    proxy = make_proxy()
    env = {"HTTPS_PROXY": f"http://{proxy.host}", "HTTP_PROXY": f"http://{proxy.host}"}
    engine.fails("pull", *trust, f"{NAME}/team/x:1", env={**env, "NO_PROXY": "other, .example"}, match="no such host")
    engine.ok("pull", "--tls-verify=false", f"{registry.host}/team/x:1", env=env)
    assert not proxy.heads
    engine.ok("pull", *trust, f"{NAME}/team/x:1", env={**env, "NO_PROXY": "other,sub.registry.example,registry.example:5000"})
    assert proxy.heads


def test_plain_http_through_a_proxy(engine, cleanup):
    """HTTP_PROXY is asked with the whole address, once it is known that the registry has no TLS."""
    registry = FakeRegistry()
    cleanup.append(registry)
    registry.put("x:1", TestImage())
    tunnel = Proxy(registry.port)
    cleanup.append(tunnel)
    env = {"HTTPS_PROXY": f"http://{tunnel.host}", "HTTP_PROXY": f"http://{registry.host}", "SERVIN_TRANSFER_TRIES": "2"}
    name, start = f"{NAME}:5000/x:1", f"http://{NAME}:5000/"
    engine.fails("pull", name, env=env, match="no TLS connection")
    assert not registry.requests

    def hook(request):
        assert request.path.startswith(start)
        request.path = request.path[len(start) - 1:]
        return False

    registry.hook = hook
    engine.ok("pull", "--tls-verify=false", name, env=env)
    assert registry.requests and all(r[1].startswith(start) for r in registry.requests)
    registry.hook = lambda request: request.answer(407) or True
    refused(engine, "--tls-verify=false", name, match=f"registry {NAME}:5000: the proxy wants a user and a password", cure="USER:PASSWORD@", env=env)


def test_behind_a_proxy_the_rules_for_redirects_are_the_same(engine, behind):
    """What the proxy's network is, we do not know: this machine is not in it."""
    registry, make_proxy, trust = behind
    registry.users = None
    proxy = make_proxy()
    for target in ("https://127.0.0.1:1/x", "https://169.254.169.254/x", f"http://{NAME}/x"):
        registry.hook = lambda request, to=target: "/blobs/" in request.path and (request.answer(307, headers=[("Location", to)]) or True)
        result = engine.fails("pull", *trust, f"{NAME}/team/x:1", env={"HTTPS_PROXY": f"http://{proxy.host}"}, match=NAME)
        assert "servin help E-REGISTRY-REDIRECT" in result.err
    assert not [head for head in proxy.heads if not head.startswith(f"CONNECT {NAME}:443 ".encode())]
