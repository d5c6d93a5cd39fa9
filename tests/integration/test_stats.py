# SPDX-License-Identifier: Apache-2.0
"""stats shows what containers use; update changes what they may."""
import json
import pathlib
import re
import tempfile
import urllib.request

import pytest

SLEEP = ("sleep", "100000")
BUSY = ("base", "sh", "-c", "while :; do :; done")


def stats(engine, *names):
    return {row["Name"]: row for row in map(json.loads, engine.ok("stats", "--no-stream", "--format", "json", *names).lines)}


def inside(engine, name, *command):
    return engine.ok("exec", name, *command).out.strip()


def limit(engine, name, controller, v1, v2):
    """A limit as the kernel has it now: from the container's cgroup on the host."""
    container = engine.inspect(name)["Id"]
    for path in pathlib.Path("/sys/fs/cgroup").glob(f"**/servin-{engine.tag}/{container}"):
        for file in (v1, v2):
            if (path / file).exists():
                return (path / file).read_text().strip()
    pytest.fail(f"no cgroup of {name} has {v1} or {v2}")


def test_a_busy_one_and_an_idle_one(engine):
    engine.ok("run", "-d", "--name", "busy", "--network", "bridge", *BUSY)
    engine.ok("run", "-d", "--name", "idle", "-m", "64m", "--network", "none", "base", *SLEEP)
    found = stats(engine)
    assert set(found) == {"busy", "idle"}
    assert float(found["busy"]["CPUPerc"].rstrip("%")) > float(found["idle"]["CPUPerc"].rstrip("%"))
    assert found["idle"]["MemUsage"].endswith("/ 64MiB") and found["idle"]["PIDs"] == "1"
    assert found["idle"]["NetIO"] == "--" and re.fullmatch(r"\d\S*B / \d\S*B", found["busy"]["NetIO"])
    table = engine.ok("stats", "--no-stream").lines
    assert table[0].split() == "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS".split()
    assert len(table) == 3


def test_the_cache_is_not_counted(engine):
    # Not below the engine's folder, which may be on a tmpfs: what lies there is no cache.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as disk:
        count_cache(engine, disk)
        engine.ok("rm", "-f", "one")


def count_cache(engine, disk):
    engine.ok("run", "-d", "--name", "one", "-m", "256m", "-v", f"{disk}:/disk", "base", "sh", "-c", "head -c 60000000 /dev/zero >/disk/file; echo done; exec sleep 100000")
    engine.wait_for("the file is there", lambda: "done" in engine.ok("logs", "one").out, timeout=60)

    def counted():
        used = stats(engine)["one"]["MemUsage"].split(" / ")[0]
        return float("".join(c for c in used if c.isdigit() or c == ".")) * (1 if "MiB" in used else 1 / 1024)

    # The kernel brings memory.stat up to date every two seconds only.
    engine.wait_for("the cache to be told apart", lambda: counted() < 40, timeout=20)


def test_a_network_of_its_own_is_counted(engine):
    engine.ok("run", "-d", "--name", "one", "--network", "bridge", "base", "httpd", "-f", "-p", "80", "-h", "/etc")
    address = engine.inspect("one")["NetworkSettings"]["IPAddress"]

    def answers():
        try:
            return urllib.request.urlopen(f"http://{address}/passwd", timeout=5).read()
        except OSError:
            return None

    engine.wait_for("it answers", answers)
    sent = stats(engine)["one"]["NetIO"].split(" / ")
    assert len(sent) == 2 and sent[1] != "0B", sent


def test_which_ones(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    engine.ok("create", "--name", "two", "base", *SLEEP)
    assert set(stats(engine)) == {"one"}
    assert set(stats(engine, "--all")) == {"one", "two"}
    assert stats(engine, "two")["two"]["CPUPerc"] == "--"
    engine.fails("stats", "--no-stream", "none", match="no such container")
    assert engine.ok("stats", "--no-stream", "--format", "{{.Name}}").out == "one\n"


def test_live(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    live = engine.popen("stats", "--format", "{{.Name}} {{.PIDs}}")
    assert [live.stdout.readline() for _ in range(3)] == [b"one 1\n"] * 3
    live.terminate()
    terminal = engine.pty("stats")
    terminal.read_until("NAME")
    terminal.read_until("one")
    terminal.close()


# --- update

def test_a_running_one(engine):
    engine.ok("run", "-d", "--name", "one", "-m", "64m", "base", *SLEEP)
    assert engine.ok("update", "-m", "128m", "--memory-swap", "256m", "--pids-limit", "77", "--cpus", "0.5", "one").out == "one\n"
    assert limit(engine, "one", "memory", "memory.limit_in_bytes", "memory.max") == str(128 << 20)
    assert limit(engine, "one", "pids", "pids.max", "pids.max") == "77"
    assert "50000" in limit(engine, "one", "cpu", "cpu.cfs_quota_us", "cpu.max")
    found = engine.inspect("one")["HostConfig"]
    assert (found["Memory"], found["PidsLimit"], found["NanoCpus"]) == (128 << 20, 77, 500_000_000)
    engine.ok("update", "-m", "32m", "--memory-swap", "64m", "one")
    assert limit(engine, "one", "memory", "memory.limit_in_bytes", "memory.max") == str(32 << 20)
    assert "update" in engine.ok("events", "--since", "5m", "--until", "0s", "--filter", "event=update").out
    # A group that came with the update goes with the container, and an exec is in it.
    assert inside(engine, "one", "echo", "inside") == "inside"
    engine.ok("restart", "-t", "0", "one")
    assert limit(engine, "one", "memory", "memory.limit_in_bytes", "memory.max") == str(32 << 20)


def test_a_stopped_one(engine):
    engine.ok("create", "--name", "one", "base", *SLEEP)
    engine.ok("update", "-m", "64m", "--cpu-shares", "512", "one")
    engine.ok("start", "one")
    assert limit(engine, "one", "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert engine.inspect("one")["HostConfig"]["CpuShares"] == 512


def test_cpuset(engine):
    engine.ok("run", "-d", "--name", "one", "base", *SLEEP)
    engine.ok("update", "--cpuset-cpus", "0", "one")
    assert limit(engine, "one", "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    assert "Cpus_allowed_list:\t0" in inside(engine, "one", "cat", "/proc/1/status")
    engine.fails("update", "--cpuset-cpus", "4000", "one", match="E-LIMIT-REFUSED")


def test_the_restart_policy(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "echo up; while ! [ -e /end ]; do sleep 0.05; done; rm /end; exit 1")
    engine.ok("update", "--restart", "on-failure:1", "one")
    engine.ok("exec", "one", "touch", "/end")
    engine.wait_for("it came back", lambda: engine.ok("logs", "one").lines.count("up") == 2)
    engine.ok("update", "--restart", "no", "one")
    engine.ok("exec", "one", "touch", "/end")
    assert engine.ok("wait", "one").out == "1\n"
    assert engine.inspect("one")["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_what_cannot_be(engine):
    engine.ok("run", "-d", "--rm", "--name", "one", "-m", "64m", "--memory-swap", "64m", "base", *SLEEP)
    engine.fails("update", "one", match="nothing to change")
    engine.fails("update", "-m", "128m", "one", match="--memory-swap")
    engine.fails("update", "--restart", "always", "one", match="--rm")
    engine.fails("update", "-m", "1k", "one", match="--memory")
    engine.fails("update", "-m", "128m", "none", match="no such container")
    assert engine.inspect("one")["HostConfig"]["Memory"] == 64 << 20
