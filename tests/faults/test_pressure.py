# SPDX-License-Identifier: Apache-2.0
"""P1 out of memory, P3 much output, P4 a program that ignores SIGTERM, L1 and L2 many at once, L5 many that
are there."""
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.faults import DEEP, expect_nothing_left
from support.imagebuilder import Image, busybox, docker_archive, program_layer
from support.tools import tool

CONTENT = ("blobs/sha256", "snapshots")


@pytest.fixture
def probing(engine):
    image = Image("probe:1", [busybox(), program_layer(tool("probe"))], Cmd=["sh"])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/probe.tar", [image]))
    return engine


def shim_of(engine, name):
    pid = engine.inspect(name)["State"]["Pid"]
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def peak_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def test_out_of_memory(probing):
    engine = probing
    engine.ok("run", "-d", "--name", "one", "--memory", "32m", "probe:1", "/probe", "hog", "256")
    assert engine.ok("wait", "one").out == "137\n"
    state = engine.inspect("one")["State"]
    assert state["OOMKilled"] is True and state["ExitCode"] == 137 and state["Status"] == "exited", state
    assert engine.ok("logs", "one").out == "ready\n"
    engine.ok("rm", "one")
    engine.fails("run", "--rm", "--memory", "32m", "probe:1", "/probe", "hog", "256", code=137)


def test_one_of_several_out_of_memory(probing):
    """The first process lives on; no exit is invented."""
    result = probing.run("run", "--rm", "--memory", "32m", "probe:1", "sh", "-c", "/probe hog 256; echo child $?; exit 5")
    assert result.code == 5 and "child 137" in result.out, str(result)


