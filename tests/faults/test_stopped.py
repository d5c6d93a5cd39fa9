# SPDX-License-Identifier: Apache-2.0
"""F8: whoever holds a lock is stopped by a signal. Others proceed or end within 10 s with an error that names that process;
when it goes on nothing is broken. And the same of a container's supervisor."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from support import leftovers
from support.faults import Healthy, expect_nothing_left, small_image

CONTENT = ("blobs/sha256", "snapshots")

HOLDER = {
    "flock": "import fcntl; file = open(path, 'w'); fcntl.flock(file, fcntl.LOCK_EX); file.write(str(os.getpid())); file.flush()",
    "write": "import sqlite3; db = sqlite3.connect(path, isolation_level=None); db.execute('BEGIN IMMEDIATE')",
    "exclusive": "import sqlite3; db = sqlite3.connect(path, isolation_level=None); db.execute('BEGIN EXCLUSIVE')",
}


@contextlib.contextmanager
def stopped_holder(kind, path):
    """A process that holds the lock, stopped; when the test goes on, it goes on too and lets go."""
    code = f"import os, sys; path = sys.argv[1]; {HOLDER[kind]}; print('held', flush=True); sys.stdin.read()"
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            holder.send_signal(signal.SIGSTOP)
            yield holder.pid
        finally:
            holder.send_signal(signal.SIGCONT)
            holder.stdin.close()


# What is held -> the kind of lock, its file (ID stands for that of the container `one`), a command that needs it and
# whether that command ends well all the same.
LOCKS = {
    "container": ("flock", "run/containers/ID/lock", ["rename", "one", "two"], False),
    "store": ("flock", "store.lock", ["load", "-i", "ARCHIVE"], False),
    "built-in image": ("flock", "base.lock", ["run", "--rm", "base", "true"], False),
    "trash": ("flock", "run/trash.lock", ["rm", "one"], True),
    "set-up": ("flock", "run/init.lock", ["ps"], False),
    "servin.db": ("write", "servin.db", ["volume", "create", "data"], False),
    "run.db": ("write", "run/run.db", ["rename", "one", "two"], False),
    "a look at servin.db": ("write", "servin.db", ["image", "ls"], True),
    "a look at run.db": ("write", "run/run.db", ["ps", "-a"], True),
    "a look at run.db that is just written": ("exclusive", "run/run.db", ["ps", "-a"], False),
}


@pytest.mark.deadline(300)
def test_lock_holder_stopped(make_engine):
    """All at once, since each takes as long as the others wait for a lock."""
    with contextlib.ExitStack() as held:
        waiting = []
        for what, (kind, path, command, fine) in LOCKS.items():
            engine = make_engine()
            archive, _ = small_image(engine)
            engine.ok("load", "-i", archive)
            ident = engine.ok("create", "--name", "one", "small:1", "true").out.strip()
            healthy = Healthy(engine)
            if what == "set-up":
                os.unlink(f"{engine.root}/run/run.db")
            pid = held.enter_context(stopped_holder(kind, f"{engine.root}/{path.replace('ID', ident)}"))
            command = [archive if word == "ARCHIVE" else word for word in command]
            waiting.append((what, engine, command, engine.popen(*command), pid, fine, healthy))
        for what, _, command, process, pid, fine, _ in waiting:
            _, err = process.communicate(timeout=60)
            if fine:
                assert process.returncode == 0, (what, command, err)
            else:
                assert process.returncode == 125 and str(pid).encode() in err, (what, pid, command, err)
    for what, engine, command, _, _, fine, healthy in waiting:
        healthy.check()
        again = engine.run(*command)
        assert again.code == 0 or fine, f"{what}: {again}"
        engine.ok("rm", "--force", "--all")
        expect_nothing_left(engine, apart=(*CONTENT, "volumes"))


@pytest.fixture
def with_stopped_supervisor(engine):
    """A running container `one` whose shim is stopped, and the shim's pid."""
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    engine.ok("run", "-d", "--name", "one", "small:1", "sh", "-c", "trap 'exit 7' TERM; echo started; while :; do sleep 1000 & wait $!; done")
    engine.wait_for("it is up", lambda: engine.ok("logs", "one").out == "started\n")
    pid = engine.inspect("one")["State"]["Pid"]
    shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    stop(shim)
    yield engine, shim
    with contextlib.suppress(ProcessLookupError):
        os.kill(shim, signal.SIGCONT)


