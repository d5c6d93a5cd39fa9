# SPDX-License-Identifier: Apache-2.0
"""The supervisor under clients that behave badly, and killed at many moments of a start."""
import os
import pathlib
import signal
import subprocess

import pytest

from support import leftovers

DEEP = os.environ.get("SERVIN_DEEP") == "1"


def shim_of(engine, name):
    pid = engine.inspect(name)["State"]["Pid"]
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def numbers(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    memory = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    return len(os.listdir(f"/proc/{pid}/fd")), memory


@pytest.mark.deadline(600)
def test_clients_that_vanish(engine):
    engine.ok("run", "-d", "-i", "--name", "one", "base", "sh", "-c", "while :; do echo tick; sleep 0.01; done")
    shim = shim_of(engine, "one")
    descriptors = None
    for i in range(300 if DEEP else 30):
        client = engine.popen("attach", "one", stdin=subprocess.PIPE)
        assert client.stdout.readline() == b"tick\n"
        client.kill()
        client.wait()
        if i == 4:
            descriptors, memory = numbers(shim)
    engine.wait_for("descriptors are closed", lambda: numbers(shim)[0] <= descriptors)
    assert numbers(shim)[1] <= memory + 1024
    assert engine.inspect("one")["State"]["Running"]


def test_a_reader_that_stopped_reading_is_cut_off_alone(engine):
    engine.ok("run", "-d", "-i", "--name", "one", "base", "sh", "-c", "read x; head -c 20000000 /dev/zero; echo; echo done; exec sleep 1000")
    stuck = engine.popen("attach", "--no-stdin", "one")
    # Its connection is there as soon as the supervisor has one descriptor more.
    shim = shim_of(engine, "one")
    before = numbers(shim)[0]
    engine.wait_for("the stuck client", lambda: numbers(shim)[0] >= before)
    os.kill(stuck.pid, signal.SIGSTOP)
    feeder = engine.popen("attach", "one", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    feeder.stdin.write(b"go\n")
    feeder.stdin.flush()
    engine.wait_for("the container is not held up", lambda: engine.ok("logs", "--tail", "1", "one").out == "done\n", timeout=60)
    for client in (stuck, feeder):
        client.kill()
        client.wait()


@pytest.mark.deadline(900)
def test_shim_killed_while_starting(engine):
    """At moments spread over a start: afterwards nothing runs unsupervised and the next command works."""
    import random
    chance = random.Random(4)
    for _ in range(200 if DEEP else 20):
        process = engine.popen("run", "-d", "--name", "one", "base", "sleep", "1000")
        delay = chance.uniform(0, 0.03)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        for pid in [p for p in leftovers.processes_naming("servin-shim") if b"servin-shim\0" in cmdline(p) and belongs(p, engine)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait(30)
        engine.wait_for("nothing runs unsupervised", lambda: settled(engine), timeout=30)
        engine.run("rm", "--force", "one")
        assert engine.ok("ps", "-aq").out == ""
    engine.ok("run", "--rm", "--name", "one", "base", "true")


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def belongs(pid, engine):
    """The shim's socket or log lies below this engine's root."""
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(engine.root):
                return True
    except OSError:
        pass
    try:
        return engine.dir.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def settled(engine):
    state = engine.run("inspect", "--format", "{{.State.Status}} {{.State.Pid}}", "one")
    if state.code != 0:
        return True
    status, pid = state.out.split()
    if status != "running":
        return True
    # Running: then its supervisor lives and has it for a child.
    parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return b"servin-shim" in cmdline(parent)
