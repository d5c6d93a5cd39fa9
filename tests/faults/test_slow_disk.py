# SPDX-License-Identifier: Apache-2.0
"""S8: a disk whose every fsync takes long. Commands wait for those that they need; whoever only looks waits for none."""
import pathlib
import re
import time

import pytest

SYNC = "fsync,fdatasync,syncfs,sync_file_range,sync,msync"
SLACK = 20  # seconds, for a busy machine


def slowly(engine, delay, *args):
    """The command line under strace, and what strace tells: each call takes `delay` seconds more."""
    report = pathlib.Path(engine.dir, f"syncs-{args[0]}")
    return ["strace", "-f", "--seccomp-bpf", "-o", report, "-e", f"trace={SYNC}", "-e", f"inject={SYNC}:delay_enter={int(delay * 1e6)}", *engine.argv(*args)], report


def syncs(report):
    return len(re.findall(r"^\d+ +\w*sync\w*\(", report.read_text(), re.M)) if report.exists() else 0


@pytest.mark.deadline(300)
def test_every_fsync_takes_long(engine):
    engine.ok("run", "-d", "--name", "one", "--network", "none", "base", "sh", "-c", "echo started; sleep 100000")
    for command in (["create", "--name", "two", "--network", "none", "base", "true"], ["run", "--network", "none", "base", "true"],
                    ["volume", "create", "data"], ["tag", "base", "other:1"], ["rename", "two", "three"], ["rm", "three"]):
        argv, report = slowly(engine, 0.2, *command)
        begun = time.monotonic()
        assert engine.run(argv=argv, timeout=120).code == 0, command
        took = time.monotonic() - begun
        assert took < 0.2 * syncs(report) + SLACK, f"{command}: {took} s with {syncs(report)} syncs"
    for command in (["ps", "-a"], ["inspect", "one"], ["logs", "one"], ["image", "ls"], ["volume", "ls"], ["exec", "one", "true"], ["stop", "-t", "0", "one"]):
        argv, report = slowly(engine, 0.2, *command)
        assert engine.run(argv=argv, timeout=120).code == 0, command
        assert syncs(report) == 0, f"{command} waits for the disk: {report.read_text()}"


@pytest.mark.deadline(180)
def test_who_looks_does_not_wait_for_who_writes(engine):
    """From the first sync of the other command to its end, whatever it waits for."""
    engine.ok("run", "-d", "--name", "one", "--network", "none", "base", "sleep", "100000")
    delay = 2
    argv, report = slowly(engine, delay, "create", "--name", "two", "--network", "none", "base", "true")
    writer = engine.popen(argv=argv)
    engine.wait_for("its first sync", lambda: syncs(report))
    rounds = 0
    while writer.poll() is None:
        for command in (["ps", "-a"], ["inspect", "one"], ["exec", "one", "true"]):
            begun = time.monotonic()
            engine.ok(*command)
            assert time.monotonic() - begun < delay - 0.5, f"{command} waited for the other command's disk: {report.read_text()}"
        rounds += 1
    assert writer.returncode == 0 and rounds > 1
    assert "two" in engine.ok("ps", "-a", "--format", "{{.Names}}").lines
