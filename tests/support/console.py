# SPDX-License-Identifier: Apache-2.0
"""Runs the ```console blocks of a document: `$ command` lines, then what they must print. `...` stands for any text,
`[exit N]` behind the output for an exit code that is not 0."""
import dataclasses
import re

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Step:
    command: str
    expected: str
    code: int


def steps_of(text):
    steps = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            exit_line = re.search(r"^\[exit (\d+)\]\n", expected, re.MULTILINE)
            code = int(exit_line[1]) if exit_line else 0
            steps.append(Step(command, expected.replace(exit_line[0], "") if exit_line else expected, code))
    return steps


def matches(expected, actual):
    pattern = ".*".join(re.escape(piece) for piece in expected.strip().split("..."))
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None
