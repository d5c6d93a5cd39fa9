# SPDX-License-Identifier: Apache-2.0
"""S1: the disk is full at each phase of a command. S6: flipped bits in the store."""
import os
import pathlib
import random
import subprocess

import pytest

from support.engine import tag_of
from support.faults import DEEP, Healthy, failed_checks, listing, small_image
from support.imagebuilder import File
from support.registry import FakeRegistry, TestImage, gzipped
from support.tools import SEED

SIZE_MIB = 64


@pytest.fixture
def small_disk(request, engine):
    """The engine's root on an ext4 of 64 MiB."""
    image, point = f"{engine.dir}/disk.img", f"{engine.dir}/disk"
    os.mkdir(point)
    with open(image, "wb") as file:
        file.truncate(SIZE_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)
    outer = engine.root, engine.tag
    engine.root, engine.tag = f"{point}/root", tag_of(f"{point}/root")
    yield engine
    try:
        fill(engine, None)
        if getattr(request.node, "call_passed", False):
            engine.ok("rm", "--force", "--all")
            engine.wait_for("no processes of it", lambda: not [line for line in engine.leftovers() if line.startswith(("process", "cgroup"))])
    finally:
        engine.kill_processes()
        subprocess.run(["umount", "-l", point], check=True)
        engine.root, engine.tag = outer


def free_bytes(engine):
    status = os.statvfs(os.path.dirname(engine.root))
    return status.f_bavail * status.f_frsize


def fill(engine, leave):
    """Takes all of the disk but `leave` bytes (None: gives all back). The last page goes by writing, since reserved and
    delayed blocks make the count inexact."""
    filler = pathlib.Path(os.path.dirname(engine.root), "filler")
    filler.unlink(missing_ok=True)
    if leave is None:
        return
    os.sync()
    fd = os.open(filler, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        size = max(0, free_bytes(engine) - leave)
        if size:
            os.posix_fallocate(fd, 0, size)
        while leave == 0 or free_bytes(engine) > leave + 65536:
            os.lseek(fd, 0, os.SEEK_END)
            if os.write(fd, b"x" * 4096) < 4096:
                break
    except OSError as full:
        import errno
        if full.errno != errno.ENOSPC:
            raise
    finally:
        os.close(fd)


def wait_for_the_reaper(engine):
    """What was removed gives its room back after the answer."""
    engine.wait_for("the trash is empty", lambda: not listing(engine, "trash"))


def steps(needed):
    """How much to leave free: from nothing to just enough."""
    count = 40 if DEEP else 8
    return [needed * i // count for i in range(count)]


def full_or_done(result):
    """O8: success, or an error that names the cause; never a wrong success or another excuse."""
    if result.code != 0:
        assert result.code == 125, str(result)
        assert "E-DISK-FULL" in result.err, str(result)
    return result.code == 0


def used_by(engine, *args):
    """Bytes on the disk that a command takes."""
    before = free_bytes(engine)
    engine.ok(*args)
    os.sync()
    return max(before - free_bytes(engine), 262144)


@pytest.mark.deadline(600)
def test_load(small_disk):
    engine = small_disk
    archive, image = small_image(engine)
    engine.ok("image", "ls")
    healthy = Healthy(engine)
    needed = used_by(engine, "load", "-i", archive)
    failures = 0
    for leave in steps(needed):
        engine.ok("rmi", "small:1")
        engine.ok("image", "prune", "--all", "--force")
        wait_for_the_reaper(engine)
        fill(engine, leave)
        loaded = full_or_done(engine.run("load", "-i", archive))
        failures += not loaded
        assert engine.ok("image", "ls", "-q", "--no-trunc").lines == ([image.id] if loaded else [])
        engine.ok("ps", "-a")
        fill(engine, None)
        healthy.check("--verify")
        engine.ok("load", "-i", archive)
    assert failures >= 4, f"only {failures} of the steps met a full disk"


@pytest.mark.deadline(600)
def test_pull(small_disk):
    engine = small_disk
    registry = FakeRegistry()
    try:
        image = TestImage(gzipped(File("noise", os.urandom(3 << 20))), gzipped(File("more", os.urandom(1 << 20))))
        registry.put("x:1", image)
        name = f"{registry.host}/x:1"
        engine.ok("image", "ls")
        healthy = Healthy(engine)
        needed = used_by(engine, "pull", name)
        failures = 0
        for leave in steps(needed):
            engine.ok("rmi", name)
            engine.ok("image", "prune", "--all", "--force")
            wait_for_the_reaper(engine)
            fill(engine, leave)
            pulled = full_or_done(engine.run("pull", name))
            failures += not pulled
            assert engine.ok("image", "ls", "-q", "--no-trunc").lines == ([image.id] if pulled else [])
            fill(engine, None)
            healthy.check("--verify")
            engine.ok("pull", name)
        assert failures >= 4, f"only {failures} of the steps met a full disk"
    finally:
        registry.close()


@pytest.mark.deadline(600)
def test_create_and_run(small_disk):
    engine = small_disk
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    engine.ok("run", "--rm", "small:1", "true")
    healthy = Healthy(engine)
    said = ""
    for number, leave in enumerate(steps(524288)):
        fill(engine, leave)
        result = engine.run("create", "--name", f"c{number}", "small:1", "true")
        created = full_or_done(result)
        said += result.err
        assert (f"c{number}" in engine.ok("ps", "-a", "--format", "{{.Names}}").lines) == created
        started = full_or_done(engine.run("run", "-d", "--name", f"r{number}", "small:1", "sleep", "100000"))
        assert (f"r{number}" in engine.ok("ps", "--format", "{{.Names}}").lines) == started
        fill(engine, None)
        healthy.check()
        engine.ok("rm", "--force", "--all")
        engine.ok("run", "--rm", "small:1", "true")
        wait_for_the_reaper(engine)
    assert f"make room on the file system of {engine.root} (" in said and "of it are free" in said, said


@pytest.mark.deadline(300)
def test_tidying_up_with_no_byte_free(small_disk):
    """podman#7800: who has no room must be able to make some."""
    engine = small_disk
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    engine.ok("volume", "create", "data")
    for name in ("one", "two", "three"):
        engine.ok("run", "-d", "--name", name, "small:1", "sh", "-c", "trap 'exit 0' TERM; echo started; while :; do sleep 1000 & wait $!; done")
    engine.ok("run", "--name", "ended", "small:1", "true")
    fill(engine, 0)
    assert len(engine.ok("ps", "-aq").lines) == 4
    engine.ok("inspect", "one")
    assert engine.ok("logs", "one").out == "started\n"
    assert engine.ok("exec", "one", "echo", "hello").out == "hello\n"
    engine.ok("stop", "one")
    engine.ok("kill", "two")
    engine.ok("rm", "--force", "three")
    engine.ok("rm", "ended")
    engine.ok("container", "prune", "--force")
    engine.ok("volume", "rm", "data")
    engine.ok("rmi", "--force", "small:1")
    engine.ok("rm", "--force", "--all")
    engine.ok("image", "prune", "--all", "--force")
    # The reaper works after the answer.
    engine.wait_for("what was removed is back on the disk", lambda: free_bytes(engine) > 1 << 20)
    fill(engine, None)
    engine.ok("load", "-i", archive)


@pytest.mark.deadline(300)
def test_log_on_a_full_disk(small_disk):
    """The container goes on although its log cannot be written; what had been written is readable."""
    engine = small_disk
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    pipe = f"{engine.dir}/go"
    os.mkdir(pipe)
    engine.ok("run", "-d", "--name", "one", "-v", f"{pipe}:/go", "small:1", "sh", "-c",
              "echo before; until [ -e /go/now ]; do usleep 10000; done; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; exit 3")
    engine.wait_for("first line", lambda: engine.ok("logs", "one").out == "before\n")
    fill(engine, 0)
    pathlib.Path(pipe, "now").touch()
    assert engine.ok("wait", "one").out == "3\n"
    assert engine.ok("logs", "one").out.startswith("before\n")
    engine.ok("rm", "one")


# --- S6

def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << (offset % 8))]))