@pytest.mark.deadline(900)
def test_much_output_without_a_reader(probing):
    engine = probing
    size = (1 << 30) if DEEP else (48 << 20)
    engine.ok("run", "-d", "--name", "one", "--log-opt", "max-size=1m", "--log-opt", "max-file=3", "probe:1", "sh", "-c", f"/probe flood {size}; sleep 100000")
    last = f"{size // 64 - 1:020}"
    engine.wait_for("the last line", lambda: last in engine.ok("logs", "--tail", "1", "one").out, timeout=600)
    assert peak_kib(shim_of(engine, "one")) < 20 << 10
    logs = list(pathlib.Path(engine.root).glob("containers/*/log*"))
    assert 1 <= len(logs) <= 3 and all(path.stat().st_size <= (1 << 20) + 65536 for path in logs), [(str(path), path.stat().st_size) for path in logs]
    lines = engine.ok("logs", "one").lines
    first = int(lines[0].split()[0])
    assert [int(line.split()[0]) for line in lines] == list(range(first, size // 64)), "rotation lost or doubled a line"
    engine.ok("rm", "--force", "one")


def test_output_to_a_slow_reader_is_whole(probing):
    engine = probing
    size = 8 << 20
    process = engine.popen("run", "--rm", "probe:1", "/probe", "flood", size, bufsize=0)
    head = process.stdout.read(64)
    rest, _ = process.communicate(timeout=60)
    assert len(head + rest) == size and process.returncode == 0
    assert [int(line.split()[0]) for line in (head + rest).splitlines()] == list(range(size // 64))


def test_odd_output(probing):
    """Bytes that are no text, a line of 3 MB, no new line at the end."""
    engine = probing
    script = "printf 'a\\000b\\377c\\n'; head -c 3000000 /dev/zero | tr '\\0' y; printf end"
    expected = b"a\0b\xffc\n" + b"y" * 3000000 + b"end"
    assert engine.ok("run", "--name", "one", "probe:1", "sh", "-c", script).raw_out == expected
    assert engine.ok("logs", "one").raw_out == expected


def test_ignores_sigterm(probing):
    engine = probing
    engine.ok("run", "-d", "--name", "one", "probe:1", "/probe", "stubborn")
    engine.wait_for("ready", lambda: engine.ok("logs", "one").out == "ready\n")
    start = time.monotonic()
    engine.ok("stop", "-t", "1", "one")
    assert time.monotonic() - start >= 0.9, "it was killed before its time"
    assert engine.inspect("one")["State"]["ExitCode"] == 137


@pytest.mark.deadline(300)
def test_many_at_once(probing):
    engine = probing
    processes = [engine.popen("run", "--rm", "probe:1", "sh", "-c", f"echo {i}") for i in range(200)]
    results = [(process.communicate(timeout=200), process.returncode) for process in processes]
    wrong = [(i, result) for i, result in enumerate(results) if result[1] != 0 or result[0][0] != f"{i}\n".encode()]
    assert not wrong, f"{len(wrong)} of 200 failed, the first: {wrong[0]}"
    assert engine.ok("ps", "-aq").out == ""
    expect_nothing_left(engine, apart=CONTENT)


@pytest.mark.deadline(300)
@pytest.mark.parametrize("verb", [["run", "-d"], ["create"]])
def test_many_for_one_name(probing, verb):
    engine = probing
    processes = [engine.popen(*verb, "--name", "wanted", "probe:1", "sleep", "100000") for _ in range(200)]
    results = [(process.communicate(timeout=200), process.returncode) for process in processes]
    winners = [out.decode().strip() for (out, _), code in results if code == 0]
    assert len(winners) == 1, f"{len(winners)} winners"
    losers = [(code, err.decode()) for (_, err), code in results if code != 0]
    strange = [loser for loser in losers if loser[0] != 125 or "wanted" not in loser[1] or "E-NAME-TAKEN" not in loser[1]]
    assert not strange, f"{len(strange)} losers fail otherwise, the first: {strange[0]}"
    assert engine.ok("ps", "-aq", "--no-trunc").lines == winners
    engine.ok("rm", "--force", "wanted")
    expect_nothing_left(engine, apart=CONTENT)


@pytest.mark.deadline(300)
def test_names_in_motion(probing):
    """create, rename and rm of the same two names at once: no command hangs, crashes or leaves anything behind."""
    engine = probing
    processes = []
    for _ in range(40):
        processes += [engine.popen("create", "--name", "a", "probe:1", "true"), engine.popen("rename", "a", "b"),
                      engine.popen("rm", "--force", "b"), engine.popen("rm", "--force", "a")]
    for process in processes:
        _, err = process.communicate(timeout=200)
        assert process.returncode in (0, 1, 125), (process.args, process.returncode, err)
        assert process.returncode == 0 or b"E-" in err or b"a" in err, (process.args, err)
    assert set(engine.ok("ps", "-a", "--format", "{{.Names}}").lines) <= {"a", "b"}
    engine.ok("rm", "--force", "--all")
    expect_nothing_left(engine, apart=CONTENT)


@pytest.mark.in_memory
@pytest.mark.deadline(900)
def test_many_that_are_there(engine):
    """1,000 stopped and 100 running ones in the deep lane, a tenth of it otherwise: looking at them stays quick."""
    stopped, running = (1000, 100) if DEEP else (100, 10)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: engine.ok("create", "--name", f"s{n}", "--network", "none", "base", "true"), range(stopped)))
        list(pool.map(lambda n: engine.ok("run", "-d", "--name", f"r{n}", "--network", "none", "base", "sleep", "100000"), range(running)))

    def quickest(*words):
        times = []
        for _ in range(5):
            begun = time.monotonic()
            result = engine.ok(*words)
            times.append(time.monotonic() - begun)
        return result, min(times)

    result, took = quickest("ps", "-a", "--format", "{{.Names}} {{.State}}")
    assert sorted(result.lines) == sorted([f"s{n} created" for n in range(stopped)] + [f"r{n} running" for n in range(running)])
    assert took < 10 * 0.15, took
    result, took = quickest("inspect", f"s{stopped // 2}", "r0")
    assert [c["State"]["Status"] for c in result.json()] == ["created", "running"]
    assert took < 10 * 0.03, took
    engine.ok("rm", "--all", "--force", timeout=300)
    assert engine.ok("ps", "-aq").out == ""
