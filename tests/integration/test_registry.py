# SPDX-License-Identifier: Apache-2.0
"""pull, push, login, logout, search and run --pull, against Debian's docker-registry and a registry of our own."""
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from support.imagebuilder import File, busybox
from support.registry import OCI, FakeRegistry, Registry, TestImage, certs_folder, compressed, digest, gzipped, make_ca, noise, noise_layout
from support.schema import conforms
from support.tools import DEEP

NO_TLS = "--tls-verify=false"


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """docker-registry without TLS, for all tests of this file."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.close()


@pytest.fixture
def fake():
    registry = FakeRegistry()
    yield registry
    registry.close()


def runnable(*more):
    return TestImage(compressed(busybox()), *more)


def skopeo(*args):
    return subprocess.run(["skopeo", *args], check=True, capture_output=True, text=True, timeout=120).stdout


def manifest_digest(registry, name):
    return json.loads(skopeo("inspect", NO_TLS, f"docker://{registry.host}/{name}"))["Digest"]


# --- with foreign tools

@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_skopeo_pushed(engine, images, debian, form):
    archive = images.path("busybox", "oci.tar")
    name = f"{debian.host}/from-skopeo/{form}:1"
    skopeo("copy", "-q", "--dest-tls-verify=false", "--format", form, f"oci-archive:{archive}", f"docker://{name}")
    pulled = engine.ok("pull", name)
    assert pulled.lines[-1] == name
    assert f"Digest: {manifest_digest(debian, f'from-skopeo/{form}:1')}" in pulled.out
    assert engine.ok("run", "--rm", "--network", "none", name, "echo", "runs").out == "runs\n"
    again = engine.ok("pull", name)
    assert "up to date" in again.out


def test_what_we_push(engine, images, debian):
    """skopeo and umoci read it. The layers that came as gzip go back with the same digests."""
    name = f"{debian.host}/from-us/busybox:1"
    engine.load("busybox", "oci.tar")
    pushed = engine.ok("push", "busybox", name).out
    remote = manifest_digest(debian, "from-us/busybox:1")
    assert pushed == f"1: digest: {remote} size: {len(skopeo('inspect', '--raw', NO_TLS, f'docker://{name}'))}\n"
    ours = engine.ok("image", "inspect", "busybox").json()[0]
    layout = f"{engine.dir}/layout"
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}:copied")
    index = json.loads(pathlib.Path(layout, "index.json").read_text())
    assert index["manifests"][0]["digest"] == remote
    manifest = json.loads(pathlib.Path(layout, "blobs/sha256", remote[7:]).read_text())
    assert manifest["config"]["digest"] == ours["Id"]
    listed = subprocess.run(["umoci", "ls", "--layout", layout], check=True, capture_output=True, text=True).stdout
    assert listed.split() == ["copied"]


def test_podman_has_the_same_digests(engine, images, debian):
    """What we push it pulls, what it pushes we pull."""
    podman = ["podman", "--root", f"{engine.dir}/podman", "--runroot", f"{engine.dir}/podman-run", "--tmpdir", f"{engine.dir}/podman-tmp",
              "--storage-driver", "vfs", "--events-backend", "none"]

    def run(*words):
        return subprocess.run([*podman, *words], check=True, capture_output=True, text=True, env=engine.environment()).stdout.strip()

    ours, theirs = f"{debian.host}/ours/busybox:1", f"{debian.host}/theirs/busybox:1"
    engine.load("busybox", "oci.tar")
    engine.ok("push", "busybox", ours)
    run("pull", "-q", NO_TLS, ours)
    assert run("image", "inspect", "--format", "{{.Digest}}", ours) == manifest_digest(debian, "ours/busybox:1")
    assert f"sha256:{run('image', 'inspect', '--format', '{{.Id}}', ours)}" == engine.ok("image", "inspect", "busybox").json()[0]["Id"]
    run("push", "-q", NO_TLS, ours, theirs)
    assert f"Digest: {manifest_digest(debian, 'theirs/busybox:1')}" in engine.ok("pull", theirs).out
    assert engine.ok("run", "--rm", theirs, "echo", "runs").out == "runs\n"


def test_uncompressed_layers_become_gzip(engine, debian, make_engine):
    """docker-archive has plain layers: what is sent is gzip, the same each time, and gives the same image."""
    name = f"{debian.host}/plain/base:1"
    first = engine.ok("push", "base", name).out
    assert engine.ok("push", "base", name).out == first
    other = make_engine()
    other.ok("pull", name)
    assert other.ok("image", "inspect", name).json()[0]["Id"] == engine.ok("image", "inspect", "base").json()[0]["Id"]
    manifest = json.loads(skopeo("inspect", "--raw", NO_TLS, f"docker://{name}"))
    assert {layer["mediaType"] for layer in manifest["layers"]} == {OCI + "layer.v1.tar+gzip"}


def test_mounted_from_another_repository(engine, images, debian):
    engine.load("debian", "oci.tar")
    first = engine.ok("push", "--progress", "plain", "debian", f"{debian.host}/mount/first:1")
    assert "pushing" in first.err
    engine.ok("tag", "debian", f"{debian.host}/mount/first:1")
    second = engine.ok("push", "--progress", "plain", "debian", f"{debian.host}/mount/second:1")
    assert "mounted" in second.err
    assert "pushing" not in second.err
    third = engine.ok("push", "--progress", "plain", "debian", f"{debian.host}/mount/second:2")
    assert "already there" in third.err


def test_all_tags_and_search(engine, debian, make_engine, source):
    engine.ok("tag", "base", f"{debian.host}/many/tags:1")
    engine.ok("tag", "base", f"{debian.host}/many/tags:2")
    assert len(engine.ok("push", "--all-tags", f"{debian.host}/many/tags").lines) == 2
    other = make_engine()
    other.ok("pull", "-q", "-a", f"{debian.host}/many/tags")
    assert {line.split()[1] for line in other.ok("images").lines[1:]} == {"1", "2"}
    found = engine.ok("search", f"{debian.host}/many", "--format", "{{.Name}}")
    assert found.lines == ["many/tags"]
    schema = json.loads((source / "docs/schemas.json").read_text())["search"]
    lines = engine.ok("search", f"{debian.host}/many", "--format", "json").lines
    assert len(lines) == 1
    conforms(json.loads(lines[0]), schema, "search")


# --- who we are

def test_tls_users_and_files(engine, cleanup):
    """login keeps what works, docker's file, auth.json, --creds; logout forgets. The CA comes from certs.d."""
    files = make_ca(f"{engine.dir}/ca")
    registry = Registry(f"{engine.dir}/registry", files, user=True)
    cleanup.append(registry)
    certs = f"{engine.dir}/certs"
    os.mkdir(certs)
    os.symlink(files["ca.pem"], f"{certs}/ca.crt")
    trust = ["--cert-dir", certs]
    name = f"{registry.host}/private:1"
    config = pathlib.Path(engine.home, ".docker/config.json")

    engine.fails("push", *trust, "base", name, match="denies")
    engine.fails("login", *trust, "-u", "me", "--password-stdin", registry.host, input="wrong\n", match="denies")
    assert not config.exists()
    logged = engine.ok("login", *trust, "-u", "me", "--password-stdin", registry.host, input="secret word\n")
    assert logged.out == "Login Succeeded\n"
    assert config.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(config.read_text())["auths"]) == [registry.host]
    engine.ok("push", *trust, "base", name)
    kept = json.loads(config.read_text())
    engine.ok("logout", registry.host)
    assert json.loads(config.read_text())["auths"] == {}
    engine.fails("logout", registry.host, match="not logged in")
    engine.fails("pull", *trust, name, match="denies")
    engine.ok("pull", *trust, "--creds", "me:secret word", name)
    other = pathlib.Path(engine.dir, "auth.json")
    other.write_text(json.dumps(kept))
    engine.ok("pull", *trust, "--authfile", other, name)
    engine.ok("pull", *trust, name, env={"REGISTRY_AUTH_FILE": other})
    # The place for all commands, run too.
    with certs_folder("/etc/containers/certs.d", registry.host) as place:
        os.symlink(files["ca.pem"], place / "ca.crt")
        engine.ok("rmi", "-f", name)
        assert engine.ok("run", "--rm", "--network", "none", name, "echo", "x", env={"REGISTRY_AUTH_FILE": other}).out == "x\n"
    engine.ok("pull", "--tls-verify=false", "--creds", "me:secret word", name)


