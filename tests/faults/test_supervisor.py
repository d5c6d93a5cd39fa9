# SPDX-License-Identifier: Apache-2.0
"""F6: the shim killed. F7: a kill between the steps of a container's life. F10: a reboot, and process numbers that mean
somebody else by now."""
import fcntl
import os
import pathlib
import select
import shutil
import signal
import sqlite3
import subprocess

import pytest

from support import leftovers
from support.faults import DEEP, Healthy, expect_nothing_left, listing, small_image
from support.tools import tool

CONTENT = ("blobs/sha256", "snapshots")


@pytest.fixture
def small(engine):
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    return engine


def state(engine, name):
    return engine.inspect(name)["State"]


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_and_wait(pid):
    """SIGKILL; returns when the process is gone or a zombie of somebody who does not look."""
    fd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([fd], [], [], 20)[0], f"pid {pid} survived SIGKILL"
    os.close(fd)


@pytest.mark.deadline(600)
def test_shim_killed(small):
    engine = small
    healthy = Healthy(engine)
    counting = "i=0; while :; do i=$((i+1)); echo line $i; done"
    for _ in range(200 if DEEP else 10):
        engine.ok("run", "-d", "--name", "one", "--log-opt", "max-size=4m", "--log-opt", "max-file=2", "small:1", "sh", "-c", counting)
        engine.wait_for("some output", lambda: len(engine.ok("logs", "--tail", "5", "one").lines) == 5)
        pid = state(engine, "one")["Pid"]
        kill_and_wait(parent_of(pid))
        found = engine.wait_for("the end is noticed", lambda: (now := state(engine, "one"))["Status"] == "exited" and now, timeout=20)
        assert found["ExitCode"] in (137, 255) and found["Error"], found
        # Nobody supervises it: it must not run on.
        engine.wait_for("the workload is gone", lambda: not leftovers.processes_in(leftovers.cgroups_of(engine.tag)), timeout=20)
        lines = [line for line in engine.ok("logs", "one").lines if line]
        first = int(lines[0].split()[1])
        assert lines[:-1] == [f"line {first + i}" for i in range(len(lines) - 1)], "the log has a hole"
        engine.ok("rm", "--force", "one")
        healthy.check()
    expect_nothing_left(engine, apart=CONTENT)


def test_shim_killed_of_a_container_with_rm(small):
    """Nobody is left who would remove it: the next command does."""
    engine = small
    engine.ok("run", "-d", "--rm", "--name", "one", "small:1", "sleep", "100000")
    kill_and_wait(parent_of(state(engine, "one")["Pid"]))
    engine.wait_for("it is not listed as running", lambda: "one" not in engine.ok("ps", "--format", "{{.Names}}").lines, timeout=20)
    engine.ok("run", "-d", "--rm", "--name", "one", "small:1", "sleep", "100000")
    engine.ok("rm", "--force", "one")
    engine.ok("rm", "--force", "--all")
    expect_nothing_left(engine, apart=CONTENT)


def test_foreground_command_notices(small):
    """The command that waits in the foreground ends with an error of the engine, not with success and not never."""
    engine = small
    waiting = engine.popen("run", "--name", "one", "small:1", "sh", "-c", "echo ready; sleep 100000")
    assert waiting.stdout.readline() == b"ready\n"
    kill_and_wait(parent_of(state(engine, "one")["Pid"]))
    assert waiting.wait(30) != 0
    engine.ok("rm", "--force", "one")


def test_killed_between_create_and_start_and_rm(small):
    """F7: whoever did the last step is gone; the next step works all the same."""
    engine = small
    engine.ok("create", "--name", "one", "small:1", "sleep", "100000")
    engine.ok("start", "one")
    kill_and_wait(state(engine, "one")["Pid"])
    found = engine.wait_for("exited", lambda: (now := state(engine, "one"))["Status"] == "exited" and now, timeout=20)
    assert found["ExitCode"] == 137
    engine.ok("start", "one")
    assert state(engine, "one")["Status"] == "running"
    engine.ok("rm", "--force", "one")
    expect_nothing_left(engine, apart=CONTENT)


