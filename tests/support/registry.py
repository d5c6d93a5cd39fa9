# SPDX-License-Identifier: Apache-2.0
"""Registries on loopback: Debian's docker-registry (`Registry`), and one of our own that can lie, break and stall
(`FakeRegistry`). Neither needs anything from outside."""
import base64
import contextlib
import functools
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.parse
import warnings

from support.imagebuilder import File, layer

USER, PASSWORD = "me", "secret word"
HTPASSWD = "me:$2y$05$Xm8L9xhj1GEs0Tbur/zyp.D4GDxTQCWGjHjIuuWRpX8zhct9VDNNi\n"  # bcrypt of it
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@functools.cache
def program():
    """docker-registry out of Debian's package, which is fetched but not installed: it would start a service on port 5000."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(cache, "servin-test-registry")
    path = folder / "usr/bin/docker-registry"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            os.chmod(place, 0o755)
            for command in (["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "docker-registry"],
                            ["sh", "-c", "dpkg -x docker-registry_*.deb unpacked"]):
                made = subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
                assert made.returncode == 0, f"Debian's docker-registry cannot be had: {made.stderr}"
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(f"{place}/unpacked/usr/bin/docker-registry", path)
    return str(path)


def children(pid):
    """The processes that a command has started: servin-transfer."""
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def past_dates():
    """`dates` of yesterday: from 3.4 on openssl takes no negative number of days, and has names for the ends instead."""
    version = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True).stdout.split()[1].split(".")
    if (int(version[0]), int(version[1])) < (3, 4):
        return "-days", "-1"
    return "-not_before", "20200101000000Z", "-not_after", "20200201000000Z"


def make_ca(folder, name="127.0.0.1", dates=("-days", "30")):
    """A CA, and a certificate of the server (for the address or host `name`, or a list as in subjectAltName) and of a client signed by it. Paths by name. `dates`: of the
    server's, as `openssl x509` takes them."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-subj", "/CN=test ca", "-days", "30")
    own = name if re.match("IP:|DNS:", name) else f"IP:{name},DNS:localhost" if re.fullmatch(r"[\d.]+", name) else f"DNS:{name}"
    for who, alt, valid in (("server", own, dates), ("client", "DNS:client", ("-days", "30"))):
        (folder / f"{who}.ext").write_text(f"subjectAltName={alt}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{who}.key",
                "-out", f"{who}.csr", "-subj", f"/CN={who}")
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{who}.pem",
                *valid, "-extfile", f"{who}.ext")
    return {file.stem + file.suffix: str(file) for file in folder.iterdir()}


@contextlib.contextmanager
def certs_folder(place, host):
    """certs.d/HOST:PORT of this machine, gone afterwards with what had to be made for it."""
    folder = pathlib.Path(place, host)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        for path in made[1:]:
            with contextlib.suppress(OSError):  # another test is at it
                path.rmdir()


