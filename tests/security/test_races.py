# SPDX-License-Identifier: Apache-2.0
"""CVE-2021-30465, CVE-2024-45310, CVE-2025-31133, CVE-2025-52565: names in a shared volume are swapped against links
while containers are made with mounts below them."""
import contextlib
import os
import subprocess

import pytest

from support.imagebuilder import Image, busybox, docker_archive
from support.tools import DEEP, tool

COUNT = 2000 if DEEP else 50


@contextlib.contextmanager
def swapping(folder, name, other):
    """An attacker that swaps two names in `folder` as fast as it can."""
    attacker = subprocess.Popen([tool("exchanger"), folder, name, other], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert attacker.stdout.readline() == "ready\n"
        yield
    finally:
        out, _ = attacker.communicate(timeout=30)
    assert int(out.split()[0].partition("=")[2]) > 1000, f"the attacker hardly swapped: {out}"


@pytest.fixture
def shared(engine, canary):
    """A volume that all the containers share, with a folder and a link to the host's canary in it."""
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [Image("x:1", [busybox()])]))
    folder = f"{engine.dir}/shared"
    os.makedirs(f"{folder}/target/below")
    os.symlink(f"{canary.path}/folder", f"{folder}/link")
    os.mkdir(f"{engine.dir}/source")
    with open(f"{engine.dir}/source/mine", "w", encoding="ascii") as file:
        file.write("mine\n")
    return folder


@pytest.mark.deadline(1200)
@pytest.mark.parametrize("mount", ["bind", "volume", "tmpfs", "deeper"])
def test_mount_below_a_shared_volume(engine, canary, shared, mount):
    options = {"bind": ["-v", f"{engine.dir}/source:/shared/target"], "volume": ["-v", "data:/shared/target"], "tmpfs": ["--tmpfs", "/shared/target"],
               "deeper": ["-v", f"{engine.dir}/source:/shared/target/below/made/on/the/way"]}[mount]
    done = 0
    with swapping(shared, "target", "link"):
        for _ in range(COUNT if mount == "bind" or DEEP else COUNT // 2):
            result = engine.run("run", "--rm", "-v", f"{shared}:/shared", *options, "x:1", "cat", "/proc/self/mountinfo", timeout=30)
            assert result.code in (0, 125), str(result)
            if result.code == 0:
                done += 1
                points = [line.split(" ")[4] for line in result.lines]
                assert not [point for point in points if "canary" in point], result.out
            assert not canary.changes(), f"{canary.changes()}\n{result}"
    print(f"{done} containers ran")


@pytest.mark.deadline(600)
def test_shared_dev(engine, canary, shared):
    """A /dev that an attacker can write: nothing is masked or made through what he puts at /dev/null, console or pts."""
    device = f"{engine.dir}/dev"
    os.makedirs(f"{device}/pts")
    os.mknod(f"{device}/null", 0o20666, os.makedev(1, 3))
    os.symlink(f"{canary.path}/secret", f"{device}/other")
    with swapping(device, "null", "other"):
        for _ in range(COUNT // 2):
            result = engine.run("run", "--rm", "-v", f"{device}:/dev", "x:1", "sh", "-c", "cat /proc/kcore /proc/timer_list | head -c 100; echo host", timeout=30)
            assert result.code == 125 or "host secret" not in result.out, str(result)
            assert not canary.changes(), canary.changes()


TERMINAL = "tty; stat -L -c %t: /proc/self/fd/0; [ -t 0 ] && echo done"


@pytest.mark.deadline(600)
@pytest.mark.parametrize("place, name", [("/dev", "console"), ("/dev", "pts"), ("/dev", "ptmx"), ("/dev/pts", "ptmx"), ("/dev/pts", "0")])
def test_console_is_swapped(engine, canary, shared, place, name):
    """CVE-2025-52565: an attacker has the container's /dev or /dev/pts while its terminal is made. The terminal is a pty
    of the container's own or the start is refused; what the names lead to is never opened, mounted or changed."""
    device = f"{engine.dir}/dev"
    os.makedirs(f"{device}/pts")
    if name != "pts":
        os.mknod(f"{device}/{name}", 0o20666, os.makedev(1, 5))
    os.symlink(f"{canary.path}/{'folder' if name == 'pts' else 'secret'}", f"{device}/other")
    ran = 0
    with swapping(device, name, "other"):
        for _ in range(COUNT // 5):
            terminal = engine.pty("run", "--rm", "-t", "-v", f"{device}:{place}", "x:1", "sh", "-c", TERMINAL)
            code = terminal.wait()
            assert code in (0, 125), terminal.text
            if code == 0:
                ran += 1
                # 88 hex is 136, a pty: neither the zero device nor the canary's file.
                assert "\r\n88:\r\n" in terminal.text and "done" in terminal.text, terminal.text
            assert "host secret" not in terminal.text
            terminal.close()
            assert not canary.changes(), canary.changes()
    print(f"{ran} containers got their terminal")


@pytest.mark.deadline(600)
def test_working_folder_is_swapped(engine, canary, shared):
    """A working folder below the volume is made by descriptors: nothing appears on the host."""
    with swapping(shared, "target", "link"):
        for number in range(COUNT // 2):
            result = engine.run("run", "--rm", "-v", f"{shared}:/shared", "-w", f"/shared/target/w{number}", "x:1", "cat", "../../secret", timeout=30)
            assert result.code in (1, 125, 126, 127), str(result)
            assert not canary.changes(), canary.changes()
