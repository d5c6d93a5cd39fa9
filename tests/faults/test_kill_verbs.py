# SPDX-License-Identifier: Apache-2.0
"""F4: the other verbs killed at each of their state-changing system calls. Each scenario says what the command finds,
and how one sees that it has been done or not been done: nothing in between may be left."""
import dataclasses
from collections.abc import Callable

import pytest

from support.faults import Healthy, expect_nothing_left, listing, small_image, sweep
from support.tools import sample, stepped

pytestmark = pytest.mark.in_memory


@dataclasses.dataclass
class Scenario:
    """`done(engine)`: True when the command has had its effect, False when not; asserts that it is one of the two."""
    args: list
    done: Callable
    prepare: Callable = lambda engine: None
    who: str = "all"
    size: int = 18
    whole: bool = True  # with the sweeper that it leaves behind


def names(engine):
    return set(engine.ok("ps", "-a", "--format", "{{.Names}}").lines)


def volumes(engine):
    return set(engine.ok("volume", "ls", "-q").lines)


def references(engine):
    return set(engine.ok("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").lines) - {"<none>:<none>"}


def state(engine, name):
    return engine.inspect(name)["State"]["Status"]


def either(value, done, undone):
    assert value in (done, undone), f"neither {undone!r} (before) nor {done!r} (after): {value!r}"
    return value == done


def exited(engine):
    engine.ok("run", "--name", "one", "small:1", "sh", "-c", "echo content >/file")


