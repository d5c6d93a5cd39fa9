# SPDX-License-Identifier: Apache-2.0
"""F3: `run` killed at each of its state-changing system calls: the command alone, whichever process makes the call (the
shim, the container's first process), or everything at once."""
import os

import pytest

from support.faults import Healthy, expect_nothing_left, remove_everything, small_image, sweep

pytestmark = pytest.mark.in_memory


@pytest.fixture
def small(engine):
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    return engine


def containers(engine):
    """Name -> state of all that is listed."""
    return dict(line.split("|") for line in engine.ok("ps", "-a", "--format", "{{.Names}}|{{.State}}").lines)


def workloads(engine):
    """Processes of containers: those in the control groups of this engine."""
    from support import leftovers
    return leftovers.processes_in(leftovers.cgroups_of(engine.tag))


def settled(engine, name):
    """Waits until list and processes agree; returns the listed state, or nothing. What is still starting (the shim goes
    on when the command has been killed) may take its time, but it must not stay so."""
    def agree():
        listed = containers(engine)
        alive = workloads(engine)
        state = listed.get(name)
        if state in ("running", "paused"):
            pid = engine.inspect(name)["State"]["Pid"]
            return ("state", state) if pid and os.path.exists(f"/proc/{pid}") and pid in alive else None
        return None if alive else ("state", state)

    return engine.wait_for("list and processes agree", agree, timeout=20)[1]


@pytest.mark.deadline(900)
@pytest.mark.parametrize("who", ["cli", "caller", "all"])
def test_detached(small, who):
    engine = small
    healthy = Healthy(engine)
    args = ["run", "-d", "--name", "one", "small:1", "sleep", "100000"]

    def judge(_steps):
        state = settled(engine, "one")
        assert state in (None, "created", "running", "exited"), state
        healthy.check()
        if state is not None:
            engine.ok("rm", "--force", "one")
        engine.ok(*args)  # O4
        assert settled(engine, "one") == "running"
        engine.ok("rm", "--force", "one")
        expect_nothing_left(engine, apart=("blobs/sha256", "snapshots"))

    sweep(engine, args, judge, who=who, size=40)


@pytest.mark.deadline(900)
@pytest.mark.parametrize("who", ["caller", "all"])
def test_foreground_with_rm(small, who):
    """To the end of the last process, so that the removal after the exit is swept too."""
    engine = small
    healthy = Healthy(engine)
    args = ["run", "--rm", "--name", "one", "small:1", "true"]

    def judge(_steps):
        settled(engine, "one")
        healthy.check()
        engine.ok("rm", "--force", "--all")
        expect_nothing_left(engine, apart=("blobs/sha256", "snapshots"))
        engine.ok(*args)
        expect_nothing_left(engine, apart=("blobs/sha256", "snapshots"))

    sweep(engine, args, judge, who=who, whole=True)


@pytest.mark.deadline(300)
def test_first_run_of_the_built_in_image(engine):
    healthy = Healthy(engine)

    def judge(_steps):
        assert engine.ok("run", "--rm", "base", "echo", "hello").out == "hello\n"
        healthy.check()
        remove_everything(engine)
        expect_nothing_left(engine)

    sweep(engine, ["run", "--rm", "base", "true"], judge, whole=True)
