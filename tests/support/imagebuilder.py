# SPDX-License-Identifier: Apache-2.0
"""Makes small images without any tool: arbitrary entries, arbitrary config, docker-archive or OCI archive.

    web = Image("web:1", [busybox(), layer(File("etc/motd", "hello\\n"), Symlink("dev", "/canary"))], Cmd=["sh"])
    docker_archive(path, [web])

The bytes depend on the arguments only.
"""
import dataclasses
import functools
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile

MEDIA = "application/vnd.oci.image."


@dataclasses.dataclass
class Entry:
    """One member of a layer. The subclasses below are for the common kinds; `pax` and raw types serve the odd ones."""
    name: str
    type: bytes = tarfile.REGTYPE
    content: bytes | str = b""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""
    device: tuple = (0, 0)
    pax: dict = dataclasses.field(default_factory=dict)

    def header(self):
        info = tarfile.TarInfo(self.name)
        info.type, info.mode, info.uid, info.gid, info.linkname = self.type, self.mode, self.uid, self.gid, self.target
        info.devmajor, info.devminor = self.device
        info.pax_headers = dict(self.pax)
        info.mtime = 1_600_000_000
        return info


def File(name, content=b"", mode=0o755, **more):  # noqa: N802 - they read as kinds of entries
    return Entry(name, content=content, mode=mode, **more)


def Dir(name, mode=0o755, **more):  # noqa: N802
    return Entry(name, tarfile.DIRTYPE, mode=mode, **more)


def Symlink(name, target, **more):  # noqa: N802
    return Entry(name, tarfile.SYMTYPE, target=target, mode=0o777, **more)


def Hardlink(name, target, **more):  # noqa: N802
    return Entry(name, tarfile.LNKTYPE, target=target, **more)


def Fifo(name, mode=0o644, **more):  # noqa: N802
    return Entry(name, tarfile.FIFOTYPE, mode=mode, **more)


def Device(name, major, minor, mode=0o666, **more):  # noqa: N802
    return Entry(name, tarfile.CHRTYPE, device=(major, minor), mode=mode, **more)


def layer(*entries):
    """An uncompressed layer: the bytes of a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            data = entry.content.encode() if isinstance(entry.content, str) else entry.content
            info = entry.header()
            info.size = len(data) if info.type == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def many_files(folder, count, size=64):
    """A layer of `count` files, for what needs a layer that takes a while."""
    return layer(Dir(folder), *(File(f"{folder}/f{i}", f"{folder} {i} ".encode() * (size // 8 + 1), 0o644) for i in range(count)))


@functools.cache
def applets():
    return tuple(name for name in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split() if name != "busybox")


@functools.cache
def busybox(without=()):
    """The ground layer of most test images: the host's static busybox, its links, passwd and group. `without`: folders
    and files that another layer brings instead."""
    program = pathlib.Path("/bin/busybox").read_bytes()
    entries = [Dir("bin"), File("bin/busybox", program), *(Symlink(f"bin/{name}", "busybox") for name in applets()),
               Dir("etc"), Dir("tmp", 0o1777), Dir("root", 0o700), Dir("proc"), Dir("sys"), Dir("dev"), Dir("run"), Dir("home"),
               File("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n", 0o644),
               File("etc/group", "root:x:0:\nuser:x:1000:\nextra:x:2000:user\nnobody:x:65534:\n", 0o644)]
    return layer(*(entry for entry in entries if entry.name not in without))


def program_layer(path, name=None):
    """A layer with one program of the host, for example the probe: at /NAME."""
    path = pathlib.Path(path)
    return layer(File(name or path.name, path.read_bytes()))


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Image:
    """`config`: fields of the config's "config" object (Env, User, ...). `document`: fields of the whole config file."""

    def __init__(self, reference, layers, document=None, **config):
        self.reference = reference
        self.layers = list(layers)
        config.setdefault("Env", ["PATH=/bin"])
        config.setdefault("Cmd", ["sh"])
        fields = {"created": "2020-09-13T12:26:40Z", "architecture": "amd64", "os": "linux", "config": {key: value for key, value in config.items() if value is not None},
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(data) for data in self.layers]},
                  "history": [{"created": "2020-09-13T12:26:40Z", "created_by": f"layer {i}"} for i in range(len(self.layers))]}
        fields.update(document or {})
        self.config = json.dumps(fields).encode()

    @property
    def id(self):
        return "sha256:" + digest(self.config)


class _Tar:
    def __init__(self, path):
        self._tar = tarfile.open(path, "w")
        self._names = set()

    def add(self, name, data):
        if name not in self._names:  # images share layers
            self._names.add(name)
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            self._tar.addfile(info, io.BytesIO(data))

    def close(self):
        self._tar.close()


def docker_archive(path, images):
    """What `docker save` writes: layers as ID/layer.tar, CONFIG.json, manifest.json."""
    tar = _Tar(path)
    manifest = []
    for image in images:
        for data in image.layers:
            tar.add(f"{digest(data)}/layer.tar", data)
        config = f"{digest(image.config)}.json"
        tar.add(config, image.config)
        manifest.append({"Config": config, "RepoTags": [image.reference] if image.reference else None,
                         "Layers": [f"{digest(data)}/layer.tar" for data in image.layers]})
    tar.add("manifest.json", json.dumps(manifest).encode())
    tar.close()
    return str(path)


def oci_manifest(image):
    blob = {"mediaType": MEDIA + "config.v1+json", "digest": image.id, "size": len(image.config)}
    layers = [{"mediaType": MEDIA + "layer.v1.tar", "digest": "sha256:" + digest(data), "size": len(data)} for data in image.layers]
    return {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": blob, "layers": layers}


def oci_archive(path, images):
    """An OCI image layout in a tar."""
    tar = _Tar(path)
    tar.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    index = []
    for image in images:
        manifest = json.dumps(oci_manifest(image)).encode()
        for data in [*image.layers, image.config, manifest]:
            tar.add(f"blobs/sha256/{digest(data)}", data)
        index.append({"mediaType": MEDIA + "manifest.v1+json", "digest": "sha256:" + digest(manifest), "size": len(manifest),
                      "annotations": {"org.opencontainers.image.ref.name": image.reference}})
    tar.add("index.json", json.dumps({"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json", "manifests": index}).encode())
    tar.close()
    return str(path)


def unpack(image, folder):
    """The image's layers laid over each other by plain tar, for the positive controls (no whiteouts in them)."""
    for data in image.layers:
        subprocess.run(["tar", "-C", str(folder), "-xpf", "-"], input=data, check=True)