def files_below(folder):
    return sorted(str(path) for path in pathlib.Path(folder).rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size)


@pytest.mark.deadline(600)
@pytest.mark.parametrize("where", ["blobs/sha256", "snapshots"])
def test_flipped_bits(engine, where):
    """The doctor finds every one of them; --repair unpacks a layer anew and throws a blob away, which loading brings back."""
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    healthy = Healthy(engine)
    healthy.check("--verify")
    chance = random.Random(SEED)
    files = files_below(f"{engine.root}/{where}")
    if where == "snapshots":
        files = [path for path in files if "/fs/" in path]
    assert files
    for number in range((1000 if where.startswith("blobs") else 100) if DEEP else 10):
        path = files[number % len(files)] if number < len(files) else chance.choice(files)
        flip(path, chance.randrange(os.path.getsize(path)))
        assert failed_checks(engine, "--verify"), f"a flipped bit in {path} was not found"
        engine.run("system", "doctor", "--verify", "--repair", timeout=120)
        if where == "blobs/sha256":
            engine.ok("load", "-i", archive)  # a blob that was thrown away comes back with its archive
        healthy.check("--verify")
        assert engine.ok("run", "--rm", "small:1", "cat", "/etc/motd", "/data/f0").out == "third\nchanged\n"


@pytest.mark.parametrize("where", ["blobs/sha256", "snapshots"])
def test_loading_again_cures_flipped_bits(engine, where):
    """Without a word about it from anybody: what would be used again is compared with what comes."""
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    healthy = Healthy(engine)
    chance = random.Random(SEED)
    files = [path for path in files_below(f"{engine.root}/{where}") if where != "snapshots" or "/fs/" in path]
    for path in chance.sample(files, min(3, len(files))):
        flip(path, chance.randrange(os.path.getsize(path)))
    engine.ok("load", "-i", archive)
    healthy.check("--verify")
