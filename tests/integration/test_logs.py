# SPDX-License-Identifier: Apache-2.0
"""Container logs: docker's json-file format, rotation, and what `servin logs` shows of them."""
import datetime
import json
import os
import pathlib
import re
import time

import pytest


def log_files(engine, name):
    container = engine.inspect(name)
    path = pathlib.Path(container["LogPath"])
    return [p for p in [path, *(path.with_name(f"{path.name}.{i}") for i in range(1, 20))] if p.exists()]


def ended(engine, name):
    engine.ok("wait", name)


def test_json_lines_as_docker_writes_them(engine):
    engine.run("run", "--name", "one", "base", "sh", "-c", "echo 'a <b> & \"c\"'; printf 'no end' >&2")
    records = [json.loads(line) for line in log_files(engine, "one")[0].read_text().splitlines()]
    assert sorted((r["log"], r["stream"]) for r in records) == [('a <b> & "c"\n', "stdout"), ("no end", "stderr")]
    for record in records:
        assert set(record) == {"log", "stream", "time"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", record["time"])


def test_streams_are_kept_apart(engine):
    engine.run("run", "--name", "one", "base", "sh", "-c", "echo out; echo err >&2")
    result = engine.ok("logs", "one")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_tail_since_until_timestamps(engine):
    engine.run("run", "--name", "one", "base", "seq", "1", "100")
    assert engine.ok("logs", "--tail", "3", "one").out == "98\n99\n100\n"
    assert engine.ok("logs", "--tail", "0", "one").out == ""
    assert engine.ok("logs", "--tail", "1000", "one").lines == [str(i) for i in range(1, 101)]
    assert engine.ok("logs", "--since", "1h", "one").lines == [str(i) for i in range(1, 101)]
    assert engine.ok("logs", "--until", "1h", "one").out == ""
    line = engine.ok("logs", "-t", "--tail", "1", "one").out
    stamp, text = line.split(" ")
    assert text == "100\n"
    written = datetime.datetime.fromisoformat(stamp[:26] + "+00:00")
    assert abs((datetime.datetime.now(datetime.timezone.utc) - written).total_seconds()) < 120


def test_bytes_come_back_as_they_were(engine):
    """Also bytes that are no UTF-8, NULs and lines far beyond one record."""
    script = r"printf 'a\000b\377\376\303\n'; head -c 100000 /dev/zero; echo; printf 'ende'"
    result = engine.ok("run", "--name", "one", "base", "sh", "-c", script)
    assert engine.ok("logs", "one").raw_out == result.raw_out
    for line in log_files(engine, "one")[0].read_bytes().splitlines():
        json.loads(line)


def test_ten_megabyte_line(engine):
    engine.ok("run", "--name", "one", "base", "sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' 'x'; echo; echo after")
    out = engine.ok("logs", "one").raw_out
    assert out == b"x" * 10_000_000 + b"\nafter\n"
    assert engine.ok("logs", "--tail", "1", "one").out == "after\n"
    assert len(engine.ok("logs", "--tail", "2", "one").raw_out) == 10_000_007


def test_rotation_is_exact(engine):
    engine.ok("run", "--name", "one", "--log-opt", "max-size=100k", "--log-opt", "max-file=3", "base", "seq", "1", "10000")
    files = log_files(engine, "one")
    assert len(files) == 3
    for file in files:
        assert file.stat().st_size <= 100 * 1024
    for file in files[1:]:
        assert file.stat().st_size > 100 * 1024 - 200, "rotated too early"
    lines = engine.ok("logs", "one").lines
    assert lines == [str(i) for i in range(10001 - len(lines), 10001)]


def test_one_file_never_grows_beyond_its_size(engine):
    engine.ok("run", "--name", "one", "--log-opt", "max-size=50k", "base", "seq", "1", "10000")
    files = log_files(engine, "one")
    assert len(files) == 1 and files[0].stat().st_size <= 50 * 1024
    assert engine.ok("logs", "--tail", "1", "one").out == "10000\n"


def test_follow_ends_with_the_container(engine):
    engine.ok("run", "-d", "-i", "--name", "one", "base", "sh", "-c", "echo first; read x; echo last")
    follower = engine.popen("logs", "-f", "one")
    assert follower.stdout.readline() == b"first\n"
    engine.ok("attach", "one", input="go\n")
    assert follower.stdout.read() == b"last\n"
    assert follower.wait(30) == 0


def test_follow_across_rotation_misses_nothing(engine):
    engine.ok("run", "-d", "-i", "--name", "one", "--log-opt", "max-size=2m", "--log-opt", "max-file=4",
              "base", "sh", "-c", "read x; seq 1 60000")
    follower = engine.popen("logs", "-f", "one")
    engine.ok("attach", "one", input="go\n")
    assert follower.stdout.read() == b"".join(b"%d\n" % i for i in range(1, 60001))
    assert len(log_files(engine, "one")) > 1


def test_follow_of_an_ended_container_returns(engine):
    engine.ok("run", "--name", "one", "base", "echo", "over")
    assert engine.ok("logs", "-f", "one").out == "over\n"


def test_restart_appends(engine):
    engine.ok("run", "--name", "one", "base", "echo", "again")
    engine.ok("start", "-a", "one")
    assert engine.ok("logs", "one").out == "again\nagain\n"


def test_no_log_driver(engine):
    engine.ok("run", "--name", "one", "--log-driver", "none", "base", "echo", "unseen")
    engine.fails("logs", "one", match="log")


def test_damaged_lines_are_left_out(engine):
    engine.ok("run", "--name", "one", "base", "echo", "whole")
    path = log_files(engine, "one")[0]
    path.write_bytes(b"garbage\n" + path.read_bytes() + b'{"log":"cut off')
    result = engine.ok("logs", "one")
    assert result.out == "whole\n"
    assert "damaged" in result.err


@pytest.mark.deadline(600)
def test_no_reader_does_not_block_the_writer(engine):
    """A detached container writes far more than any buffer while nobody reads; its supervisor stays small."""
    amount = 1 << 30 if os.environ.get("SERVIN_DEEP") == "1" else 50_000_000
    engine.ok("run", "-d", "--name", "one", "--log-opt", "max-size=1m", "base", "sh", "-c", f"head -c {amount} /dev/zero; echo; echo done; exec sleep 1000")
    pid = engine.inspect("one")["State"]["Pid"]
    shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    engine.wait_for("the writer is through", lambda: engine.ok("logs", "--tail", "1", "one").out == "done\n", timeout=500)
    status = pathlib.Path(f"/proc/{shim}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    assert peak <= 20 * 1024, f"the supervisor used {peak} kB"


def test_idle_supervisor_is_small(engine):
    """MEM-1: what a supervisor costs beside the pages of the program, which all of them share."""
    for name in ("one", "two"):
        engine.ok("run", "-d", "--name", name, "base", "sh", "-c", "seq 1 1000; exec sleep 1000")
    pid = engine.inspect("one")["State"]["Pid"]
    shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def private():
        # Pages of the program's file that only this one happens to map are the page cache's.
        total = 0
        for line in pathlib.Path(f"/proc/{shim}/smaps").read_text().splitlines():
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                writable = line.split()[1][1] == "w"
            elif line.startswith("Private_") and writable:
                total += int(line.split()[1])
        return total

    # The buffers of the first output go back after a second without any.
    deadline = time.monotonic() + 30
    while private() > 100 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert private() <= 100
