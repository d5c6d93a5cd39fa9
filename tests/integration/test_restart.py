# SPDX-License-Identifier: Apache-2.0
"""Restart policies: what comes back by itself, when, what ends it, and what the start of the system does."""
import calendar
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import time
import urllib.request

import pytest

SLEEP = ("sleep", "100000")
CRASH = ("base", "sh", "-c", "echo up; exit 3")


def status(engine, name):
    return engine.inspect(name)["State"]["Status"]


def runs(engine, name):
    """How often it wrote that it is up."""
    return engine.ok("logs", name).lines.count("up")


def shim_of(engine, name):
    container = engine.inspect(name)["Id"]
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"servin-shim") and words[1] == container.encode():
            return int(folder.name)
    return None


# --- policies

def test_always_comes_back_by_itself(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "always", *CRASH)
    engine.wait_for("three runs", lambda: runs(engine, "one") >= 3)
    found = engine.inspect("one")
    assert found["RestartCount"] >= 2
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}
    engine.ok("rm", "-f", "one")
    assert engine.ok("ps", "-aq").out == ""


def test_a_killed_process_comes_back(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "unless-stopped", "base", *SLEEP)
    before = engine.inspect("one")["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    engine.wait_for("it runs again", lambda: (s := engine.inspect("one")["State"])["Status"] == "running" and s["Pid"] != before)
    assert engine.inspect("one")["RestartCount"] == 1
    assert engine.ok("exec", "one", "echo", "inside").out == "inside\n"


def test_the_published_port_comes_back_too(engine):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "-p", f"127.0.0.1:{port}:80", "base", "httpd", "-f", "-p", "80", "-h", "/etc")

    def answers():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/passwd", timeout=5).read().startswith(b"root:")
        except OSError:
            return False

    engine.wait_for("it answers", answers)
    before = engine.inspect("one")["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    engine.wait_for("it runs again", lambda: (s := engine.inspect("one")["State"])["Status"] == "running" and s["Pid"] != before)
    engine.wait_for("it answers again", answers)


def test_on_failure_gives_up_after_its_retries(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "on-failure:2", *CRASH)
    assert engine.ok("wait", "one").out == "3\n"
    assert runs(engine, "one") == 3
    found = engine.inspect("one")
    assert (found["State"]["Status"], found["State"]["ExitCode"], found["RestartCount"]) == ("exited", 3, 2)
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    engine.ok("start", "one")  # by hand: counts from the beginning
    assert engine.ok("wait", "one").out == "3\n"
    assert runs(engine, "one") == 6 and engine.inspect("one")["RestartCount"] == 2


def test_on_failure_leaves_a_success_alone(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "on-failure", "base", "sh", "-c", "echo up")
    assert engine.ok("wait", "one").out == "0\n"
    assert runs(engine, "one") == 1 and status(engine, "one") == "exited"


def test_the_pauses_grow(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "on-failure:3", *CRASH)
    engine.ok("wait", "one")
    times = [e["timeNano"] for e in map(json.loads, engine.ok("events", "--since", "5m", "--until", "0s", "--filter", "container=one", "--format", "json").lines) if e["Action"] in ("start", "die")]
    pauses = [(b - a) / 1e6 for a, b in zip(times[1::2], times[2::2])]
    assert len(pauses) == 3 and pauses[0] >= 100 and pauses[1] >= 200 and pauses[2] >= 400, pauses


def test_foreground_tells_the_first_end(engine):
    result = engine.fails("run", "--name", "one", "--restart", "on-failure:1", *CRASH, code=3)
    assert result.out == "up\n"
    engine.ok("wait", "one")
    assert runs(engine, "one") == 2


@pytest.mark.parametrize("words", [("--restart", "sometimes"), ("--restart", "always:3"), ("--restart", "on-failure:x"), ("--restart", "always", "--rm")])
def test_wrong_policies(engine, words):
    engine.fails("run", *words, "base", "true", match="--restart")


# --- between two runs

@pytest.fixture
def waiting(engine):
    """A container in a pause of a minute: as if it had failed often before (docs/state-layout.md: restart)."""
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "base", "sh", "-c", "echo up; until [ -e /end ]; do sleep 0.05; done; exit 3")
    record = pathlib.Path(engine.root, "run/containers", engine.inspect("one")["Id"], "restart")
    fields = record.read_bytes()
    record.write_bytes(fields[:9] + struct.pack("<I", 50_000) + fields[13:])
    engine.ok("exec", "one", "touch", "/end")
    engine.wait_for("the pause", lambda: status(engine, "one") == "restarting")
    return engine