def test_client_certificate(engine, cleanup):
    files = make_ca(f"{engine.dir}/ca")
    registry = FakeRegistry(tls={**files, "ask client": "yes"})
    cleanup.append(registry)
    registry.put("x:1", TestImage())
    certs = f"{engine.dir}/certs"
    os.mkdir(certs)
    os.symlink(files["ca.pem"], f"{certs}/ca.crt")
    engine.fails("pull", "--cert-dir", certs, f"{registry.host}/x:1", env={"SERVIN_TRANSFER_TRIES": "1"}, match=registry.host)
    os.symlink(files["client.pem"], f"{certs}/client.cert")
    engine.fails("pull", "--cert-dir", certs, f"{registry.host}/x:1", match="client.key is missing")
    os.symlink(files["client.key"], f"{certs}/client.key")
    engine.ok("pull", "--cert-dir", certs, f"{registry.host}/x:1")


def test_tokens(engine, cleanup):
    """A token server: anonymous, with a password, and with the refresh token that login got instead of it."""
    registry = FakeRegistry(users={"me": "secret"}, tokens=True)
    cleanup.append(registry)
    registry.put("team/x:1", TestImage())
    registry.refresh = "refresh-me"
    engine.fails("pull", f"{registry.host}/team/x:1", match="denies")
    engine.ok("login", "-u", "me", "--password-stdin", registry.host, input="secret")
    kept = json.loads(pathlib.Path(engine.home, ".docker/config.json").read_text())["auths"][registry.host]
    assert kept["identitytoken"] == "refresh-me"
    registry.requests.clear()
    engine.ok("pull", f"{registry.host}/team/x:1")
    assert registry.asked("POST", "/token")
    assert not registry.asked("GET", "/token")
    engine.ok("push", "base", f"{registry.host}/team/base:1")
    pathlib.Path(engine.home, ".docker/config.json").unlink()
    registry.requests.clear()
    engine.ok("pull", "--creds", "me:secret", f"{registry.host}/team/base:1")
    scopes = registry.asked("GET", "/token")
    assert len(scopes) == 1 and "repository%3Ateam%2Fbase%3Apull" in scopes[0][1]


