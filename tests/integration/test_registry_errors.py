# SPDX-License-Identifier: Apache-2.0
"""Registries that lie, stall, break, redirect or refuse: a clear error that names what happened, and no trace in the
store."""
import json
import os
import socket
import threading

import pytest

from support.imagebuilder import File
from support.registry import DOCKER, OCI, FakeRegistry, TestImage, children, digest, gzipped, make_ca, noise
from support.registry_errors import QUICK, explained

def no_download_left(engine):
    folder = f"{engine.root}/downloads"
    assert not os.path.isdir(folder) or not os.listdir(folder)


def test_wrong_digest(engine, registry):
    image = TestImage(gzipped(File("a", "a")), gzipped(File("b", "b")))
    registry.put("x:1", image)
    victim = digest(image.layers[1])
    data = bytearray(image.layers[1])
    data[-1] ^= 1
    registry.blobs[victim] = bytes(data)
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=victim[7:])
    no_download_left(engine)


def test_wrong_config(engine, registry):
    image = TestImage()
    registry.put("x:1", image)
    registry.blobs[image.id] = image.config.replace(b"/hello", b"/evil!")
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=image.id)


def test_other_content_for_a_pinned_digest(engine, registry):
    wanted = registry.put("x:1", TestImage())
    other = TestImage(gzipped(File("other", "x")))
    registry.put("x:2", other)
    registry.manifests["x", wanted] = (other.type, other.manifest)
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x@{wanted}", match=wanted)


def test_header_with_another_digest(engine, registry):
    image = TestImage()
    registry.put("x:1", image)

    def hook(request):
        if "/manifests/" not in request.path:
            return False
        request.answer(200, image.manifest, image.type, [("Docker-Content-Digest", digest(b"other"))])
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=digest(b"other"))


@pytest.mark.parametrize("kind", ["text/html", "", OCI + "index.v1+json", OCI + "manifest.v1+json; charset=x"])
def test_content_type(engine, registry, kind):
    image = TestImage()
    registry.put("x:1", image)
    registry.manifests["x", "1"] = (kind, image.manifest)
    if kind.startswith(image.type):  # parameters do not matter
        engine.ok("pull", f"{registry.host}/x:1")
    else:
        explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match="a manifest")


def test_index_and_manifest_at_once(engine, registry):
    image = TestImage()
    both = json.dumps({**image.document, "manifests": []}).encode()
    registry.put_manifest("x", "1", image.type, both)
    explained(engine, "E-IMAGE-INVALID", "pull", f"{registry.host}/x:1", match="manifest")


def test_schema_one(engine, registry):
    registry.put_manifest("x", "1", DOCKER + "distribution.manifest.v1+prettyjws", b'{"schemaVersion": 1}')
    explained(engine, "E-REGISTRY-SCHEMA1", "pull", f"{registry.host}/x:1", match="schema 1")


@pytest.mark.parametrize("by", [-1, 1, 10**11])
def test_wrong_size(engine, registry, by):
    image = TestImage(noise("sized", 100_000))
    image.document["layers"][0]["size"] += by
    registry.put("x:1", image)
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match=digest(image.layers[0]))
    no_download_left(engine)


def test_stream_without_end(engine, registry):
    image = TestImage(noise("endless", 100_000))
    registry.put("x:1", image)
    given = []

    def hook(request):
        if digest(image.layers[0]) not in request.path:
            return False
        request.send_response(200)
        request.send_header("Content-Type", "application/octet-stream")
        request.end_headers()
        request.close_connection = True
        try:
            while len(given) < 10_000:
                request.wfile.write(image.layers[0])
                given.append(1)
        except OSError:
            pass
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match="more than its")
    assert len(given) < 1000


def test_a_layer_larger_than_the_limit_is_not_fetched(engine, registry):
    image = TestImage()
    image.document["layers"][0]["size"] = 1 << 50
    registry.put("x:1", image)
    explained(engine, "E-ARCHIVE-LIMIT", "pull", f"{registry.host}/x:1", match=str(1 << 50))
    assert not registry.asked("GET", digest(image.layers[0])[7:])


def test_manifest_without_end(engine, registry):
    def hook(request):
        if "/manifests/" not in request.path:
            return False
        request.answer(200, b"[" * (5 << 20), OCI + "manifest.v1+json")
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match="larger than")


@pytest.mark.parametrize("document", [b"[" * 100_000, b'{"a":' * 100_000, b'{"schemaVersion":2,"schemaVersion":2}', b"\xff", b""],
                         ids=["deep list", "deep object", "key twice", "no utf-8", "empty"])
