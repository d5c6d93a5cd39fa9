# SPDX-License-Identifier: Apache-2.0
"""H7: images whose /dev, /proc, /sys, /etc/*, /run or /tmp are links, pipes, devices, files or missing. The container
runs or is refused; the host does not change and nothing waits for ever."""
import os
import pathlib
import subprocess

import pytest

from support.imagebuilder import Device, Dir, Entry, Fifo, File, Image, Symlink, applets, docker_archive, layer, unpack

PATHS = ["dev", "dev/null", "dev/pts", "dev/shm", "proc", "sys", "etc", "etc/hosts", "etc/hostname", "etc/resolv.conf", "run", "tmp"]
KINDS = ["missing", "folder", "file", "fifo", "device", "absolute link", "relative link", "loop"]
LINKS = {"absolute link", "relative link", "loop"}


def trap(path, kind, canary):
    up = "../" * 12
    return {"missing": [], "folder": [Dir(path)], "file": [File(path, "a file\n", 0o644)], "fifo": [Fifo(path)], "device": [Device(path, 1, 5)],
            "absolute link": [Symlink(path, f"{canary}/folder")], "relative link": [Symlink(path, up + f"{canary}/folder".lstrip("/"))],
            "loop": [Symlink(path, "/" + path)]}[kind]