def test_sweeper_killed(small):
    """What a killed sweeper left in the trash needs no command of its own: any look takes it away."""
    engine = small
    engine.ok("create", "--name", "one", "small:1", "true")
    lock = os.open(f"{engine.root}/run/trash.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as long as it is held the sweeper takes another for being at work
    engine.ok("rm", "one")
    assert listing(engine, "trash")
    engine.wait_for("the sweeper has ended", lambda: not leftovers.processes_naming(engine.dir))
    os.close(lock)
    assert listing(engine, "trash")
    engine.ok("ps")
    expect_nothing_left(engine, apart=CONTENT)


# --- reboot

def power_off(engine, boot_id):
    """Everything of /run and every process goes, the disk stays, the boot id is another one."""
    leftovers.kill_processes(engine.dir, engine.tag)
    for group in reversed(leftovers.cgroups_of(engine.tag)):
        engine.wait_for("an empty control group", lambda group=group: _removed(group))
    shutil.rmtree(f"{engine.root}/run", ignore_errors=True)
    pathlib.Path(boot_id).write_text("11111111-2222-4333-8444-555555555555\n", encoding="ascii")


def _removed(group):
    try:
        os.rmdir(group)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def rebooted(engine, boot_id, *args):
    """A command of the engine with the other boot id in its own mount namespace."""
    script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    return engine.run(argv=["unshare", "-m", "sh", "-c", script, boot_id, *engine.argv(*args)])


@pytest.mark.deadline(600)
def test_reboot(small):
    engine = small
    boot_id = f"{engine.dir}/boot_id"
    count = 100 if DEEP else 12
    for i in range(count):
        command = ["sleep", "100000"] if i % 3 else ["sh", "-c", "echo content >/file; exit 7"]
        engine.ok("run", "-d", "--name", f"c{i}", "small:1", *command)
    engine.ok("wait", *(f"c{i}" for i in range(0, count, 3)))
    engine.ok("run", "-d", "--rm", "--name", "temporary", "small:1", "sleep", "100000")
    # A detached run is durable a moment after its answer.
    engine.wait_for("records on disk", lambda: durable_names(engine) >= {f"c{i}" for i in range(count)}, timeout=30)
    power_off(engine, boot_id)
    listed = rebooted(engine, boot_id, "ps", "-a", "--format", "{{.Names}}|{{.State}}")
    assert listed.code == 0, str(listed)
    states = dict(line.split("|") for line in listed.lines)
    assert set(states) == {f"c{i}" for i in range(count)}, "a --rm container does not outlive a reboot, the others do"
    assert not {name for name, text in states.items() if text == "running"}, states
    assert rebooted(engine, boot_id, "ps", "-q").out == ""
    found = rebooted(engine, boot_id, "start", "-a", "c0")
    assert found.code == 7, str(found)
    again = rebooted(engine, boot_id, "run", "-d", "--name", "temporary", "small:1", "sleep", "100000")
    assert again.code == 0, str(again)
    assert rebooted(engine, boot_id, "rm", "--force", "--all").code == 0
    expect_nothing_left(engine, apart=CONTENT)


def durable_names(engine):
    """Names of the containers in the durable database, read beside the engine."""
    database = sqlite3.connect(f"file:{engine.root}/servin.db?mode=ro", uri=True)
    try:
        return {row[0] for row in database.execute("select name from containers")}
    finally:
        database.close()


def test_process_numbers_given_to_others(small):
    """The shim and the process are gone without a word, their numbers belong to others: no command may touch those."""
    engine = small
    engine.ok("run", "-d", "--name", "one", "small:1", "sleep", "100000")
    pid = state(engine, "one")["Pid"]
    shim = parent_of(pid)
    kill_and_wait(shim)
    engine.wait_for("the process is gone", lambda: not leftovers.processes_in(leftovers.cgroups_of(engine.tag)) or state(engine, "one")["Status"] == "exited")
    engine.wait_for("the numbers are free", lambda: not os.path.exists(f"/proc/{pid}") and not os.path.exists(f"/proc/{shim}"))
    # As if nobody had looked in between: the status file still names the two as running.
    decoys = [subprocess.Popen([tool("decoy"), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for number in (pid, shim)]
    try:
        for decoy in decoys:
            assert decoy.stdout.readline() == "ready\n"
        for command in (["ps", "-a"], ["inspect", "one"], ["stop", "one"], ["kill", "one"], ["exec", "one", "true"], ["pause", "one"], ["rm", "--force", "one"]):
            engine.run(*command)
        assert engine.ok("ps", "-aq").out == ""
    finally:
        for decoy in decoys:
            decoy.stdin.close()
            decoy.wait(20)
            decoy.stdout.close()
    assert [decoy.returncode for decoy in decoys] == [0, 0], "a command ended somebody else's process"
