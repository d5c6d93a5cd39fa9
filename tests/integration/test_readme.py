# SPDX-License-Identifier: Apache-2.0
"""The tour of README.md does what it says."""
import os

from support.console import matches, steps_of


def test_tour(engine, source):
    steps = steps_of((source / "README.md").read_text())
    assert len(steps) > 5
    env = {"PATH": f"{os.path.dirname(engine.program)}:{os.environ['PATH']}", "SERVIN_ROOT": engine.root}
    for step in steps:
        result = engine.run(argv=["bash", "-c", f"exec 2>&1; {step.command}"], env=env)
        assert result.code == step.code, result
        assert matches(step.expected, result.out), f"expected {step.expected!r}: {result}"