def test_credential_helper(engine, cleanup):
    registry = FakeRegistry(users={"me": "from the helper"})
    cleanup.append(registry)
    registry.put("x:1", TestImage())
    folder = pathlib.Path(engine.dir, "bin")
    folder.mkdir()
    helper = folder / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\ncase $1 in\nget) cat {engine.dir}/kept 2>/dev/null || {{ echo 'credentials not found'; exit 1; }} ;;\n"
                      f"store) cat >{engine.dir}/kept ;;\nerase) rm {engine.dir}/kept ;;\nesac\n")
    helper.chmod(0o755)
    config = pathlib.Path(engine.home, ".docker/config.json")
    config.parent.mkdir()
    config.write_text('{"credsStore": "test", "other": 1}')
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    engine.fails("pull", f"{registry.host}/x:1", env=env, match="denies")
    engine.ok("login", "-u", "me", "--password-stdin", registry.host, input="from the helper", env=env)
    assert json.loads(pathlib.Path(engine.dir, "kept").read_text())["Secret"] == "from the helper"
    assert "helper" not in config.read_text() and json.loads(config.read_text())["other"] == 1
    engine.ok("pull", f"{registry.host}/x:1", env=env)
    engine.ok("logout", registry.host, env=env)
    assert not os.path.exists(f"{engine.dir}/kept")


HELPER_SAYS = {
    "not UTF-8": r"printf '{\"Username\": \"me\", \"Secret\": \"\351\377\"}'", "half": "printf '{\"Username\": \"me'", "a list": "echo '[]'",
    "a number": "echo 7", "nothing": "true", "too much": "tr '\\0' x </dev/zero", "deep": "head -c 900000 /dev/zero | tr '\\0' '['"}