def furniture(without):
    """The folders of a usual root file system, except `without` and what lies below it."""
    entries = [Dir("etc"), Dir("dev"), Dir("proc"), Dir("sys"), Dir("run"), Dir("tmp", 0o1777), Dir("root", 0o700),
               File("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644), File("etc/group", "root:x:0:\n", 0o644)]
    return [entry for entry in entries if entry.name != without and not entry.name.startswith(without + "/")]


PROGRAMS = layer(Dir("bin"), File("bin/busybox", pathlib.Path("/bin/busybox").read_bytes()), *(Symlink(f"bin/{name}", "busybox") for name in applets()))


def trapped_image(path, kind, canary):
    name = f"{path}-{kind}".replace("/", "-").replace(" ", "-").replace(".", "-")
    return Image(f"trap-{name}:1", [PROGRAMS, layer(*furniture(path)), layer(*trap(path, kind, canary))])


@pytest.fixture
def traps(engine, canary):
    images = {(path, kind): trapped_image(path, kind, canary.path) for path in PATHS for kind in KINDS}
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/traps.tar", list(images.values())), timeout=120)
    return images


def judge(engine, canary, result, what):
    """O6 to O8: runs, or is refused by the engine with a reason."""
    assert result.code == 0 and result.out == "ok\n" or result.code == 125 and len(result.err) > 20, f"{what}: {result}"
    changes = canary.changes()
    assert not changes, f"{what}: {changes}\n{result}"
    return result.code == 0


@pytest.mark.deadline(600)
def test_run(engine, canary, traps):
    ran = {}
    for (path, kind), image in traps.items():
        ran[path, kind] = judge(engine, canary, engine.run("run", "--rm", image.reference, "echo", "ok", timeout=20), f"/{path} as {kind}")
    for path in PATHS:
        assert ran[path, "missing"] and ran[path, "folder"] or path in ("dev/null", "etc/hosts", "etc/hostname", "etc/resolv.conf"), f"{path}: a harmless image is refused"
    for path in ("dev", "proc", "sys"):
        for kind in LINKS | {"file", "fifo", "device"}:
            assert not ran[path, kind], f"/{path} must be a real folder, yet {kind} ran"
    assert all(ran["tmp", kind] for kind in KINDS), "nothing is mounted on /tmp: it may be whatever it likes"


@pytest.mark.deadline(600)
@pytest.mark.parametrize("options", [["--read-only"], ["--tmpfs", "/{path}"], ["-v", "{folder}:/{path}"], ["-v", "data:/{path}/below"], ["--privileged"]],
                         ids=["read-only", "tmpfs", "bind", "volume-below", "privileged"])
def test_mounts_on_traps(engine, canary, traps, options):
    """A mount whose target is a trap ends inside the container's root, or is refused (CVE-2019-18837)."""
    folder = f"{engine.dir}/folder"
    os.mkdir(folder)
    chosen = traps if options[0] in ("-v", "--tmpfs") else {key: image for key, image in traps.items() if key[0] in ("dev", "dev/null", "proc", "sys")}
    for (path, kind), image in chosen.items():
        words = [word.format(path=path, folder=folder) for word in options]
        judge(engine, canary, engine.run("run", "--rm", *words, image.reference, "echo", "ok", timeout=20), f"/{path} as {kind} with {words}")
    assert os.listdir(folder) in ([], ["below"]) or set(os.listdir(folder)) <= {"null", "pts", "shm", "mqueue", "fs", "hosts", "hostname", "resolv.conf", "below"}


# --- CVE-2026-41579: default devices and links are made outside when /dev is a link

def test_dev_link_positive_control(tmp_path):
    """Debian 12's runc makes links in the decoy: so the trap is one."""
    runc = next((path for path in ("/usr/sbin/runc", "/usr/bin/runc") if os.access(path, os.X_OK)), None)
    if not runc:
        pytest.skip("runc is not installed")
    decoy, bundle = tmp_path / "decoy", tmp_path / "bundle"
    decoy.mkdir()
    (bundle / "rootfs").mkdir(parents=True)
    unpack(Image("x:1", [PROGRAMS, layer(*furniture("dev"), Symlink("dev", str(decoy)))]), bundle / "rootfs")
    subprocess.run([runc, "spec"], cwd=bundle, check=True)
    config = bundle / "config.json"
    config.write_text(config.read_text().replace('"terminal": true', '"terminal": false').replace('"sh"', '"true"'))
    subprocess.run([runc, "--root", str(tmp_path / "state"), "run", "-b", str(bundle), f"trap-{os.getpid()}"], capture_output=True, check=False, timeout=60)
    subprocess.run([runc, "--root", str(tmp_path / "state"), "delete", "-f", f"trap-{os.getpid()}"], capture_output=True, check=False, timeout=60)
    if not os.listdir(decoy):
        pytest.skip("this runc is patched: no positive control for /dev as a link")


@pytest.mark.parametrize("options", [[], ["--privileged"], ["-t"], ["--device", "/dev/zero"]], ids=["plain", "privileged", "terminal", "device"])
def test_dev_link(engine, options):
    decoy = f"{engine.dir}/decoy"
    os.mkdir(decoy)
    image = Image("x:1", [PROGRAMS, layer(*furniture("dev"), Symlink("dev", decoy))])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    engine.fails("run", "--rm", *options, "x:1", "true")
    assert os.listdir(decoy) == []


# --- what the engine itself reads or writes in the root file system

@pytest.mark.parametrize("path", ["etc/passwd", "etc/group"])
@pytest.mark.parametrize("kind", ["fifo", "device", "absolute link", "relative link", "loop", "folder", "huge", "long line", "zero device"])
def test_user_database_traps(engine, canary, path, kind):
    """CVE-2024-9676: looked up inside the root only, a regular file only, within bounds, and without waiting."""
    special = {"huge": [File(path, b"#" * (9 << 20), 0o644)], "long line": [File(path, b"x" * (1 << 20) + b"\nuser:x:7:7::/:/bin/sh\n", 0o644)],
               "zero device": [Device(path, 1, 5)]}
    image = Image("x:1", [PROGRAMS, layer(*furniture(path)), layer(*(special.get(kind) or trap(path, kind, canary.path)))])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    assert engine.ok("run", "--rm", "--user", "0:0", "x:1", "echo", "ok").out == "ok\n" if kind in ("absolute link", "long line") else True
    result = engine.run("run", "--rm", "--user", "user:user", "x:1", "id", timeout=20)
    assert result.code == 125, str(result)
    assert "host" not in result.err, "content of a host file in an error"
    canary.check()


def test_linked_user_database_inside_the_root_works(engine):
    """containerd#13999: strict on escape, lenient on oddity."""
    image = Image("x:1", [PROGRAMS, layer(*furniture("etc"), Dir("etc"), Symlink("etc/passwd", "/usr/lib/passwd"), Symlink("etc/group", "../usr/lib/group"),
                                          File("usr/lib/passwd", "user:x:1000:1000::/:/bin/sh\n", 0o644), File("usr/lib/group", "extra:x:2000:user\n", 0o644))])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    assert engine.ok("run", "--rm", "--user", "user", "x:1", "id", "-G").out.split() == ["1000", "2000"]


def test_engine_files_named_in_the_image_are_not_ours(engine, canary):
    """Whatever an image brings where engines like to put a file of theirs."""
    places = [".dockerenv", "run/.containerenv", "etc/mtab", "servin", "init", "sbin/init", ".servin"]
    for kind in ("absolute link", "fifo", "device", "file"):
        entries = [entry for place in places for entry in trap(place, kind, canary.path)]
        image = Image(f"x-{kind.replace(' ', '-')}:1", [PROGRAMS, layer(*furniture("nothing")), layer(*entries)])
        engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
        for options in ([], ["--init"], ["--read-only"]):
            assert engine.ok("run", "--rm", *options, image.reference, "echo", "ok", timeout=20).out == "ok\n"
        canary.check()


def test_trojan_programs_of_the_image_are_not_run(engine, canary):
    """CVE-2022-1227, CVE-2019-14271: the host's side never executes or loads anything of a root file system."""
    trojan = f"#!/bin/sh\necho caught >>{canary.path}/caught\necho caught >>/caught\n"
    names = ["bin/ps", "bin/nsenter", "usr/bin/xz", "usr/bin/gzip", "usr/bin/tar", "usr/bin/runc", "sbin/modprobe", "bin/mount", "bin/top", "bin/kill"]
    program = pathlib.Path("/bin/busybox").read_bytes()
    base = layer(Dir("bin"), File("bin/busybox", program), *(Symlink(f"bin/{name}", "busybox") for name in ("sh", "sleep", "ls", "cat", "echo")), *furniture("bin"))
    libraries = [File(f"lib/{name}", b"\x7fELF junk") for name in ("libnss_files.so.2", "libc.so.6", "ld-linux-x86-64.so.2")]
    entries = [Entry(name, content=trojan) for name in names]
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [Image("x:1", [base, layer(*entries, *libraries)])]))
    engine.ok("run", "-d", "--name", "one", "x:1", "sleep", "100000")
    assert "sleep" in engine.ok("top", "one").out
    engine.ok("inspect", "--size", "one")
    engine.ok("logs", "one")
    engine.ok("pause", "one")
    engine.ok("unpause", "one")
    engine.ok("stop", "-t", "0", "one")
    engine.ok("start", "one")
    engine.fails("exec", "one", "ls", "/caught", code=1)
    canary.check()