class Registry:
    """docker-registry of Debian with a storage of its own. `files`: make_ca()'s, for TLS; `clients`: the CA whose certificates its
    clients must have; `user`: USER with PASSWORD must log in."""

    def __init__(self, folder, files=None, user=False, clients=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        lines = ["version: 0.1", "log: {accesslog: {disabled: false}, level: warn}", "storage:",
                 f"  filesystem: {{rootdirectory: {self.folder}/store}}", "  delete: {enabled: true}",
                 "http:", f"  addr: {self.host}"]
        if files:
            lines += ["  tls:", f"    certificate: {files['server.pem']}", f"    key: {files['server.key']}"]
            if clients:
                lines += [f"    clientcas: [{clients}]"]
        if user:
            (self.folder / "htpasswd").write_text(HTPASSWD)
            lines += ["auth:", "  htpasswd:", "    realm: test", f"    path: {self.folder}/htpasswd"]
        (self.folder / "config.yml").write_text("\n".join(lines) + "\n")
        self._log = open(self.folder / "log", "wb")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen([program(), "serve", str(self.folder / "config.yml")], stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, self.log()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                break
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def fetched(self):
        """How often each blob was asked for and given."""
        counts = {}
        for name in re.findall(r'"GET /v2/\S+/blobs/(sha256:\w+) HTTP/1.1" 20[06]', self.log()):
            counts[name] = counts.get(name, 0) + 1
        return counts

    def forget_log(self):
        os.truncate(self.folder / "log", 0)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._log.close()


def referrers_index(manifests):
    """OCI's list of referrers, of the manifests' texts."""
    entries = [{"mediaType": OCI + "manifest.v1+json", "digest": digest(text), "size": len(text),
                **{key: value for key, value in json.loads(text).items() if key in ("artifactType", "annotations")}} for text in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}).encode()


class TestImage:
    """An image as a registry holds it: one manifest, its config and its gzip layers."""
    __test__ = False

    def __init__(self, *layers, form="oci", platform=("linux", "amd64"), config=None, extra=None):
        self.layers = list(layers) or [gzipped(File("hello", "hello\n"))]
        diffs = [digest(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data) for data in self.layers]
        document = config or {"architecture": platform[1], "os": platform[0], "config": {"Cmd": ["/hello"]},
                              "rootfs": {"type": "layers", "diff_ids": diffs}}
        self.config = json.dumps(document).encode()
        docker = form == "docker"
        self.type = DOCKER + "distribution.manifest.v2+json" if docker else OCI + "manifest.v1+json"
        layer_type = DOCKER + "image.rootfs.diff.tar.gzip" if docker else OCI + "layer.v1.tar+gzip"
        self.document = {
            "schemaVersion": 2, "mediaType": self.type,
            "config": {"mediaType": DOCKER + "container.image.v1+json" if docker else OCI + "config.v1+json", "digest": digest(self.config),
                       "size": len(self.config)},
            "layers": [{"mediaType": layer_type, "digest": digest(data), "size": len(data)} for data in self.layers]}
        self.document.update(extra or {})
        self.platform = platform

    @property
    def manifest(self):
        return json.dumps(self.document).encode()

    @property
    def id(self):
        return digest(self.config)

    def blobs(self):
        return {digest(data): data for data in [self.config, *self.layers]}


def compressed(tar):
    return gzip.compress(tar, mtime=0)


def gzipped(*entries):
    return compressed(layer(*entries))


def noise(name, size):
    """A layer that does not compress, the same bytes for the same name."""
    out = b""
    block = hashlib.sha256(name.encode()).digest()
    parts = []
    for _ in range(size // 32 + 1):
        block = hashlib.sha256(block).digest()
        parts.append(block)
    out = b"".join(parts)[:size]
    return gzip.compress(layer(File(f"data/{name}", out)), compresslevel=1, mtime=0)


class _Summed:
    """Passes on what is written, and knows its digest and size."""

    def __init__(self, to):
        self._to, self._sum, self.size = to, hashlib.sha256(), 0

    def write(self, data):
        self._sum.update(data)
        self.size += len(data)
        return self._to.write(data)

    def flush(self):
        self._to.flush()

    @property
    def digest(self):
        return "sha256:" + self._sum.hexdigest()


class _Noise:
    """A file to read from, of bytes that do not compress."""

    def __init__(self, size):
        self._left, self._random = size, random.Random(size)

    def read(self, size):
        size = min(size, self._left)
        self._left -= size
        return self._random.randbytes(size)


def noise_layout(folder, size):
    """An OCI layout named "large" with one layer of `size` bytes, written as a stream: it is never in memory. Returns the layer's digest."""
    blobs = pathlib.Path(folder, "blobs/sha256")
    blobs.mkdir(parents=True)

    def put(data):
        (blobs / digest(data)[7:]).write_bytes(data)
        return {"digest": digest(data), "size": len(data)}

    with open(blobs / "layer", "wb") as file:
        blob = _Summed(file)
        with gzip.GzipFile(fileobj=blob, mode="wb", compresslevel=1, mtime=0) as zipped:
            tar = _Summed(zipped)
            with tarfile.open(fileobj=tar, mode="w|") as archive:
                info = tarfile.TarInfo("large")
                info.size = size
                archive.addfile(info, _Noise(size))
    (blobs / "layer").rename(blobs / blob.digest[7:])
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/large"]}, "rootfs": {"type": "layers", "diff_ids": [tar.digest]}}
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": {"mediaType": OCI + "config.v1+json", **put(json.dumps(config).encode())},
                "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", "digest": blob.digest, "size": blob.size}]}
    entry = {"mediaType": OCI + "manifest.v1+json", **put(json.dumps(manifest).encode()),
             "annotations": {"org.opencontainers.image.ref.name": "large"}}
    pathlib.Path(folder, "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    pathlib.Path(folder, "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return blob.digest


class FakeRegistry:
    """A registry in this process. `images`: put(); `hook(request)` sees each request first and may answer it itself
    (True: it did). Everything that was asked is in `requests`."""

    def __init__(self, tls=None, users=None, tokens=False, address="127.0.0.1", port=0):
        self.blobs, self.manifests, self.requests = {}, {}, []
        self.users, self.tokens = users, tokens
        self.hook = lambda request: False
        self._issued = set()
        self.refresh = None
        self.lists_referrers = False  # does it know OCI's list of referrers, or are they under a tag?
        self.realm = None  # of the token server; None: this one
        self._lock = threading.Lock()
        registry = self

        class Handler(_Handler):
            server_registry = registry

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

            def handle_error(self, request, client_address):
                pass  # a client that goes away is no news

        self._server = Server((address, port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls["server.pem"], tls["server.key"])
            if tls.get("newest"):  # the newest TLS that it speaks
                context.set_ciphers("DEFAULT@SECLEVEL=0")
                with warnings.catch_warnings():  # old ones are deprecated: that is what the test is about
                    warnings.simplefilter("ignore")
                    context.minimum_version = ssl.TLSVersion.TLSv1
                    context.maximum_version = tls["newest"]
            if tls.get("ask client"):
                context.load_verify_locations(tls["ca.pem"])
                context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "https" if tls else "http"
        self.port = self._server.server_address[1]
        self.host = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def put(self, name, image):
        """`name`: repository:tag. Returns the manifest's digest."""
        repository, tag = name.rsplit(":", 1)
        self.blobs.update(image.blobs())
        return self.put_manifest(repository, tag, image.type, image.manifest)

    def put_manifest(self, repository, tag, kind, document):
        self.manifests[repository, tag] = self.manifests[repository, digest(document)] = (kind, document)
        return digest(document)

    def put_index(self, name, images, kind=OCI + "index.v1+json"):
        repository, tag = name.rsplit(":", 1)
        entries = []
        for image in images:
            self.blobs.update(image.blobs())
            self.put_manifest(repository, digest(image.manifest), image.type, image.manifest)
            entries.append({"mediaType": image.type, "digest": digest(image.manifest), "size": len(image.manifest),
                            "platform": dict(zip(("os", "architecture", "variant"), image.platform))})
        return self.put_manifest(repository, tag, kind, json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode())

    def put_referrer(self, repository, subject, name, data=b"signature"):
        """A manifest that refers to the one with the digest `subject`. Returns its digest; without lists_referrers it is under the tag."""
        empty, document = b"{}", self.manifests[repository, subject][1]
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "artifactType": f"application/vnd.test.{name}",
                    "config": {"mediaType": OCI + "empty.v1+json", "digest": digest(empty), "size": len(empty)},
                    "layers": [{"mediaType": "application/vnd.test", "digest": digest(data), "size": len(data)}],
                    "subject": {"mediaType": OCI + "manifest.v1+json", "digest": subject, "size": len(document)},
                    "annotations": {"test.name": name}}
        self.blobs.update({digest(empty): empty, digest(data): data})
        text = json.dumps(manifest).encode()
        self.put_manifest(repository, digest(text), OCI + "manifest.v1+json", text)
        if not self.lists_referrers:
            self.put_manifest(repository, subject.replace(":", "-"), OCI + "index.v1+json", referrers_index(self.referrers_of(repository, subject)))
        return digest(text)

    def referrers_of(self, repository, subject):
        with self._lock:
            texts = {text for (name, tag), (_, text) in self.manifests.items() if name == repository and tag == digest(text)}
        return sorted(text for text in texts if json.loads(text).get("subject", {}).get("digest") == subject)

    def asked(self, method, pattern):
        with self._lock:
            return [r for r in self.requests if r[0] == method and re.search(pattern, r[1])]

    def note(self, method, path, headers):
        with self._lock:
            self.requests.append((method, path, headers))

    def issue_for(self, registry):
        """Is the token server of another registry from now on: same users, its tokens are good there."""
        self.users, self._issued = registry.users, registry._issued

    def issue(self):
        token = f"token-{len(self._issued)}"
        self._issued.add(token)
        return token

    def allowed(self, authorization):
        if self.tokens:
            return authorization.removeprefix("Bearer ") in self._issued
        return not self.users or self.knows(authorization)

    def knows(self, authorization):
        with contextlib.suppress(ValueError):
            user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return (self.users or {}).get(user) == password
        return False

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are written apart: each answer would wait for an ACK
    server_registry = None

    def log_message(self, *_args):
        pass

    def answer(self, status, body=b"", kind="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if body:
            self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, headers=()):
        self.answer(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode(), headers=headers)

    def serve(self):
        registry = self.server_registry
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        registry.note(self.command, self.path, dict(self.headers.items()))
        if registry.hook(self):
            return
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/token":
            self.token()
            return
        if not registry.allowed(self.headers.get("Authorization", "")):
            realm = registry.realm or f'{registry.scheme}://{registry.host}/token'
            scheme = f'Bearer realm="{realm}",service="test-registry",scope="x"' if registry.tokens else 'Basic realm="test"'
            self.error(401, "UNAUTHORIZED", [("WWW-Authenticate", scheme)])
            return
        self.route(url.path)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def token(self):
        registry = self.server_registry
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        if self.command == "POST":
            good = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == registry.refresh
        else:
            good = not registry.users or registry.knows(self.headers.get("Authorization", ""))
        if not good:
            self.error(401, "UNAUTHORIZED")
            return
        answer = {"token": registry.issue(), "expires_in": 300}
        if self.query.get("offline_token") and registry.refresh:
            answer["refresh_token"] = registry.refresh
        self.answer(200, json.dumps(answer).encode())

    def route(self, path):
        registry = self.server_registry
        if path == "/v2/":
            self.answer(200, b"{}")
        elif match := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path):
            self.manifest(*match.groups())
        elif match := re.fullmatch(r"/v2/(.+)/blobs/(sha256:\w+)", path):
            self.blob(match[2])
        elif match := re.fullmatch(r"/v2/(.+)/blobs/uploads/.*", path):
            self.upload(match[1])
        elif registry.lists_referrers and (match := re.fullmatch(r"/v2/(.+)/referrers/(sha256:\w+)", path)):
            self.answer(200, referrers_index(registry.referrers_of(*match.groups())), OCI + "index.v1+json")
        elif match := re.fullmatch(r"/v2/(.+)/tags/list", path):
            tags = sorted(tag for name, tag in registry.manifests if name == match[1] and not tag.startswith("sha256:"))
            self.answer(200 if tags else 404, json.dumps({"name": match[1], "tags": tags}).encode())
        else:
            self.error(404, "NOT_FOUND")

    def manifest(self, repository, reference):
        registry = self.server_registry
        if self.command == "PUT":
            registry.put_manifest(repository, reference, self.headers["Content-Type"], self.body)
            headers = [("Docker-Content-Digest", digest(self.body))]
            subject = json.loads(self.body).get("subject")
            if subject and registry.lists_referrers:
                headers.append(("OCI-Subject", subject["digest"]))
            self.answer(201, headers=headers)
        elif (repository, reference) not in registry.manifests:
            self.error(404, "MANIFEST_UNKNOWN")
        else:
            kind, document = registry.manifests[repository, reference]
            self.answer(200, document, kind, [("Docker-Content-Digest", digest(document))])

    def blob(self, name):
        data = self.server_registry.blobs.get(name)
        if data is None:
            self.error(404, "BLOB_UNKNOWN")
            return
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not start:
            self.answer(200, data, "application/octet-stream")
            return
        at = int(start[1])
        self.answer(206, data[at:], "application/octet-stream", [("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}")])

    def upload(self, repository):
        registry = self.server_registry
        if self.command == "POST" and self.query.get("mount") in registry.blobs:
            self.answer(201)
        elif self.command == "POST":
            self.answer(202, headers=[("Location", f"/v2/{repository}/blobs/uploads/{len(registry.requests)}")])
        elif digest(self.body) != self.query.get("digest"):
            self.error(400, "DIGEST_INVALID")
        else:
            registry.blobs[digest(self.body)] = self.body
            self.answer(201)

    def send_part(self, data, length, kind="application/octet-stream"):
        """The first bytes of an answer that was announced with `length`, then the connection breaks."""
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