@pytest.mark.parametrize("says", HELPER_SAYS)
def test_credential_helper_that_makes_no_sense(engine, says):
    folder = pathlib.Path(engine.dir, "bin")
    folder.mkdir()
    helper = folder / "docker-credential-odd"
    helper.write_text(f"#!/bin/sh\n{HELPER_SAYS[says]}\n")
    helper.chmod(0o755)
    config = pathlib.Path(engine.home, ".docker/config.json")
    config.parent.mkdir()
    config.write_text('{"credsStore": "odd"}')
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    result = engine.fails("pull", "localhost:1/x:1", env=env, match="docker-credential-odd")
    assert "E-CREDENTIAL-HELPER" in result.err


def test_credential_helper_gets_no_password_that_is_no_text(engine, cleanup):
    registry = FakeRegistry()
    cleanup.append(registry)
    folder = pathlib.Path(engine.dir, "bin")
    folder.mkdir()
    helper = folder / "docker-credential-odd"
    helper.write_text("#!/bin/sh\ncat >/dev/null\n")
    helper.chmod(0o755)
    config = pathlib.Path(engine.home, ".docker/config.json")
    config.parent.mkdir()
    config.write_text('{"credsStore": "odd"}')
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    result = engine.fails("login", "-u", "me", "-p", os.fsdecode(b"\xe9\xff"), registry.host, env=env, match="docker-credential-odd")
    assert "E-CREDENTIAL-HELPER" in result.err