def test_restarting_is_seen(waiting):
    found = waiting.inspect("one")["State"]
    assert found["Restarting"] and found["Running"] and found["ExitCode"] == 3
    assert waiting.ok("ps", "--format", "{{.Status}}").out.startswith("Restarting (3) ")
    assert waiting.ok("ps", "-q", "--filter", "status=restarting").lines
    waiting.fails("exec", "one", "true", match="E-RESTARTING")
    waiting.fails("rm", "one", match="restarting")
    waiting.ok("rename", "one", "two")
    waiting.ok("rm", "-f", "two")


def test_stop_ends_it(waiting):
    waiter = waiting.popen("wait", "one")
    waiting.ok("stop", "one")
    assert waiter.wait(30) == 0 and waiter.stdout.read() == b"3\n"
    assert status(waiting, "one") == "exited"
    assert shim_of(waiting, "one") is None
    waiting.ok("start", "one")
    waiting.wait_for("it goes on", lambda: runs(waiting, "one") >= 3)


def test_kill_ends_it(waiting):
    waiting.ok("kill", "one")
    assert status(waiting, "one") == "exited" and shim_of(waiting, "one") is None


def test_rm_ends_it(waiting):
    waiting.ok("rm", "-f", "one")
    assert waiting.ok("ps", "-aq").out == ""


def test_another_policy_ends_it(waiting):
    waiting.ok("update", "--restart", "no", "one")
    assert waiting.ok("wait", "one").out == "3\n"
    assert status(waiting, "one") == "exited"


def test_start_does_not_wait(waiting):
    waiting.ok("start", "one")
    waiting.wait_for("it ran, and again after a short pause", lambda: runs(waiting, "one") >= 3)


def test_the_waiting_shim_is_killed(waiting):
    os.kill(shim_of(waiting, "one"), signal.SIGKILL)
    waiting.wait_for("the end is known", lambda: status(waiting, "one") == "exited")
    assert waiting.ok("start", "one")


# --- by hand

@pytest.mark.parametrize("words", [("stop", "-t", "0"), ("kill",), ("kill", "-s", "TERM")])
def test_what_is_ended_by_hand_stays_ended(engine, words):
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "base", "sh", "-c", "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done")
    engine.wait_for("it is up", lambda: runs(engine, "one") == 1)
    engine.ok(*words, "one")
    engine.ok("wait", "one")
    engine.wait_for("the shim is gone", lambda: shim_of(engine, "one") is None)
    assert status(engine, "one") == "exited" and runs(engine, "one") == 1


def test_restart_by_hand_counts_anew(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "base", *SLEEP)
    engine.ok("restart", "-t", "0", "one")
    assert engine.inspect("one")["RestartCount"] == 0 and status(engine, "one") == "running"


def test_a_restart_that_fails_says_why(engine):
    source = pathlib.Path(engine.dir, "source")
    source.mkdir()
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "--mount", f"type=bind,source={source},target=/s", "base", "sh", "-c",
              "until [ -e /s/end ]; do sleep 0.05; done; exit 3")
    moved = pathlib.Path(engine.dir, "moved")
    os.rename(source, moved)
    (moved / "end").touch()
    engine.wait_for("it is over", lambda: status(engine, "one") == "exited")
    assert "source" in engine.inspect("one")["State"]["Error"]
    os.rename(moved, source)
    (source / "end").unlink()
    engine.ok("start", "one")
    assert status(engine, "one") == "running"


def test_nothing_of_the_shims_protection_is_inherited(engine):
    engine.ok("run", "-d", "--name", "one", "--restart", "on-failure:1", "base", "sh", "-c", "cat /proc/self/oom_score_adj; exit 1")
    engine.ok("wait", "one")
    first, second = engine.ok("logs", "one").lines
    assert first == second


# --- the start of the system

def restart_host(engine):
    """As a reboot: nothing runs, no control group is left, the runtime folder is empty."""
    engine.kill_processes()
    engine.wait_for("all are gone", lambda: not any("servin-shim" in line for line in engine.leftovers()))
    for folder in sorted(pathlib.Path("/sys/fs/cgroup").glob(f"**/servin-{engine.tag}/*/"), reverse=True):
        folder.rmdir()
    shutil.rmtree(f"{engine.root}/run", ignore_errors=True)


