# SPDX-License-Identifier: Apache-2.0
"""Registries and token servers that lie about what they send, never end, or never begin. What is downloaded wrong is in
test_registry_errors.py."""
import gzip
import json
import pathlib
import socket
import threading
import time

import pytest

from support.registry import OCI, FakeRegistry, TestImage, digest, noise
from support.registry_errors import QUICK, explained

def for_paths(word, answer):
    """A hook: requests whose path has the word are answered by `answer`."""
    def hook(request):
        if word not in request.path:
            return False
        answer(request)
        return True
    return hook


def without_end(head, piece):
    """Sends `piece` again and again, until the other side hangs up. `sent` counts bytes."""
    def answer(request):
        answer.sent = 0
        request.close_connection = True
        try:
            request.wfile.write(head)
            while True:
                request.wfile.write(piece)
                answer.sent += len(piece)
        except OSError:
            pass
    answer.sent = 0
    return answer


MANIFEST_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: " + OCI.encode() + b"manifest.v1+json\r\n"
CHUNK = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
ENDLESS = {
    "chunks": (MANIFEST_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK, "is larger than"),
    "no length": (MANIFEST_HEAD + b"\r\n", b" " * 0x1000, "is larger than"),
    "small headers": (MANIFEST_HEAD, b"X: y\r\n" * 1000, "of headers"),
    "one header": (MANIFEST_HEAD + b"X: ", b"y" * 0x1000, "header"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "of headers"),
    "chunk extensions": (MANIFEST_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 0x1000, "nothing comes any more"),
    "trailers": (MANIFEST_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000, "of headers"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_answers_without_end(engine, registry, what):
    head, piece, match = ENDLESS[what]
    answer = without_end(head, piece)
    registry.hook = for_paths("/manifests/", answer)
    result = engine.fails("pull", f"{registry.host}/x:1", env=QUICK, match=f"registry {registry.host}")
    assert match in result.err and "servin help E-REGISTRY-" in result.err, result.err
    assert answer.sent < 32 << 20 or what == "chunk extensions"  # libcurl drops those by itself: it ends by time
    assert not engine.run("images", "-q").lines


def test_thousands_of_headers(engine, registry):
    registry.hook = lambda request: request.answer(200, b"{}", headers=[(f"X-{n}", "y") for n in range(9000)]) or True
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=f"registry {registry.host}: its answer has more than")


@pytest.fixture(scope="module")
def bomb():
    return gzip.compress(b"[" * (256 << 20), compresslevel=1, mtime=0)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_compressed_bombs_are_not_unpacked(engine, registry, bomb, coding):
    """Nobody asked for a compressed transfer: 256 MiB out of one stay one, which is no manifest."""
    registry.hook = for_paths("/manifests/", lambda request: request.answer(200, bomb, OCI + "manifest.v1+json", [("Content-Encoding", coding)]))
    explained(engine, "E-IMAGE-INVALID", "pull", f"{registry.host}/x:1", match="x:1")
    assert not [r for r in registry.requests if "Accept-Encoding" in r[2]]


def test_another_part_than_was_asked_for(engine, registry):
    """After a broken connection: a 206 that begins elsewhere, or with another length."""
    image = TestImage(noise("parts", 300_000))
    registry.put("x:1", image)
    data = image.layers[0]
    for wanted, headers in (("another part", [("Content-Range", f"bytes 5-{len(data) - 1}/{len(data)}")]), ("another part", []),
                            ("were announced", [("Content-Range", f"bytes 100000-{len(data) - 1}/{len(data)}")])):
        def hook(request, headers=headers):
            if digest(data) not in request.path:
                return False
            if "Range" in request.headers:
                request.answer(206, data[:1000], headers=headers)
            else:
                request.send_part(data[:100_000], len(data))
            return True

        registry.hook = hook
        explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=wanted)


# --- lists

HOSTILE_TAGS = ["../../../other/manifests/1", "a b", "a\nb", "a?b", "", "-x", "x" * 129, "a@" + digest(b""), "y/z", "\u001b[2J"]


@pytest.mark.parametrize("tag", HOSTILE_TAGS)
def test_tags_that_are_none(engine, registry, tag):
    """A list of tags is the registry's words: none of them becomes a path or a name in the store."""
    registry.put("x:1", TestImage())
    registry.hook = for_paths("/tags/list", lambda request: request.answer(200, json.dumps({"name": "x", "tags": ["1", tag]}).encode()))
    result = explained(engine, "E-REGISTRY-LIES", "pull", "-a", f"{registry.host}/x", match=f"registry {registry.host}")
    assert "\x1b" not in result.err
    assert not registry.asked("GET", "/manifests/")


@pytest.mark.parametrize("way", ["circle", "always another"])
def test_lists_without_end(engine, registry, way):
    count = [0]

    def page(request):
        count[0] += 1
        number = 1 if way == "circle" else count[0]
        request.answer(200, json.dumps({"tags": ["1"]}).encode(), headers=[("Link", f'</v2/x/tags/list?last={number}>; rel="next"')])

    registry.hook = for_paths("/tags/list", page)
    explained(engine, "E-REGISTRY-LIES", "pull", "-a", f"{registry.host}/x", match="the list has no end")
    assert count[0] <= 1001