def test_no_secret_is_seen(engine, cleanup):
    """Not in an argument, a variable or a message of any process of ours while the pull runs."""
    registry = FakeRegistry(users={"me": "very-secret-word"})
    cleanup.append(registry)
    image = TestImage(noise("secret", 200_000))
    registry.put("x:1", image)
    auth = pathlib.Path(engine.dir, "auth.json")
    auth.write_text(json.dumps({"auths": {registry.host: {"auth": "bWU6dmVyeS1zZWNyZXQtd29yZA=="}}}))
    reached, go_on = threading.Event(), threading.Event()

    def hook(request):
        if digest(image.layers[0]) in request.path:
            reached.set()
            go_on.wait(60)
        return False

    registry.hook = hook
    pull = engine.popen("--log-level", "debug", "pull", "--authfile", auth, f"{registry.host}/x:1")
    assert reached.wait(30)
    helper = [pid for pid in pathlib.Path(f"/proc/{pull.pid}/task/{pull.pid}/children").read_text().split()]
    seen = b""
    for pid in [str(pull.pid), *helper]:
        seen += pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() + pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    status = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in helper
              if b"servin-transfer" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    go_on.set()
    out, err = pull.communicate(timeout=60)
    assert pull.returncode == 0, err
    for secret in (b"very-secret-word", b"bWU6dmVyeS1zZWNyZXQtd29yZA"):
        assert secret not in seen + out + err
    # What servin-transfer is: nobody, without any right.
    fields = dict(line.split(":\t", 1) for line in status[0].splitlines() if ":\t" in line)
    assert len(set(fields["Uid"].split())) == 1 and int(fields["Uid"].split()[0]) >= 0x7C000000
    assert fields["Groups"].strip() == ""
    assert {fields[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"


# --- names

def test_mirrors_aliases_and_other_places(engine, fake, cleanup):
    mirror = FakeRegistry()
    cleanup.append(mirror)
    image = TestImage()
    mirror.put("cache/library/alpine:1", image)
    fake.put("library/alpine:2", TestImage(gzipped(File("two", "2"))))
    pathlib.Path(engine.registries_conf).write_text(f"""
unqualified-search-registries = ["docker.io"]  # not asked: a short name is docker.io's
[[registry]]
prefix = "docker.io"
location = "{fake.host}"
[[registry.mirror]]
location = "{mirror.host}/cache"
[aliases]
"known" = "docker.io/library/alpine"
""")
    assert engine.ok("pull", "-q", "alpine:1").out == "docker.io/library/alpine:1\n"
    assert not fake.asked("GET", "/v2/library")
    engine.ok("pull", "alpine:2")  # the mirror has it not
    assert engine.ok("pull", "-q", "known:1").out == "docker.io/library/alpine:1\n"
    assert "alpine" in engine.ok("images").out
    fake.requests.clear()
    mirror.requests.clear()
    engine.ok("create", "--network", "none", "known:1")
    assert not fake.requests and not mirror.requests


def test_run_and_create_pull(engine, fake):
    image = runnable()
    fake.put("app:1", image)
    name = f"{fake.host}/app:1"
    engine.fails("run", "--pull", "never", "--network", "none", name, "echo", match="there is no image")
    assert not fake.requests
    first = engine.ok("run", "--rm", "--network", "none", name, "echo", "one")
    assert first.out == "one\n"
    fake.requests.clear()
    engine.ok("run", "--rm", "--network", "none", name, "true")
    assert not fake.requests
    newer = runnable(gzipped(File("new", "new\n")))
    fake.put("app:1", newer)
    assert engine.ok("run", "--rm", "--network", "none", "--pull", "always", name, "cat", "/new").out == "new\n"
    engine.ok("create", "--network", "none", "--name", "made", f"{fake.host}/app:1")
    fake.requests.clear()
    engine.ok("run", "--rm", "--network", "none", "--pull=always", "base", "true")
    assert not fake.requests, "base is never pulled"
    result = engine.fails("run", "--rm", "bsae", "true", match='there is no image "bsae"')
    assert 'did you mean "base"' in result.err


def test_platforms(engine, fake):
    arm = TestImage(gzipped(File("arm", "arm")), platform=("linux", "arm64"))
    amd = TestImage(gzipped(File("amd", "amd")), platform=("linux", "amd64"))
    fake.put_index("multi:1", [arm, amd])
    name = f"{fake.host}/multi:1"
    engine.ok("pull", "--platform", "linux/arm64", name)
    assert engine.ok("image", "inspect", name).json()[0]["Architecture"] == "arm64"
    engine.ok("pull", "--platform", "amd64", name)
    assert engine.ok("image", "inspect", name).json()[0]["Architecture"] == "amd64"
    result = engine.fails("pull", "--platform", "linux/s390x", name, match="no image for linux/s390x")
    assert "linux/arm64" in result.err


def test_by_digest(engine, fake):
    image = TestImage()
    single = fake.put("x:1", image)
    index = fake.put_index("x:2", [image])
    for name in (single, index):
        reference = f"{fake.host}/x@{name}"
        assert engine.ok("pull", "-q", reference).out == f"{reference}\n"
        fake.requests.clear()
        engine.ok("create", "--network", "none", reference)
        assert not fake.requests
    assert engine.ok("pull", "-q", f"{fake.host}/x:9@{single}").out == f"{fake.host}/x@{single}\n"


def test_proxies(engine, fake, cleanup):
    """Loopback never goes through a proxy; others do, unless NO_PROXY names them."""
    proxy = FakeRegistry()
    cleanup.append(proxy)
    fake.put("x:1", TestImage())
    env = {"http_proxy": f"http://{proxy.host}", "HTTPS_PROXY": f"http://{proxy.host}", "SERVIN_TRANSFER_TRIES": "1"}
    engine.ok("pull", f"{fake.host}/x:1", env=env)
    assert not proxy.requests
    engine.fails("pull", "registry.invalid/x:1", env=env)
    proxy.put("y:1", TestImage())
    # A proxy for plain http is asked with the whole address.
    proxy.hook = lambda request: setattr(request, "path", request.path.removeprefix("http://registry.invalid")) or False
    engine.fails("pull", NO_TLS, "registry.invalid/y:1", env={**env, "NO_PROXY": "other,.invalid"}, match="no such host")


# --- broken off

def test_resumed_in_one_pull(engine, fake):
    """The connection breaks in the middle of a blob: the rest comes with Range."""
    image = TestImage(noise("broken", 400_000))
    fake.put("x:1", image)
    data, cuts = image.layers[0], [150_000, 300_000]

    def hook(request):
        if digest(data) not in request.path or not cuts:
            return False
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        cut = cuts.pop(0)
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        request.wfile.write(data[start:cut])
        request.wfile.flush()
        request.close_connection = True
        request.connection.shutdown(2)
        return True

    fake.hook = hook
    engine.ok("pull", f"{fake.host}/x:1")
    ranges = [r[2].get("Range") for r in fake.asked("GET", digest(data))]
    assert ranges == [None, "bytes=150000-", "bytes=300000-"]


@pytest.mark.parametrize("knows_range", [True, False])
def test_resumed_by_the_next_pull(engine, fake, knows_range):
    """kill -9 in the middle: the next pull fetches the unfinished blob's rest and nothing else."""
    layers = [noise(f"layer {n}", 200_000) for n in range(3)]
    image = TestImage(*layers)
    fake.put("x:1", image)
    data = layers[1]
    reached, over = threading.Event(), threading.Event()

    def hook(request):
        if digest(data) not in request.path:
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:100_000])
        request.wfile.flush()
        reached.set()
        over.wait(60)
        return True

    fake.hook = hook
    pull = engine.popen("pull", f"{fake.host}/x:1")
    assert reached.wait(30)
    folder = f"{engine.root}/downloads"
    sizes = {digest(layer)[7:]: len(layer) for layer in layers} | {digest(data)[7:]: 100_000}
    engine.wait_for("all that was sent is kept", lambda: os.path.isdir(folder) and
                    {name: os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder)} == sizes)
    pull.send_signal(signal.SIGKILL)
    pull.wait()
    over.set()
    fake.requests.clear()

    def plain(request):
        if knows_range or digest(data) not in request.path:
            return False
        request.answer(200, data, "application/octet-stream")
        return True

    fake.hook = plain
    engine.ok("pull", f"{fake.host}/x:1")
    assert [r[2].get("Range") for r in fake.asked("GET", digest(data))] == ["bytes=100000-"]
    assert not fake.asked("GET", digest(layers[0])) and not fake.asked("GET", digest(layers[2]))
    assert not os.listdir(folder)
    assert engine.ok("images", "-q").lines


