# SPDX-License-Identifier: Apache-2.0
"""`network connect` and `disconnect` of a running container, disturbed: its supervisor dies in the middle, others do the same at
once, somebody flushes the rules all the time."""
import concurrent.futures
import pathlib
import threading

import pytest

from support import netfilter
from support.faults import Healthy, expect_nothing_left
from support.hosts import OwnHost
from support.tools import sample, stepped

pytestmark = pytest.mark.in_memory


def members(engine):
    return set(engine.inspect("one")["NetworkSettings"]["Networks"])


def addresses(engine):
    """Of the container's interfaces, as the container sees them."""
    lines = engine.ok("exec", "one", "ip", "-4", "-o", "address").lines
    return {line.split()[3].split("/")[0] for line in lines if " lo " not in line}


def expect_agreement(engine, networks):
    """What `inspect` tells is what the container has."""
    shown = engine.inspect("one")["NetworkSettings"]["Networks"]
    assert set(shown) == networks
    assert addresses(engine) == {place["IPAddress"] for place in shown.values()}


def start(engine, *more):
    for name in ("mine", "other"):
        engine.ok("network", "create", name)
    engine.ok("run", "-d", "--name", "one", "--network", "mine", "base", "sleep", "100000")
    for name in more:
        engine.ok("network", "connect", name, "one")


def remove(engine):
    engine.ok("rm", "--force", "--all")
    engine.ok("network", "prune", "--force")


@pytest.mark.deadline(600)
@pytest.mark.parametrize("verb", ["connect", "disconnect"])
def test_the_supervisor_is_killed_in_the_middle(engine, verb):
    """The command succeeds, or says that the container does not run; either way the container starts again, in the networks that
    it is said to be in."""
    healthy = Healthy(engine)
    first = ("other",) if verb == "disconnect" else ()
    command = ["network", verb, "other", "one"]

    def run(kill_at=None):
        start(engine, *first)
        pid = engine.inspect("one")["State"]["Pid"]
        shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        steps, result = stepped(engine, command, kill_at=kill_at, who=shim)
        if kill_at:
            judge(steps, result)
        remove(engine)
        return steps.events

    def judge(steps, result):
        where = f"{steps.call} at {steps.events}: {result}"
        assert steps.killed, where
        assert result.code in (0, 125) and (result.code == 0 or result.err), where
        engine.wait_for("the end", lambda: engine.inspect("one")["State"]["Status"] == "exited")
        healthy.check()
        wanted = {"mine", "other"} if verb == "connect" else {"mine"}
        assert members(engine) == wanted or (result.code and members(engine) in ({"mine"}, {"mine", "other"})), where
        engine.ok("start", "one")
        expect_agreement(engine, members(engine))
        if members(engine) != wanted:
            engine.ok(*command)
            expect_agreement(engine, wanted)

    run()  # makes folders that stay
    for point in sample(run() - 1, 16):
        run(point)
    expect_nothing_left(engine, apart=("blobs/sha256", "snapshots"))


@pytest.mark.deadline(300)
def test_many_at_once(engine):
    start(engine)
    for name in ("third", "fourth"):
        engine.ok("network", "create", name)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def at_once(*commands):
            return list(pool.map(lambda command: engine.run("network", *command, "one"), commands))

        for _ in range(5):
            results = at_once(*[("connect", "other")] * 4)
            assert sorted(result.code for result in results) == [0, 125, 125, 125], [str(result) for result in results]
            assert all("E-NETWORK-MEMBER" in result.err for result in results if result.code)
            expect_agreement(engine, {"mine", "other"})
            results = at_once(*[("disconnect", "other")] * 4)
            assert sorted(result.code for result in results) == [0, 125, 125, 125], [str(result) for result in results]
            assert all("E-NETWORK-MEMBER" in result.err for result in results if result.code)
            expect_agreement(engine, {"mine"})
            # In and out at once: whoever comes first decides what the other one finds.
            results = at_once(("connect", "third"), ("disconnect", "third"), ("connect", "other"), ("connect", "fourth"))
            assert [results[i].code for i in (0, 2, 3)] == [0, 0, 0] and results[1].code in (0, 125), [str(result) for result in results]
            expect_agreement(engine, {"mine", "other", "fourth"} | ({"third"} if results[1].code else set()))
            results = at_once(*[("disconnect", "--force", name) for name in ("other", "third", "fourth")])
            assert not any(result.code for result in results), [str(result) for result in results]
            expect_agreement(engine, {"mine"})


@pytest.mark.deadline(300)
def test_rules_flushed_all_the_time(engine):
    """On a host of its own: a flushed rule set concerns everybody."""
    host = OwnHost(engine)
    try:
        start(engine)
        engine.ok("run", "-d", "--name", "two", "--network", "other", "base", "sh", "-c", "nc -ll -p 80 -e echo two")
        stop = threading.Event()

        def flush():
            while not stop.wait(0.002):
                netfilter.flush_ruleset()

        flusher = threading.Thread(target=lambda: host.here(flush))
        flusher.start()
        try:
            for _ in range(10):
                engine.ok("network", "connect", "other", "one")
                expect_agreement(engine, {"mine", "other"})
                engine.ok("network", "disconnect", "other", "one")
                expect_agreement(engine, {"mine"})
        finally:
            stop.set()
            flusher.join()
        engine.ok("network", "connect", "other", "one")
        assert f"servin-{engine.tag}" in host.here(netfilter.tables)
        assert engine.ok("exec", "one", "sh", "-c", "nc -w 10 two 80 </dev/null").out == "two\n"
    finally:
        host.close()
