# SPDX-License-Identifier: Apache-2.0
"""The harness itself: what it must notice, it notices; what it must remove, it removes. Runs no container."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from support import leftovers
from support.hostcanary import HostCanary


@pytest.fixture
def stray(engine):
    """One of each thing that an engine could leave behind."""
    os.mkdir(engine.root)
    os.mkdir(f"{engine.dir}/a b")
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{engine.dir}/a b"], check=True)
    hierarchy = next(path for path in ("pids", "unified", ".") if os.path.exists(f"/sys/fs/cgroup/{path}/cgroup.procs"))
    group = f"/sys/fs/cgroup/{hierarchy}/servin-{engine.tag}/x"
    os.makedirs(group)
    named = subprocess.Popen(["sh", "-c", "read x", engine.root], stdin=subprocess.PIPE)
    grouped = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    pathlib.Path(group, "cgroup.procs").write_text(str(grouped.pid))
    yield {"named": named, "grouped": grouped, "group": group}
    for process in (named, grouped):
        process.kill()
        process.wait()
        process.stdin.close()


def test_finds_and_removes_what_is_left(engine, stray):
    text = "\n".join(engine.leftovers())
    assert f"mount {engine.dir}/a b" in text
    assert f"cgroup {stray['group']}" in text
    assert f"pid {stray['named'].pid}:" in text
    assert f"pid {stray['grouped'].pid}:" in text
    leftovers.remove(engine.dir, engine.tag)
    assert engine.leftovers() == []
    assert stray["named"].wait(10) == -9
    assert stray["grouped"].wait(10) == -9


def test_looking_for_leftovers_is_cheap(engine):
    start = time.monotonic()
    for _ in range(5):
        assert engine.leftovers() == []
    assert (time.monotonic() - start) / 5 < 0.3


def test_canary_notices_changes(tmp_path):
    canary = HostCanary(tmp_path / "canary")
    canary.check()
    shutil.copymode("/bin/sh", tmp_path / "canary/secret")
    (tmp_path / "canary/empty/new").touch()
    text = "\n".join(canary.changes())
    assert "canary/secret" in text and "canary/empty/new" in text


def test_canary_notices_a_mount(tmp_path):
    canary = HostCanary(tmp_path / "canary")
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "canary/empty"], check=True)
    try:
        assert "canary/empty" in "\n".join(canary.changes())
    finally:
        subprocess.run(["umount", tmp_path / "canary/empty"], check=True)


def test_a_command_that_never_ends_is_reported(engine):
    with pytest.raises(AssertionError, match="still runs after 1 s"):
        engine.run(argv=["sh", "-c", "echo before; exec tail -f /dev/null"], timeout=1)


def test_a_held_stdout_is_reported(engine):
    with pytest.raises(AssertionError, match="another process holds its stdout"):
        engine.run(argv=["sh", "-c", "tail -f /dev/null & echo started"], timeout=1)


def test_terminal(engine):
    terminal = engine.pty(argv=["sh", "-c", "stty size; read line; echo got $line; exit 7"], rows=30, columns=90)
    terminal.read_until(r"30 90")
    terminal.send("word\n")
    terminal.read_until(r"got word")
    assert terminal.wait() == 7