@pytest.mark.deadline(240)
def test_start_enabled_brings_back_what_its_policy_wants(engine):
    for name, policy in (("plain", "no"), ("always", "always"), ("unless", "unless-stopped"), ("halted", "unless-stopped"),
                         ("always-halted", "always"), ("failing", "on-failure")):
        engine.ok("run", "-d", "--name", name, "--restart", policy, "base", *SLEEP)
    engine.ok("create", "--name", "never", "--restart", "always", "base", *SLEEP)
    engine.ok("run", "-d", "--name", "sharing", "--restart", "always", "--network", "container:unless", "base", *SLEEP)
    engine.ok("stop", "-t", "0", "halted", "always-halted")
    durable = f"{engine.root}/servin.db"
    query = "SELECT count(*) FROM containers WHERE name IN ('plain','always','unless','failing','sharing') AND last_state LIKE '%status%'"
    engine.wait_for("the records are durable", lambda: sqlite3.connect(f"file:{durable}?mode=ro", uri=True).execute(query).fetchone()[0] == 5)
    restart_host(engine)
    unit = engine.ok("generate", "systemd").out
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    started = engine.ok(argv=line.removeprefix("ExecStart=").split()).lines
    assert sorted(started) == ["always", "always-halted", "failing", "sharing", "unless"]
    assert sorted(engine.ok("ps", "--format", "{{.Names}}").lines) == sorted(started)
    assert engine.ok("exec", "always", "echo", "inside").out == "inside\n"
    assert status(engine, "plain") == "exited" and status(engine, "halted") == "exited" and status(engine, "never") == "created"
    assert engine.ok("system", "start-enabled").out == ""


def test_start_enabled_tells_what_did_not_start(engine):
    source = pathlib.Path(engine.dir, "source")
    source.mkdir()
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "--mount", f"type=bind,source={source},target=/s", "base", *SLEEP)
    engine.ok("run", "-d", "--name", "two", "--restart", "always", "base", *SLEEP)
    engine.ok("stop", "-t", "0", "one", "two")
    source.rmdir()
    result = engine.fails("system", "start-enabled", match="container one")
    assert result.out == "two\n" and str(source) in result.err


def test_the_unit_is_one_that_systemd_takes(engine):
    unit = engine.ok("generate", "systemd").out
    assert f"--root {engine.root} system start-enabled" in unit and "WantedBy=multi-user.target" in unit
    if not shutil.which("systemd-analyze"):
        return
    path = engine.file("servin-test.service", unit)
    found = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, timeout=60)
    assert "servin-test" not in found.stderr, found.stderr


# --- nobody is there

def test_a_verb_that_is_tried_again_counts_once(engine):
    """As if the one before had been killed between its note of the restart and the launch (docs/state-layout.md: restart)."""
    engine.ok("run", "-d", "--name", "one", "--restart", "always", "base", "sh", "-c",
              "[ -e /end ] && exec sleep 1000; until [ -e /end ]; do sleep 0.05; done; exit 3")
    record = pathlib.Path(engine.root, "run/containers", engine.inspect("one")["Id"], "restart")
    fields = record.read_bytes()
    record.write_bytes(fields[:9] + struct.pack("<I", 2500) + fields[13:])
    engine.ok("exec", "one", "touch", "/end")
    engine.wait_for("the pause", lambda: status(engine, "one") == "restarting")
    seconds, nanoseconds = engine.inspect("one")["State"]["FinishedAt"].rstrip("Z").split(".")
    finished = calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(nanoseconds.ljust(9, "0"))
    fields = record.read_bytes()
    record.write_bytes(fields[:5] + struct.pack("<I", 1) + fields[9:-8] + struct.pack("<q", finished))
    engine.wait_for("it runs again", lambda: status(engine, "one") == "running")
    assert engine.inspect("one")["RestartCount"] == 1


def test_the_verb_is_killed(engine):
    """The ended shim starts it again, whatever happens to its helper."""
    engine.ok("run", "-d", "--name", "one", "--restart", "always", *CRASH)
    container = engine.inspect("one")["Id"]
    deadline = time.monotonic() + 5
    killed = 0
    while time.monotonic() < deadline and killed < 3:
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"__restart" in words and container.encode() in words:
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed += 1
            except OSError:
                continue
    before = runs(engine, "one")
    engine.wait_for("it goes on", lambda: runs(engine, "one") > before, timeout=60)