def test_manifest_bombs(engine, registry, document):
    registry.put_manifest("x", "1", OCI + "manifest.v1+json", document)
    explained(engine, "E-IMAGE-INVALID", "pull", f"{registry.host}/x:1", match=f"{registry.host}/x:1")


def test_index_in_itself(engine, registry):
    inner = TestImage()
    registry.put_index("x:0", [inner])
    kind, document = registry.manifests["x", "0"]
    for depth in range(6):
        name = registry.put_manifest("x", f"{depth}", kind, document)
        entry = {"mediaType": kind, "digest": name, "size": len(document), "platform": {"os": "linux", "architecture": "amd64"}}
        document = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}).encode()
    explained(engine, "E-IMAGE-INVALID", "pull", "--platform", "linux/amd64", f"{registry.host}/x:5", match="nested")


@pytest.mark.parametrize("headers", [[("X-Large", "x" * 70_000)], [(f"X-{n}", "y" * 1000) for n in range(200)], [("X-Huge", "x" * 200_000)]])
def test_headers_without_end(engine, registry, headers):
    def hook(request):
        request.answer(200, b"{}", headers=headers)
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-LIES", "pull", f"{registry.host}/x:1", match="header")


def test_no_http_at_all(engine):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            for _ in range(8):
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        result = engine.fails("pull", f"127.0.0.1:{server.getsockname()[1]}/x", env=QUICK)
        assert "E-REGISTRY-" in result.err


def test_stall(engine, registry):
    image = TestImage(noise("stalls", 300_000))
    registry.put("x:1", image)
    over = threading.Event()

    def hook(request):
        if digest(image.layers[0]) not in request.path:
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(len(image.layers[0])))
        request.end_headers()
        request.wfile.write(image.layers[0][:1000])
        request.wfile.flush()
        over.wait(60)
        request.close_connection = True
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-STALLED", "pull", f"{registry.host}/x:1", match="nothing comes any more")
    over.set()


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/x", "file:///etc/passwd", "ftp://127.0.0.1/x",
                                    "http://user:secret@127.0.0.1/x", "http://10.0.0.0.1/", "gopher://127.0.0.1:70/"])
@pytest.mark.parametrize("where", ["manifests", "blobs"])
def test_redirects_into_other_networks(engine, registry, target, where):
    registry.put("x:1", TestImage())

    def hook(request):
        if f"/{where}/" not in request.path:
            return False
        request.answer(307, headers=[("Location", target)])
        return True

    registry.hook = hook
    result = engine.fails("pull", f"{registry.host}/x:1", env=QUICK)
    if target != "http://10.0.0.0.1/":  # that is a name that nobody has
        assert "more: servin help E-REGISTRY-REDIRECT" in result.err
    assert not engine.run("images", "-q").lines


def test_redirects_in_circles(engine, registry):
    def hook(request):
        if "/manifests/" not in request.path:
            return False
        request.answer(302, headers=[("Location", request.path)])
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-REDIRECT", "pull", f"{registry.host}/x:1", match="redirects")
    assert len(registry.asked("GET", "/manifests/")) < 20


@pytest.mark.parametrize("realm", ["http://169.254.169.254/token", "ftp://127.0.0.1/token", "http://[fe80::1]/token"])
def test_token_servers_elsewhere(engine, registry, realm):
    def hook(request):
        request.answer(401, headers=[("WWW-Authenticate", f'Bearer realm="{realm}",service="x"')])
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-REDIRECT", "pull", "--creds", "me:secret", f"{registry.host}/x:1", match="token server")


def test_tls_is_not_left_by_a_redirect(engine):
    files = make_ca(f"{engine.dir}/ca")
    plain, secure = FakeRegistry(), FakeRegistry(tls=files)
    try:
        secure.put("x:1", TestImage())
        secure.hook = lambda request: "/blobs/" in request.path and (request.answer(307, headers=[("Location", f"http://{plain.host}/x")]) or True)
        os.mkdir(f"{engine.dir}/certs")
        os.symlink(files["ca.pem"], f"{engine.dir}/certs/ca.crt")
        explained(engine, "E-REGISTRY-REDIRECT", "pull", "--cert-dir", f"{engine.dir}/certs", f"{secure.host}/x:1", match="plain http")
        assert not plain.requests
    finally:
        plain.close()
        secure.close()


