# SPDX-License-Identifier: Apache-2.0
"""The programs of tests/tools, which lie beside the program under test, and what a kill sweep needs of them."""
import dataclasses
import os
import pathlib
import random
import re

from support.engine import PROGRAM

DEEP = os.environ.get("SERVIN_DEEP") == "1"
SEED = 20240229  # the sample of the suite is the same on every run


def tool(name):
    path = pathlib.Path(PROGRAM).with_name(name)
    assert path.exists(), f"no {path}: ninja -C {path.parent.parent} test_tools makes it"
    return str(path)


@dataclasses.dataclass
class Steps:
    """What the stepper reported: the calls in their order, how many, whether it killed and where."""
    calls: list
    events: int
    killed: bool
    call: str
    code: int


def stepped(engine, args, kill_at=None, who="all", whole=False, timeout=60):
    """Runs one command of the engine under the stepper, which counts its state-changing system calls and kills at the
    `kill_at`-th; `who` may be the pid of another process. Returns (Steps, Result)."""
    report = f"{engine.dir}/steps"
    argv = [tool("stepper"), "--report", report, "--who", str(who), *(["--whole"] if whole else []),
            *(["kill", str(kill_at)] if kill_at else ["count"]), "--", *engine.argv(*args)]
    result = engine.run(argv=argv, timeout=timeout)
    lines = pathlib.Path(report).read_text(encoding="ascii").splitlines()
    end = re.fullmatch(r"events=(\d+) killed=(\d) who=(\d+) call=(\S+) exit=(\d+)", lines[-1])
    assert end, f"the stepper's report ends with {lines[-1]!r}: {result}"
    return Steps([line.split()[2] for line in lines[:-1]], int(end[1]), end[2] == "1", end[4], int(end[5])), result


def sample(count, size):
    """Where to kill: all of 1..count in the deep lane, else `size` of them, spread over the whole with a fixed seed."""
    if DEEP or count <= size:
        return list(range(1, count + 1))
    chance = random.Random(SEED)
    width = count / size
    return sorted({1, count, *(1 + int(width * (i + chance.random())) for i in range(size))} & set(range(1, count + 1)))
