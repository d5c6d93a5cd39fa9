# SPDX-License-Identifier: Apache-2.0
"""A container's life: run, create, start, stop, kill, pause, rename, wait, rm, and what ps says of it."""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

SLEEP = ("sleep", "100000")


def state(engine, name):
    return engine.inspect(name)["State"]


def names(engine, *args):
    return sorted(engine.ok("ps", "--format", "{{.Names}}", *args).lines)


# --- run

def test_run_gives_streams_and_exit_code(engine):
    result = engine.fails("run", "--rm", "base", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert (result.out, result.err) == ("out\n", "err\n")
    assert names(engine, "-a") == []


def test_run_with_stdin(engine):
    assert engine.ok("run", "--rm", "-i", "base", "cat", input="one\ntwo").out == "one\ntwo"
    assert engine.ok("run", "--rm", "base", "cat", input="not passed on").out == ""


def test_exit_codes(engine):
    engine.fails("run", "--rm", "base", "no-such-program", code=127, match="no-such-program")
    engine.fails("run", "--rm", "base", "/etc/passwd", code=126, match="/etc/passwd")
    engine.fails("run", "--rm", "no-such-image:1", "true", code=125, match="no-such-image")
    engine.fails("run", "--rm", "--no-such-option", "base", code=125)
    assert names(engine, "-a") == []


def test_a_container_that_did_not_start_says_why(engine):
    engine.fails("run", "--name", "one", "base", "no-such-program", code=127)
    found = state(engine, "one")
    assert found["Status"] == "created" and found["ExitCode"] == 127 and "no-such-program" in found["Error"]
    engine.fails("start", "one", code=None)
    engine.ok("rm", "one")


def test_detached(engine):
    container = engine.ok("run", "-d", "--name", "one", "base", *SLEEP).out.strip()
    assert re.fullmatch("[0-9a-f]{64}", container)
    assert engine.ok("ps", "-q", "--no-trunc").out.strip() == container
    assert engine.ok("ps", "-q").out.strip() == container[:12]
    found = state(engine, container[:8])
    assert found["Running"] and found["Pid"] > 0 and found["Status"] == "running"
    engine.ok("rm", "-f", container[:12])


def test_the_last_output_is_not_lost(engine):
    text = engine.ok("run", "--rm", "base", "sh", "-c", "seq 20000; echo end >&2")
    assert text.lines == [str(i) for i in range(1, 20001)] and text.err == "end\n"


def test_logs_are_kept_and_filtered(engine):
    engine.ok("run", "--name", "one", "base", "sh", "-c", "echo a; echo b >&2; echo c")
    logs = engine.ok("logs", "one")
    assert sorted(logs.lines) == ["a", "c"] and logs.err == "b\n"
    assert engine.ok("logs", "--tail", "1", "one").out in ("c\n", "")
    stamped = engine.ok("logs", "-t", "one").lines[0].split(" ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", stamped[0]) and stamped[1] == "a"


def test_logs_follow_to_the_end(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "echo first; sleep 1; echo last")
    assert engine.ok("logs", "-f", "one").lines == ["first", "last"]


# --- create and start

def test_create_then_start_attached(engine):
    engine.ok("create", "--name", "one", "base", "sh", "-c", "echo hello; exit 3")
    assert state(engine, "one")["Status"] == "created"
    assert engine.fails("start", "-a", "one", code=3).out == "hello\n"
    assert engine.fails("start", "-a", "one", code=3).out == "hello\n"
    assert engine.ok("logs", "one").lines == ["hello", "hello"]


def test_the_writable_layer_stays_between_starts(engine):
    engine.ok("create", "--name", "one", "base", "sh", "-c", "cat /kept 2>/dev/null; echo kept >/kept")
    assert engine.ok("start", "-a", "one").out == ""
    assert engine.ok("start", "-a", "one").out == "kept\n"


def test_start_of_a_running_one_changes_nothing(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    before = state(engine, "one")["Pid"]
    engine.ok("start", "one")
    assert state(engine, "one")["Pid"] == before


# --- stop, kill, restart, pause

def test_stop_sends_the_stop_signal(engine):
    engine.ok("run", "-d", "--name", "one", "--stop-signal", "USR1", "base", "sh", "-c",
              "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.05; done")
    engine.wait_for("the trap is set", lambda: "ready" in engine.ok("logs", "one").out)
    engine.ok("stop", "one")
    assert state(engine, "one")["ExitCode"] == 5
    assert "got" in engine.ok("logs", "one").lines
    engine.ok("stop", "one")  # no error when it does not run


def test_stop_kills_when_the_time_is_up(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)  # PID 1 ignores SIGTERM
    start = time.monotonic()
    engine.ok("stop", "-t", "1", "one")
    assert 0.9 < time.monotonic() - start < 30
    assert state(engine, "one")["ExitCode"] == 137


def test_kill(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done")
    engine.wait_for("the trap is set", lambda: "ready" in engine.ok("logs", "one").out)
    waiting = engine.popen("wait", "one")
    engine.ok("kill", "-s", "HUP", "one")
    assert waiting.wait(30) == 0
    assert state(engine, "one")["ExitCode"] == 9
    engine.fails("kill", "one", match="not running")
    engine.fails("kill", "-s", "NONSENSE", "one", match="NONSENSE")


def test_restart(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    before = state(engine, "one")["Pid"]
    engine.ok("restart", "-t", "0", "one")
    after = state(engine, "one")
    assert after["Running"] and after["Pid"] != before
    engine.ok("run", "-d", "--rm", "--name", "two", "base", *SLEEP)
    engine.ok("restart", "-t", "0", "two")
    assert state(engine, "two")["Running"], "a restart does not remove a --rm container"


def test_pause(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "while :; do echo tick; sleep 0.02; done")
    engine.ok("pause", "one")
    assert state(engine, "one")["Status"] == "paused"
    first = engine.ok("logs", "one").out
    assert engine.ok("logs", "one").out == first
    engine.fails("exec", "one", "true", match="paused")
    engine.fails("pause", "one")
    engine.ok("unpause", "one")
    engine.wait_for("it goes on", lambda: engine.ok("logs", "one").out != first)
    engine.fails("unpause", "one")


@pytest.mark.parametrize("verb", [("stop", "-t", "1"), ("kill",), ("rm", "-f")])
def test_a_paused_one_can_be_ended(engine, verb):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    engine.ok("pause", "one")
    engine.ok(*verb, "one", timeout=20)
    if verb[0] != "rm":
        engine.ok("wait", "one", timeout=20)
        assert state(engine, "one")["Status"] == "exited"


def test_a_kill_gets_through_a_stop(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    stopping = engine.popen("stop", "-t", "1000", "one")
    engine.ok("kill", "one")
    assert stopping.wait(30) == 0
    engine.ok("run", "-d", "--name", "two", "base", *SLEEP)
    restarting = engine.popen("restart", "-t", "1000", "two")
    engine.ok("rm", "-f", "two", timeout=30)
    restarting.wait(30)


# --- wait

def test_wait(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "sleep 0.3; exit 4")
    assert engine.ok("wait", "one").out == "4\n"
    assert engine.ok("wait", "one").out == "4\n"
    engine.ok("run", "-d", "--rm", "--name", "two", "base", "sh", "-c", "sleep 0.3; exit 6")
    assert engine.ok("wait", "two").out == "6\n"


def test_wait_for_the_next_exit_misses_no_short_run(engine):
    """The whole run passes while the one who waits is held up."""
    engine.ok("create", "--name", "one", "base", "sh", "-c", "exit 5")
    for _ in range(2):  # one that never ran, and one that ran before
        waiter = engine.popen("wait", "--condition", "next-exit", "one")

        def waits(pid=waiter.pid):
            with open(f"/proc/{pid}/syscall") as file:
                return file.read().split()[0] == "7" and any("inotify" in os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir())
        engine.wait_for("it waits", waits)
        waiter.send_signal(signal.SIGSTOP)
        engine.ok("start", "one")
        engine.ok("wait", "one")
        waiter.send_signal(signal.SIGCONT)
        assert waiter.wait(30) == 0 and waiter.stdout.read() == b"5\n"


# --- names, ids, words that are wrong

def test_all_of_them(engine):
    for name in ("one", "two"):
        engine.ok("run", "-d", "--init", "--name", name, "base", "sleep", "100000")
    engine.ok("create", "--name", "later", "base", "sleep", "100000")

    def in_state(state):
        return set(engine.ok("ps", "-a", "--filter", f"status={state}", "--format", "{{.Names}}").lines)

    assert set(engine.ok("pause", "--all").lines) == {"one", "two"}
    assert set(engine.ok("unpause", "-a").lines) == {"one", "two"}
    assert in_state("running") == {"one", "two"}
    assert set(engine.ok("stop", "-a").lines) == {"one", "two"} and in_state("exited") == {"one", "two"}
    assert set(engine.ok("start", "--all").lines) == {"one", "two", "later"} == in_state("running")
    assert set(engine.ok("restart", "-a", "-t", "0").lines) == {"one", "two", "later"} == in_state("running")
    assert set(engine.ok("kill", "--all").lines) == {"one", "two", "later"}
    engine.wait_for("their ends", lambda: not in_state("running"))
    assert engine.ok("stop", "--all").out == ""
    for verb in ("start", "stop", "restart", "kill", "pause", "unpause"):
        assert "E-ARGUMENTS" in engine.fails(verb).err
        assert "E-OPTION-CONFLICT" in engine.fails(verb, "--all", "one").err


def test_replace(engine):
    first = engine.ok("run", "-d", "--name", "web", "-v", "/data", "base", "sleep", "100000").out.strip()
    result = engine.fails("run", "-d", "--name", "web", "--replace", "--pull", "never", "nosuchimage", "true")
    assert "E-IMAGE-NOT-FOUND" in result.err
    assert engine.inspect("web")["Id"] == first and engine.inspect("web")["State"]["Running"], "a mistake costs nothing"
    second = engine.ok("run", "-d", "--name", "web", "--replace", "base", "sleep", "100000").out.strip()
    assert engine.inspect("web")["Id"] == second != first
    assert len(engine.ok("volume", "ls", "-q").lines) == 1, "its data is nobody's to throw away"
    third = engine.ok("create", "--name", "web", "--replace", "base", "true").out.strip()
    assert engine.inspect("web")["Id"] == third
    engine.ok("run", "--rm", "--name", "fresh", "--replace", "base", "true")
    assert "E-OPTION-CONFLICT" in engine.fails("run", "--replace", "base", "true").err


def test_exists(engine):
    engine.ok("create", "--name", "web", "base", "true")
    engine.ok("volume", "create", "data")
    engine.ok("network", "create", "app")
    for noun, name in (("container", "web"), ("image", "base"), ("volume", "data"), ("network", "app")):
        assert engine.ok(noun, "exists", name).out == ""
        result = engine.run(noun, "exists", "nothing")
        assert (result.code, result.out, result.err) == (1, "", ""), str(result)


def test_names_are_unique(engine):
    engine.ok("create", "--name", "one", "base", "true")
    engine.fails("create", "--name", "one", "base", "true", match='"one" is in use')
    engine.fails("create", "--name", "-bad", "base", "true")
    engine.ok("create", "--name", "two", "base", "true")
    engine.fails("rename", "two", "one", match='"one" is in use')
    engine.ok("rename", "two", "three")
    assert names(engine, "-a") == ["one", "three"]
    engine.fails("stop", "thre", match='did you mean "three"?')


def test_ids_by_prefix(engine):
    ids = [engine.ok("create", "base", "true").out.strip() for _ in range(2)]
    shared = 0
    while ids[0][shared] == ids[1][shared]:
        shared += 1
    assert engine.inspect(ids[0][:shared + 1])["Id"] == ids[0]
    engine.fails("inspect", "", code=None)
    engine.fails("rm", "zzzz", match="no such container")


# --- ps

def test_filters(engine):
    engine.ok("run", "-d", "--name", "alpha", "--label", "kind=a", "base", *SLEEP)
    engine.fails("run", "--name", "beta", "--label", "kind=b", "-v", "data:/data", "base", "sh", "-c", "exit 3", code=3)
    engine.ok("create", "--name", "gamma", "--network", "none", "base", "true")

    def by(*filters):
        return names(engine, "-a", *(word for text in filters for word in ("--filter", text)))

    assert names(engine) == ["alpha"]
    assert names(engine, "-a") == ["alpha", "beta", "gamma"]
    assert by("status=running") == ["alpha"]
    assert by("status=exited", "exited=3") == ["beta"]
    assert by("status=created", "status=running") == ["alpha", "gamma"]
    assert by("name=a") == ["alpha", "beta", "gamma"]
    assert by("name=^/alpha$") == ["alpha"]
    assert by("name=^be") == ["beta"]
    assert by("label=kind") == ["alpha", "beta"]
    assert by("label=kind=b") == ["beta"]
    assert by("label=kind=b", "name=alpha") == []
    assert by("volume=data") == by("volume=/data") == ["beta"]
    assert by("ancestor=base") == ["alpha", "beta", "gamma"]
    assert by("ancestor=other") == []
    assert by("before=beta") == ["alpha"] and by("since=beta") == ["gamma"]
    assert by("network=bridge") == ["alpha", "beta"] and by("network=none") == ["gamma"]
    engine.fails("ps", "--filter", "stats=running", match='did you mean "status"?')
    engine.fails("ps", "--filter", "status=runing", match='did you mean "running"?')
    assert names(engine, "-n", "1") == ["gamma"]


def test_prune(engine):
    engine.ok("run", "-d", "--name", "up", "base", *SLEEP)
    engine.ok("run", "--name", "keep", "--label", "keep", "base", "true")
    engine.ok("run", "--name", "drop", "base", "true")
    engine.ok("container", "prune", "--force", "--filter", "until=24h")
    assert names(engine, "-a") == ["drop", "keep", "up"]
    engine.ok("container", "prune", "--force", "--filter", "label!=keep")
    assert names(engine, "-a") == ["keep", "up"]
    engine.ok("container", "prune", "--force")
    assert names(engine, "-a") == ["up"]


def test_running_again_has_no_exit_code(engine):
    """Docker: 0 while it runs, whatever the last run ended with."""
    engine.ok("create", "--name", "one", "base", "sh", "-c", "test -e /again && exec sleep 1000; touch /again; exit 3")
    engine.fails("start", "-a", "one", code=3)
    assert engine.ok("inspect", "-f", "{{.State.ExitCode}}", "one").out == "3\n"
    for verb in ("start", "restart"):
        engine.ok(verb, "-t", "0", "one") if verb == "restart" else engine.ok(verb, "one")
        assert engine.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one").out == "running 0\n"
    engine.ok("rm", "-f", "one")
    engine.ok("run", "-d", "--name", "two", "--restart", "on-failure", "base", "sh", "-c",
              "test -e /again && exec sleep 1000; touch /again; exit 3")
    engine.wait_for("the second run", lambda: engine.ok("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "two").out == "1 running\n")
    assert engine.ok("inspect", "-f", "{{.State.ExitCode}}", "two").out == "0\n"


# --- exec and top

def test_exec(engine):
    engine.ok("run", "-d", "--name", "one", "-e", "A=1", "base", *SLEEP)
    assert engine.ok("exec", "-e", "B=2", "one", "sh", "-c", "echo $A$B; hostname").lines == ["12", state_hostname(engine, "one")]
    assert engine.ok("exec", "-i", "one", "cat", input="through").out == "through"
    engine.fails("exec", "one", "sh", "-c", "exit 9", code=9)
    engine.fails("exec", "one", "no-such-program", code=127)
    engine.fails("exec", "-w", "/nope", "one", "true", code=127, match='"/nope": no such file')
    engine.fails("exec", "-w", "/bin/busybox", "one", "true", code=127, match='"/bin/busybox": not a directory')
    assert engine.ok("exec", "-w", "/tmp", "-u", "1000:1001", "one", "sh", "-c", "pwd; id -u; id -g").lines == ["/tmp", "1000", "1001"]
    engine.ok("exec", "-d", "one", "sh", "-c", "echo done >/mark; sleep 1000")
    engine.wait_for("the detached command ran", lambda: engine.run("exec", "one", "cat", "/mark").out == "done\n")
    engine.ok("stop", "-t", "0", "one")
    engine.fails("exec", "one", "true", match="not running")


def state_hostname(engine, name):
    return engine.inspect(name)["Config"]["Hostname"]


def test_exec_output_is_complete(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    assert engine.ok("exec", "one", "seq", "50000").lines == [str(i) for i in range(1, 50001)]


def test_top(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "sleep 100000 & wait")
    engine.wait_for("both processes", lambda: len(engine.ok("top", "one").lines) == 3)
    lines = engine.ok("top", "one").lines
    assert lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any("sleep 100000" in line for line in lines[1:])
    assert engine.ok("top", "one", "-o", "pid,cmd").lines[0].split() == ["PID", "CMD"]
    engine.fails("top", "one", "-o", "nonsense", match="nonsense")


# --- rm

def test_rm(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    engine.fails("rm", "one", match="container one is running")
    engine.ok("rm", "-f", "one")
    engine.fails("rm", "one", match="no such container")
    assert names(engine, "-a") == []


def test_inspect_shape(engine):
    engine.ok("create", "--name", "one", "--label", "a=b", "--memory", "64m", "-v", f"{engine.dir}:/here:ro", "base", "echo", "x")
    found = engine.inspect("one")
    assert found["Name"] == "/one" and found["Path"] == "echo" and found["Args"] == ["x"]
    assert found["Config"]["Labels"] == {"a": "b"} and found["HostConfig"]["Memory"] == 64 << 20
    assert found["HostConfig"]["Binds"] == [f"{engine.dir}:/here:ro"]
    assert found["Mounts"][0]["Destination"] == "/here" and found["Mounts"][0]["RW"] is False
    assert found["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    json.dumps(found)


# --- many at once

@pytest.mark.deadline(300)
def test_many_at_once(engine):
    """L1: none fails, nothing stays (the fixture looks)."""
    engine.ok("run", "--rm", "base", "true")
    count = 60
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        results = list(pool.map(lambda i: engine.run("run", "--rm", "base", "echo", str(i), timeout=120), range(count)))
    bad = [str(r) for i, r in enumerate(results) if r.code != 0 or r.out != f"{i}\n"]
    assert not bad, bad[0]


@pytest.mark.deadline(300)
def test_many_for_one_name(engine):
    """L2: exactly one gets it."""
    engine.ok("run", "--rm", "base", "true")
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        results = list(pool.map(lambda _: engine.run("run", "-d", "--name", "one", "base", *SLEEP, timeout=120), range(60)))
    won = [r for r in results if r.code == 0]
    assert len(won) == 1, [str(r) for r in results[:3]]
    assert all(r.code == 125 and '"one" is in use' in r.err for r in results if r.code != 0)
    assert engine.ok("ps", "-q", "--no-trunc").out == won[0].out


def test_a_killed_client_leaves_the_container(engine):
    """The client of a foreground run is killed: the container goes on, can be looked at and removed."""
    client = engine.popen("run", "--name", "one", "base", "sh", "-c", f"echo ready; exec {' '.join(SLEEP)}")
    assert client.stdout.readline() == b"ready\n"
    client.send_signal(signal.SIGKILL)
    client.wait(30)
    assert state(engine, "one")["Running"]
    engine.ok("exec", "one", "true")
    engine.ok("rm", "-f", "one")


def test_a_signal_to_the_client_reaches_the_container(engine):
    client = engine.popen("run", "--rm", "base", "sh", "-c", "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done")
    assert client.stdout.readline() == b"ready\n"
    client.send_signal(signal.SIGTERM)
    assert client.wait(30) == 42


def test_two_roots_do_not_meet(make_engine):
    a, b = make_engine(), make_engine()
    for engine in (a, b):
        engine.ok("run", "-d", "--name", "same", "base", *SLEEP)
    a.ok("rm", "-f", "same")
    assert names(b) == ["same"]
    assert subprocess.run(["test", "-e", f"{a.root}/servin.db"], check=False).returncode == 0