def state_of(pid):
    """The letter of /proc/PID/stat; "" when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    while state_of(pid) != "T":
        pass


def status(engine):
    return engine.inspect("one")["State"]


@pytest.mark.parametrize("command", [["stop", "-t", "0", "one"], ["stop", "one"], ["kill", "one"]])
def test_supervisor_stopped(with_stopped_supervisor, command):
    """The process ends without its supervisor; when that goes on it records how."""
    engine, shim = with_stopped_supervisor
    ended = engine.ok(*command)
    assert command[0] == "kill" or str(shim) in ended.err, "nobody says that the end is not recorded"
    os.kill(shim, signal.SIGCONT)
    found = engine.wait_for("the end is recorded", lambda: (now := status(engine))["Status"] == "exited" and now)
    # -t 0: SIGKILL follows SIGTERM at once.
    assert found["ExitCode"] in {"stop": (7,), "-t": (7, 137), "kill": (137,)}[command[1] if command[1] == "-t" else command[0]], found
    engine.ok("start", "one")
    engine.ok("rm", "--force", "one")
    expect_nothing_left(engine, apart=CONTENT)


def test_removed_with_its_supervisor_stopped(with_stopped_supervisor):
    engine, shim = with_stopped_supervisor
    engine.ok("rm", "--force", "one")
    assert engine.ok("ps", "-aq").out == ""
    expect_nothing_left(engine, apart=CONTENT)
    assert state_of(shim) in ("", "Z"), "the supervisor is still there"


def test_restarted_with_its_supervisor_stopped(with_stopped_supervisor):
    engine, _ = with_stopped_supervisor
    before = status(engine)["Pid"]
    engine.ok("restart", "one")
    after = status(engine)
    assert after["Status"] == "running" and after["Pid"] != before


def test_what_needs_a_supervisor_that_is_stopped(with_stopped_supervisor):
    """An error that names it; what does not need it works."""
    engine, shim = with_stopped_supervisor
    attached = engine.fails("attach", "--no-stdin", "one", match="E-SUPERVISOR-STUCK")
    assert f"kill -CONT {shim}" in attached.err
    assert engine.ok("exec", "one", "echo", "hello").out == "hello\n"
    assert engine.ok("logs", "one").out == "started\n"
    engine.ok("pause", "one")
    engine.ok("unpause", "one")
    engine.ok("top", "one")
    waiting = engine.popen("wait", "one")
    engine.ok("kill", "one")
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 125 and b"E-SUPERVISOR-STUCK" in err, err


def test_foreground_command_stopped_at_the_end_of_its_container(engine):
    """With --rm the command drops the record: one that does not come to it is not waited for, and is not confused later."""
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    waiting = engine.popen("run", "--rm", "--network", "none", "--name", "one", "small:1", "sh", "-c", "echo ready; sleep 100000")
    assert waiting.stdout.readline() == b"ready\n"
    stop(waiting.pid)
    os.kill(status(engine)["Pid"], signal.SIGKILL)
    engine.wait_for("the container is gone", lambda: engine.ok("ps", "-aq").out == "" and not leftovers.cgroups_of(engine.tag))
    engine.wait_for("its folders are gone", lambda: not os.listdir(f"{engine.root}/containers") + os.listdir(f"{engine.root}/run/containers"))
    os.kill(waiting.pid, signal.SIGCONT)
    assert waiting.wait(30) == 137
    engine.ok("ps")  # one of the looks above may have removed it: the trash goes with the next
    expect_nothing_left(engine, apart=CONTENT)
