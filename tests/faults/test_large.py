# SPDX-License-Identifier: Apache-2.0
"""L7, L8 and H3: layers with very many files, and archives that grow without end. The sizes are those of the deep lane divided by
a hundred, unless that lane runs; the memory's limit is the same in both."""
import gzip
import os
import subprocess
import tarfile

import pytest

from support.faults import DEEP, Healthy, expect_nothing_left
from support.imagebuilder import Dir, File, Image, busybox, docker_archive, layer

SHARE = 1 if DEEP else 100
MIB = 1 << 20


class Header:
    """A member's header of which only the name changes, so that a million of them take seconds."""

    def __init__(self, size=0, kind=tarfile.REGTYPE):
        info = tarfile.TarInfo("x" * 40)
        info.size, info.type, info.mode = size, kind, 0o644
        self._block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        self._sum = int(self._block[148:154], 8) - 40 * ord("x")

    def named(self, name):
        raw = name.encode().ljust(40, b"\0")
        self._block[0:40] = raw
        self._block[148:154] = b"%06o" % (self._sum + sum(raw))
        return self._block


def rootfs(path, members):
    with gzip.open(path, "wb", compresslevel=1) as out:
        for member in members:
            out.write(member)
        out.write(bytes(1024))
    return path


def files(count):
    header, folder = Header(), Header(kind=tarfile.DIRTYPE)
    for i in range(count):
        if i % 1000 == 0:
            yield folder.named(f"d{i // 1000}/")
        yield header.named(f"d{i // 1000}/f{i}")


def peak(engine, *args, code=0, timeout=600):
    """Runs a command; its output and the most memory (bytes) that one process of it had."""
    argv = ["/usr/bin/python3", "-c", "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], check=False).returncode; "
            "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)", *engine.argv(*args)]
    result = engine.run(argv=argv, timeout=timeout)
    assert result.code == code, str(result)
    return result, int(result.err.rsplit("peak ", 1)[1]) * 1024


@pytest.mark.deadline(1800)
def test_a_layer_of_very_many_files(engine):
    path = rootfs(f"{engine.dir}/many.tar.gz", files(1_000_000 // SHARE))
    _, memory = peak(engine, "import", path, "many:1")
    assert memory <= 256 * MIB
    layer = next(entry.path for entry in os.scandir(f"{engine.root}/snapshots") if os.path.isdir(f"{entry.path}/fs/d0"))
    assert len(os.listdir(f"{layer}/fs")) == 1000 // SHARE
    assert len(os.listdir(f"{layer}/fs/d9")) == 1000
    engine.ok("image", "rm", "many:1")
    expect_nothing_left(engine)


@pytest.mark.deadline(1800)
def test_more_entries_than_a_layer_may_have(engine):
    """10^7 empty entries; a hundredth of that against a limit that is a hundredth."""
    healthy = Healthy(engine)
    path = rootfs(f"{engine.dir}/entries.tar.gz", files(10_000_000 // SHARE))
    limit = [] if DEEP else ["--max-entries", "20000"]
    result, memory = peak(engine, "import", *limit, path, "many:1", code=125)
    assert "E-ARCHIVE-LIMIT" in result.err and memory <= 64 * MIB, (result.err, memory)
    expect_nothing_left(engine)
    healthy.check()


@pytest.mark.deadline(1800)
@pytest.mark.parametrize("tool", ["gzip", "zstd", "xz", "bzip2"])
def test_a_file_that_grows_without_end(engine, tool):
    """16 GiB of zeros in the deep lane, against a limit of 1 GiB."""
    healthy = Healthy(engine)
    size = (16 << 30) // SHARE
    path = f"{engine.dir}/bomb.tar"
    header = bytes(Header(size=size).named("zeros"))
    with open(path, "wb") as out, subprocess.Popen([tool, "-1", "-c"], stdin=subprocess.PIPE, stdout=out) as packer:
        packer.stdin.write(header)
        for _ in range(size // MIB):
            packer.stdin.write(bytes(MIB))
        packer.stdin.close()
    result, memory = peak(engine, "import", "--max-size", str((1 << 30) // SHARE), path, "bomb:1", code=125)
    assert "E-ARCHIVE-LIMIT" in result.err and memory <= 64 * MIB, (result.err, memory)
    expect_nothing_left(engine)
    healthy.check()


# --- L8

@pytest.mark.in_memory
@pytest.mark.deadline(600)
@pytest.mark.parametrize("count", [127, 500])
def test_many_layers(engine, count):
    """127 layers (what Docker allows) run; with more the start works or the limit is named."""
    layers = [busybox(), *(layer(Dir("d"), File(f"d/{i}", f"{i}\n"), File("d/last", f"{i}\n")) for i in range(1, count))]
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/tall.tar", [Image("tall:1", layers)]), timeout=300)
    result = engine.run("run", "--rm", "--network", "none", "tall:1", "sh", "-c", "ls /d | wc -l; cat /d/1 /d/last")
    if count <= 127 or result.code == 0:
        assert result.out.split() == [str(count), "1", str(count - 1)], str(result)
    else:
        assert result.code == 125 and "E-" in result.err and "layers" in result.err, str(result)


@pytest.mark.in_memory
@pytest.mark.deadline(600)
def test_many_layers_of_several_images(engine):
    """Every layer of an archive waits for the last one before it gets its place: more of them than a process may have open."""
    made = [Image(f"tall{number}:1", [busybox(), *(layer(File(f"f{number}", f"{i}")) for i in range(200))]) for number in range(2)]
    archive = docker_archive(f"{engine.dir}/tall.tar", made)
    engine.ok(argv=["prlimit", "--nofile=256:256", *engine.argv("load", "-i", archive)], timeout=300)
    assert engine.ok("run", "--rm", "tall1:1", "cat", "/f1").out == "199"


@pytest.mark.in_memory
@pytest.mark.deadline(600)
def test_a_large_folder_and_much_environment(engine):
    """65,536 files in one folder; 10,000 variables from the image."""
    entries = [Dir("many"), *(File(f"many/{i}", "") for i in range(65536))]
    variables = ["PATH=/bin", *(f"V{i}={i}" for i in range(10_000))]
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/wide.tar", [Image("wide:1", [busybox(), layer(*entries)], Env=variables)]), timeout=300)
    result = engine.ok("run", "--rm", "--network", "none", "wide:1", "sh", "-c", "ls /many | wc -l; env | grep -c ^V; echo $V9999")
    assert result.out.split() == ["65536", "10000", "9999"]


@pytest.mark.deadline(1800)
def test_one_large_file(engine):
    """10 GiB in the deep lane; it is streamed, never held."""
    size = (10 << 30) // SHARE
    path = f"{engine.dir}/large.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(Header(size=size).named("large"))
        for _ in range(size // MIB):
            out.write(bytes(MIB))
        out.write(bytes(size % MIB + -size % 512 + 1024))
    _, memory = peak(engine, "import", path, "large:1")
    assert memory <= 64 * MIB, memory
    layer_folder = next(entry.path for entry in os.scandir(f"{engine.root}/snapshots") if os.path.exists(f"{entry.path}/fs/large"))
    assert os.path.getsize(f"{layer_folder}/fs/large") == size
    engine.ok("image", "rm", "large:1")
    expect_nothing_left(engine)