def running(engine):
    engine.ok("run", "-d", "--name", "one", "small:1", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done")


def with_volume(engine):
    engine.ok("volume", "create", "data")



def networks(engine):
    return set(engine.ok("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}").lines)


def with_network(engine):
    engine.ok("network", "create", "mine")


def in_network(engine):
    engine.ok("network", "create", "mine")
    engine.ok("run", "-d", "--name", "one", "--network", "mine", "small:1", "sleep", "100000")


def with_used_network(engine):
    in_network(engine)
    engine.ok("rm", "--force", "one")


def with_two(engine):
    in_network(engine)
    engine.ok("network", "create", "other")


def in_two(engine):
    with_two(engine)
    engine.ok("network", "connect", "other", "one")


def connected(engine):
    return set(engine.inspect("one")["NetworkSettings"]["Networks"])


def settle(engine, wanted):
    """The state of `one` once it is one of `wanted` (what has been told to start or to end goes on after the kill)."""
    return engine.wait_for(f"state in {wanted}", lambda: (found := state(engine, "one")) in wanted and found, timeout=20)


def goes_on(engine):
    """Looked at by what would wait for ever, before any other command may have thawed it."""
    assert engine.ok("exec", "one", "echo", "alive").out == "alive\n"
    return state(engine, "one") == "running"


SCENARIOS = {
    "create": Scenario(["create", "--name", "one", "-v", "data:/data", "small:1", "true"], lambda e: either(names(e), {"one"}, set())),
    "start": Scenario(["start", "one"], lambda e: settle(e, ("running", "created", "exited")) == "running",
                      lambda e: e.ok("create", "--name", "one", "small:1", "sleep", "100000"), whole=False),
    "stop": Scenario(["stop", "-t", "60", "one"], lambda e: settle(e, ("running", "exited")) == "exited", running),
    "kill": Scenario(["kill", "one"], lambda e: settle(e, ("running", "exited")) == "exited", running),
    "restart": Scenario(["restart", "one"], lambda e: settle(e, ("running", "exited")) == "running", running, whole=False),
    "pause": Scenario(["pause", "one"], lambda e: either(state(e, "one"), "paused", "running"), running),
    "rm": Scenario(["rm", "one"], lambda e: either(names(e), set(), {"one"}), exited),
    "rm of a running one": Scenario(["rm", "--force", "one"], lambda e: either(names(e), set(), {"one"}), running),
    "rm with volumes": Scenario(["rm", "--volumes", "one"], lambda e: either((names(e), len(volumes(e))), (set(), 0), ({"one"}, 1)) if names(e) else True,
                                lambda e: e.ok("create", "--name", "one", "-v", "/data", "small:1", "true")),
    "rename": Scenario(["rename", "one", "two"], lambda e: either(names(e), {"two"}, {"one"}), exited),
    "commit": Scenario(["commit", "one", "other:1"], lambda e: goes_on(e) and either(references(e), {"small:1", "other:1"}, {"small:1"}),
                       running, size=30),
    "exec": Scenario(["exec", "one", "true"], lambda e: either(state(e, "one"), "running", "running"), running),
    "container prune": Scenario(["container", "prune", "--force"], lambda e: either(names(e), set(), {"one"}), exited),
    "tag": Scenario(["tag", "small:1", "other:1"], lambda e: either(references(e), {"small:1", "other:1"}, {"small:1"})),
    "rmi": Scenario(["rmi", "small:1"], lambda e: either(references(e), set(), {"small:1"})),
    "image prune": Scenario(["image", "prune", "--all", "--force"], lambda e: either(references(e), set(), {"small:1"})),
    "volume create": Scenario(["volume", "create", "data"], lambda e: either(volumes(e), {"data"}, set())),
    "volume rm": Scenario(["volume", "rm", "data"], lambda e: either(volumes(e), set(), {"data"}), with_volume),
    "volume prune": Scenario(["volume", "prune", "--all", "--force"], lambda e: either(volumes(e), set(), {"data"}), with_volume),
    "network create": Scenario(["network", "create", "mine"], lambda e: either(networks(e), {"mine"}, set())),
    "network rm": Scenario(["network", "rm", "mine"], lambda e: either(networks(e), set(), {"mine"}), with_network),
    "network rm after use": Scenario(["network", "rm", "mine"], lambda e: either(networks(e), set(), {"mine"}), with_used_network),
    "network prune": Scenario(["network", "prune", "--force"], lambda e: either(networks(e), set(), {"mine"}), with_network),
    "create in a network": Scenario(["create", "--name", "one", "--network", "mine", "small:1", "true"], lambda e: either(names(e), {"one"}, set()), with_network),
    "network connect": Scenario(["network", "connect", "other", "one"], lambda e: either(connected(e), {"mine", "other"}, {"mine"}), with_two, whole=False),
    "network disconnect": Scenario(["network", "disconnect", "--force", "mine", "one"], lambda e: either(connected(e), {"other"}, {"mine", "other"}), in_two, whole=False),
    "rename in a network": Scenario(["rename", "one", "two"], lambda e: either(names(e), {"two"}, {"one"}), in_network),
    "system prune": Scenario(["system", "prune", "--all", "--volumes", "--force"],
                             lambda e: not names(e) and not references(e), exited),
}


@pytest.mark.deadline(900)
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed(engine, name):
    scenario = SCENARIOS[name]
    healthy = Healthy(engine)
    archive, _ = small_image(engine)

    def before():
        if references(engine) != {"small:1"}:
            engine.ok("load", "-i", archive)
        scenario.prepare(engine)

    def judge(_steps):
        done = scenario.done(engine)
        healthy.check()
        if not done:
            again = engine.run(*scenario.args)  # O4; what had been begun may be finished by now, so that nothing is to be done
            engine.wait_for(f"the effect ({again})", lambda: scenario.done(engine), timeout=20)
        engine.ok("rm", "--force", "--all")
        engine.ok("volume", "prune", "--all", "--force")
        engine.ok("network", "prune", "--force")
        known = engine.ok("network", "ls", "-q", "--no-trunc").lines  # the default network's folder stays
        folders = [name for name in listing(engine, "networks") if len(name) == 64 and name not in known]
        assert not networks(engine) and not folders, folders
        if "other:1" in references(engine):
            engine.ok("rmi", "other:1")
        if references(engine):
            assert engine.ok("run", "--rm", "small:1", "cat", "/data/f0").out == "changed\n"
            expect_nothing_left(engine, apart=("blobs/sha256", "snapshots"))
        else:
            engine.ok("image", "prune", "--all", "--force")
            expect_nothing_left(engine)

    sweep(engine, scenario.args, judge, before, size=scenario.size, who=scenario.who, whole=scenario.whole)


@pytest.mark.deadline(300)
def test_detached_exec_that_was_not_started_is_no_success(engine):
    """Whichever of its processes is killed: exit code 0 means that the new process runs."""
    archive, _ = small_image(engine)
    engine.ok("load", "-i", archive)
    running(engine)

    def mark():
        return engine.run("exec", "one", "rm", "/mark").code == 0

    def run(kill_at=None):
        steps, result = stepped(engine, ["exec", "-d", "one", "touch", "/mark"], kill_at=kill_at, who="caller", whole=True)
        if result.code == 0:
            engine.wait_for(f"its mark ({steps.call}, {steps.events})", mark)
        else:
            assert result.err or steps.code == 137, f"{result}"
            mark()
        return steps

    steps = run()
    program = len(steps.calls) - steps.calls[::-1].index("execve")  # from here on it is the new process's own
    for point in sample(program - 1, 30):
        run(point)