def test_next_page_at_another_host(engine, registry):
    """Followed as any redirect: without credentials."""
    registry.users = {"me": "secret"}
    registry.put("x:1", TestImage())
    other = FakeRegistry()
    try:
        other.put("x:2", TestImage())
        registry.hook = for_paths("/tags/list", lambda request: request.answer(
            200, json.dumps({"tags": ["1"]}).encode(), headers=[("Link", f'<http://{other.host}/v2/x/tags/list>; rel="next"')]))
        engine.run("pull", "-a", "--creds", "me:secret", f"{registry.host}/x", env=QUICK)
        assert other.requests and not [r for r in other.requests if "Authorization" in r[2]]
        registry.hook = for_paths("/tags/list", lambda request: request.answer(
            200, json.dumps({"tags": ["1"]}).encode(), headers=[("Link", '<http://169.254.169.254/x>; rel="next"')]))
        explained(engine, "E-REGISTRY-REDIRECT", "pull", "-a", f"{registry.host}/x", "--creds", "me:secret", match="169.254.169.254")
    finally:
        other.close()


def test_search_results_are_text(engine, registry):
    registry.hook = for_paths("/v1/search", lambda request: request.answer(200, json.dumps({"results": [
        {"name": "evil\u001b]0;x\u0007", "description": "\u001b[31mred\nline"}, {"name": 7}, "text", {"name": "good", "star_count": -1}]}).encode()))
    out = engine.ok("search", f"{registry.host}/x").out
    assert "good" in out and "\x1b" not in out and "\x07" not in out and len(out.splitlines()) == 3


# --- token servers

@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"token": 7}', b'{"token": ""}', b'{"token": "a\\r\\nX-Evil: 1"}', b'{"token": "a b"}',
                                  b'{"access_token": "\\u00e9"}', b"[" * 100_000, b'{"token": "' + b"x" * 70_000 + b'"}'])
def test_tokens_that_are_none(engine, registry, body):
    registry.tokens = True
    registry.put("x:1", TestImage())
    registry.hook = for_paths("/token", lambda request: request.answer(200, body))
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=f"registry {registry.host}: the token server's answer")
    assert not [r for r in registry.requests if "X-Evil" in r[2]]


def test_token_server_without_end_and_one_that_redirects(engine, registry):
    registry.tokens = True
    answer = without_end(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" " * 4096)
    registry.hook = for_paths("/token", answer)
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match="is larger than")
    registry.hook = for_paths("/token", lambda request: request.answer(307, headers=[("Location", "http://127.0.0.1:9/token")]))
    explained(engine, "E-REGISTRY-FAILED", "pull", "--creds", "me:secret", f"{registry.host}/x:1", match="307")


# --- silence

@pytest.mark.parametrize("at", ["/v2/", "/token", "/manifests/", "/blobs/"])
@pytest.mark.parametrize("drip", [False, True])
def test_silence(engine, registry, at, drip):
    """Nothing comes, or a byte now and then: an end all the same."""
    registry.tokens = True
    registry.put("x:1", TestImage())
    over = threading.Event()

    def answer(request):
        request.close_connection = True
        try:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.2 if drip else 60):
                request.wfile.write(b"x")
        except OSError:
            pass

    def hook(request):
        if request.path != at if at == "/v2/" else at not in request.path:
            return False
        answer(request)
        return True

    registry.hook = hook
    try:
        explained(engine, "E-REGISTRY-STALLED", "pull", f"{registry.host}/x:1", match=f"registry {registry.host}")
    finally:
        over.set()


def test_silence_in_the_handshake(engine):
    """Who accepts and says nothing, not even in TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        explained(engine, "E-REGISTRY-STALLED", "pull", f"{host}/x:1", match=f"registry {host}")


def test_a_push_that_nobody_reads(engine, registry):
    """The upload's body is not taken."""
    over = threading.Event()
    data = noise("not read", 24 << 20)
    pathlib.Path(engine.dir, "layer.tar").write_bytes(gzip.decompress(data))
    engine.ok("import", f"{engine.dir}/layer.tar", "large:1")

    original = registry._server.RequestHandlerClass.serve

    def serve(handler):
        if handler.command != "PUT":
            return original(handler)
        registry.note("PUT", handler.path, dict(handler.headers.items()))
        over.wait(60)
        handler.close_connection = True
        return None

    registry._server.RequestHandlerClass.do_PUT = serve
    try:
        explained(engine, "E-REGISTRY-STALLED", "push", "large:1", f"{registry.host}/large:1", match=f"registry {registry.host}")
    finally:
        over.set()
    assert len(registry.asked("PUT", "/uploads/")) <= 4  # config and layer, SERVIN_TRANSFER_TRIES each


# --- Retry-After

@pytest.mark.parametrize("value", ["3600", "61", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_long_waits_are_told_and_not_waited_for(engine, registry, value):
    registry.hook = for_paths("/manifests/", lambda request: request.answer(429, headers=[("Retry-After", value)]))
    result = explained(engine, "E-REGISTRY-LIMIT", "pull", f"{registry.host}/x:1", match=f"registry {registry.host} has had enough requests for now: try again in")
    assert "wait, or log in" in result.err
    assert len(registry.asked("GET", "/manifests/")) == 1


@pytest.mark.parametrize("value", ["0", "-5", "soon", "", "1e9", "9" * 30, "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_waits_that_make_no_sense(engine, registry, value):
    """As if it said nothing: tried again after our own pause, and not without end."""
    registry.hook = for_paths("/manifests/", lambda request: request.answer(503, headers=[("Retry-After", value)]))
    explained(engine, "E-REGISTRY-FAILED", "pull", f"{registry.host}/x:1", match="503")
    assert len(registry.asked("GET", "/manifests/")) == 2  # SERVIN_TRANSFER_TRIES


def test_short_waits_are_kept(engine, registry):
    """The second request does not come before its time."""
    registry.put("x:1", TestImage())
    times = []

    def hook(request):
        if "/manifests/" not in request.path:
            return False
        times.append(time.monotonic())
        if len(times) > 1:
            return False
        request.answer(503, headers=[("Retry-After", "2")])
        return True

    registry.hook = hook
    engine.ok("pull", f"{registry.host}/x:1", env=QUICK)
    assert times[1] - times[0] >= 2