def test_damaged_remains_of_an_earlier_pull(engine, fake):
    """A power cut left wrong bytes: found by the digest, fetched again from the start."""
    image = TestImage(noise("damaged", 200_000))
    fake.put("x:1", image)
    os.makedirs(f"{engine.root}/downloads", mode=0o700)
    name = digest(image.layers[0])
    pathlib.Path(engine.root, "downloads", name[7:]).write_bytes(b"\0" * 100_000)
    engine.ok("pull", f"{fake.host}/x:1")
    assert [r[2].get("Range") for r in fake.asked("GET", name)] == ["bytes=100000-", None]


@pytest.mark.deadline(300)
def test_many_pulls_of_one_image(engine, fake):
    """L3: each blob is fetched once, whoever asks."""
    image = TestImage(*(noise(f"shared {n}", 100_000) for n in range(4)))
    fake.put("x:1", image)
    count = 100 if DEEP else 10
    pulls = [engine.popen("pull", "-q", f"{fake.host}/x:1") for _ in range(count)]
    for pull in pulls:
        out, err = pull.communicate(timeout=240)
        assert pull.returncode == 0, err
        assert out.decode() == f"{fake.host}/x:1\n"
    for name in image.blobs():
        assert len(fake.asked("GET", f"/blobs/{name}")) == 1


@pytest.mark.deep
@pytest.mark.deadline(1800)
def test_two_gigabytes(engine, cleanup):
    """A layer of 2 GiB, killed in the middle and resumed, against docker-registry."""
    registry = Registry(f"{engine.dir}/registry")
    cleanup.append(registry)
    layer = noise_layout(f"{engine.dir}/layout", 2 << 30)
    skopeo("copy", "-q", "--dest-tls-verify=false", f"oci:{engine.dir}/layout:large", f"docker://{registry.host}/large:1")
    path = f"{engine.root}/downloads/{layer[7:]}"
    pull = engine.popen("pull", f"{registry.host}/large:1")
    engine.wait_for("half of it", lambda: os.path.exists(path) and os.path.getsize(path) > 1 << 30, timeout=600)
    pull.send_signal(signal.SIGKILL)
    pull.wait()
    engine.ok("pull", f"{registry.host}/large:1", timeout=900)
    assert engine.ok("images", "-q").lines


def test_progress_on_a_terminal(engine, fake):
    image = TestImage(noise("shown", 200_000))
    fake.put("x:1", image)
    terminal = engine.pty("pull", f"{fake.host}/x:1")
    assert terminal.wait() == 0
    text = terminal.text
    assert digest(image.layers[0])[7:19] in text and "done" in text