def test_no_credentials_for_other_hosts(engine):
    """A redirect to another port is followed, the password stays (CVE-2020-15157's kind)."""
    first, other = FakeRegistry(users={"me": "secret"}), FakeRegistry()
    try:
        image = TestImage()
        first.put("x:1", image)
        other.put("x:1", image)
        first.hook = lambda request: "/blobs/" in request.path and (request.answer(307, headers=[("Location", f"http://{other.host}{request.path}")]) or True)
        engine.ok("pull", "--creds", "me:secret", f"{first.host}/x:1")
        assert other.asked("GET", "/blobs/")
        assert not [r for r in other.requests if "Authorization" in r[2]]
        assert [r for r in first.requests if "Authorization" in r[2]]
    finally:
        first.close()
        other.close()


def test_untrusted_certificate(engine):
    registry = FakeRegistry(tls=make_ca(f"{engine.dir}/ca"))
    try:
        registry.put("x:1", TestImage())
        explained(engine, "E-REGISTRY-TLS", "pull", f"{registry.host}/x:1", match="not trusted")
        assert not registry.requests, "a bad certificate is no reason to try plain http"
    finally:
        registry.close()


def test_denied_and_not_found(engine, registry):
    explained(engine, "E-REGISTRY-NOT-FOUND", "pull", f"{registry.host}/nosuch:1", match="nosuch:1")
    registry.users = {"me": "secret"}
    registry.put("x:1", TestImage())
    explained(engine, "E-REGISTRY-DENIED", "pull", f"{registry.host}/x:1", match=registry.host)
    result = explained(engine, "E-REGISTRY-DENIED", "pull", "--creds", "me:wrong-password", f"{registry.host}/x:1", match=registry.host)
    assert "wrong-password" not in result.err


def test_too_many_requests(engine, registry):
    """A short Retry-After is waited for; a long one (below) is told."""
    registry.put("x:1", TestImage())
    left = [2]

    def hook(request):
        if "/manifests/" not in request.path or not left[0]:
            return False
        left[0] -= 1
        request.answer(429, headers=[("Retry-After", "1")])
        return True

    registry.hook = hook
    engine.ok("pull", f"{registry.host}/x:1")
    assert left == [0]


def test_busy_token_server(engine, registry):
    """A token server that has too much to do for a moment is asked again, as a registry is."""
    registry.tokens = True
    registry.put("x:1", TestImage())
    left = [1000]

    def hook(request):
        if "/token" not in request.path or not left[0]:
            return False
        left[0] -= 1
        request.answer(503)
        return True

    registry.hook = hook
    explained(engine, "E-REGISTRY-FAILED", "pull", f"{registry.host}/x:1", match="503")
    assert left == [998]  # SERVIN_TRANSFER_TRIES
    left[0] = 1
    engine.ok("pull", f"{registry.host}/x:1")
    assert left == [0]


def test_too_many_requests_for_now(engine, registry):
    registry.hook = lambda request: "/manifests/" in request.path and (request.answer(429, headers=[("Retry-After", "3600")]) or True)
    explained(engine, "E-REGISTRY-LIMIT", "pull", f"{registry.host}/x:1", match="3600 s")


def test_failing_registry(engine, registry):
    registry.put("x:1", TestImage())
    registry.hook = lambda request: "/manifests/" in request.path and (request.answer(503) or True)
    explained(engine, "E-REGISTRY-FAILED", "pull", f"{registry.host}/x:1", match="503")
    assert len(registry.asked("GET", "/manifests/")) == 2  # SERVIN_TRANSFER_TRIES


def test_killed_helper(engine, registry):
    image = TestImage(noise("waits", 300_000))
    registry.put("x:1", image)
    reached, over = threading.Event(), threading.Event()

    def hook(request):
        if digest(image.layers[0]) not in request.path:
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(len(image.layers[0])))
        request.end_headers()
        reached.set()
        over.wait(60)
        return True

    registry.hook = hook
    pull = engine.popen("pull", f"{registry.host}/x:1")
    assert reached.wait(30)
    for pid in children(pull.pid):
        os.kill(pid, 9)
    _, err = pull.communicate(timeout=30)
    over.set()
    assert pull.returncode == 125
    assert b"servin help E-TRANSFER-LOST" in err


def test_hostile_layers_of_a_registry(engine, registry, canary):
    """The same guards as for load: nothing outside the layer is written, and nothing is kept."""
    image = TestImage(gzipped(File("../../escape", "x")))
    registry.put("x:1", image)
    explained(engine, "E-ARCHIVE-UNSAFE", "pull", f"{registry.host}/x:1", match="escape")
    no_download_left(engine)
