# SPDX-License-Identifier: Apache-2.0
"""Whatever control groups a host has: an image's own device nodes do not open, or the container does not start. The
layouts are made of this host's by hiding trees in a mount namespace of the command's own."""
import os
import platform
import tarfile

import pytest

from support.imagebuilder import Device, Dir, Entry, Image, busybox, docker_archive, layer

TREES = "/sys/fs/cgroup"
V1 = sorted(name for name in os.listdir(TREES) if os.path.exists(f"{TREES}/{name}/tasks"))
V2 = next((f"{TREES}/{name}" for name in ("unified", "") if os.path.exists(f"{TREES}/{name}/cgroup.controllers")), None)

pytestmark = pytest.mark.skipif("devices" not in V1 or V2 is None or "blkio" not in V1, reason="made of a hybrid host's trees")

LAYOUTS = {  # what is hidden
    "hybrid": [],
    "v1 only": ["unified"],
    "v2 only": V1,
    "foreign v1 beside v2": [name for name in V1 if name != "blkio"],
    "v1 without devices beside v2": ["devices"],
}
HOPELESS = {
    "none": [*V1, "unified"],
    "foreign v1 alone": [*(name for name in V1 if name != "blkio"), "unified"],
    "v1 without devices alone": ["devices", "unified"],
}


def hiding(engine, trees, *args):
    """The command in a mount namespace without these trees."""
    return ["unshare", "-m", "sh", "-ec", 'for tree in $0; do umount -l "/sys/fs/cgroup/$tree"; done; exec "$@"', " ".join(trees), *engine.argv(*args)]


# Opened read-write by root of the host these answer something else than EPERM: fuse, loop-control, a loop device, memory.
NODES = {"fuse": (tarfile.CHRTYPE, 10, 229), "control": (tarfile.CHRTYPE, 10, 237), "loop": (tarfile.BLKTYPE, 7, 0), "full": (tarfile.CHRTYPE, 1, 7)}
TRY = "cd /nodes; for n in fuse control loop full; do (: <$n) 2>/dev/null && echo $n opens; done; grep -c . /proc/self/cgroup >/dev/null && echo ran"


@pytest.fixture
def evil(engine):
    nodes = [Device("nodes/" + name, major, minor) if kind == tarfile.CHRTYPE else Entry("nodes/" + name, kind, device=(major, minor), mode=0o666)
             for name, (kind, major, minor) in NODES.items()]
    path = docker_archive(f"{engine.dir}/evil.tar", [Image("evil:1", [busybox(), layer(Dir("nodes"), *nodes)])])
    engine.ok("load", "-i", path)
    return engine


def run(engine, trees, *options, shell=TRY):
    return engine.run(argv=hiding(engine, trees, "run", "--rm", "--network", "none", *options, "evil:1", "sh", "-c", shell))


def test_the_nodes_would_open(evil):
    """Else the tests below prove nothing."""
    result = run(evil, [], "--privileged")
    opened = {line.split()[0] for line in result.out.splitlines() if line.endswith("opens")}
    assert {"control", "full"} <= opened, str(result)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nodes_of_the_image_do_not_open(evil, layout):
    result = run(evil, LAYOUTS[layout])
    # The one that the rules allow opens: it is the filter that keeps the others away.
    assert result.code == 0 and result.out.splitlines() == ["full opens", "ran"], str(result)
    allowed = run(evil, LAYOUTS[layout], "--device-cgroup-rule", "c 10:237 rw")
    assert allowed.out.splitlines() == ["control opens", "full opens", "ran"], str(allowed)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exec_is_behind_the_filter_too(evil, layout):
    evil.ok(argv=hiding(evil, LAYOUTS[layout], "run", "-d", "--network", "none", "--name", "one", "evil:1", "sleep", "100000"))
    result = evil.run(argv=hiding(evil, LAYOUTS[layout], "exec", "one", "sh", "-c", TRY))
    assert result.out.splitlines() == ["full opens", "ran"], str(result)
    evil.ok(argv=hiding(evil, LAYOUTS[layout], "pause", "one"))
    evil.ok(argv=hiding(evil, LAYOUTS[layout], "rm", "-f", "one"))


@pytest.mark.parametrize("layout", HOPELESS)
def test_without_a_way_to_keep_devices_away_nothing_starts(evil, layout):
    for command in (["run", "--rm"], ["run", "-d"]):
        result = evil.run(argv=hiding(evil, HOPELESS[layout], *command, "--network", "none", "evil:1", "sh", "-c", TRY))
        assert result.code == 125 and "E-CGROUP-MISSING" in result.err and "--privileged" in result.err and "cgroup2" in result.err, str(result)
        assert result.out == "" and evil.ok("ps", "-q").out == ""
    evil.ok("rm", "--force", "--all")
    privileged = run(evil, HOPELESS[layout], "--privileged")
    assert privileged.code == 0 and "control opens" in privileged.out and privileged.out.endswith("ran\n"), str(privileged)


def test_a_tree_that_is_covered_is_not_taken(evil):
    """The mount table still names what another mount hides."""
    cover = ["unshare", "-m", "sh", "-ec", f'mount -t tmpfs t {TREES}; for n in {" ".join(V1)} unified; do mkdir {TREES}/$n; done; exec "$@"', "sh",
             *evil.argv("run", "--rm", "--network", "none", "evil:1", "sh", "-c", TRY)]
    result = evil.run(argv=cover)
    assert result.code == 125 and "E-CGROUP-MISSING" in result.err, str(result)


# A kernel without the programs, by a seccomp filter that lets bpf(2) fail.
NO_BPF = """
import ctypes, os, struct, sys
number = {numbers}[os.uname().machine]
rows = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | {errno}), (0x06, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("=HBBI", *row) for row in rows)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("=HxxxxxxQ", len(rows), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(22, 2, ctypes.c_char_p(program)) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("errno", [1, 22, 38])
def test_a_kernel_that_takes_no_filter(evil, errno):
    script = NO_BPF.format(errno=errno, numbers={"x86_64": 321, "aarch64": 280})
    assert platform.machine() in script

    def without_bpf(*args):
        return evil.run(argv=["/usr/bin/python3", "-c", script, *hiding(evil, LAYOUTS["v2 only"], *args)])

    result = without_bpf("run", "--rm", "--network", "none", "evil:1", "sh", "-c", TRY)
    assert result.code == 125 and "E-CGROUP-MISSING" in result.err and result.out == "", str(result)
    assert without_bpf("run", "--rm", "--network", "none", "--privileged", "evil:1", "true").code == 0


def test_a_limit_of_processes_that_nobody_can_hold(evil):
    without = ["pids"]
    asked = run(evil, without, "--pids-limit", "50")
    assert asked.code == 125 and "E-CGROUP-MISSING" in asked.err and "processes" in asked.err and "pids" in asked.err, str(asked)
    by_default = run(evil, without)
    assert by_default.code == 0 and by_default.out.endswith("ran\n") and "pids" in by_default.err, str(by_default)
    assert "pids" not in run(evil, without, "--pids-limit", "-1").err
    assert "pids" not in run(evil, []).err
