# SPDX-License-Identifier: Apache-2.0
"""docs/layers.txt is the law: which folder of src/ may include which."""
import re

import pytest

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@pytest.fixture(scope="module")
def layers(source):
    """Room -> rooms that it may use."""
    table = {}
    for line in (source / "docs/layers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            room, _, uses = line.partition(":")
            assert room.strip() not in table, f"two lines for {room}"
            table[room.strip()] = uses.split()
    return table


def room_of(path, layers):
    """The longest room that holds `path` (relative to src/)."""
    rooms = [room for room in layers if path.startswith(room + "/")]
    return max(rooms, key=len) if rooms else None


def test_every_room_named_is_a_line(layers):
    for room, uses in layers.items():
        for use in uses:
            assert use in layers, f"{room} may use {use}, which has no line"


def test_every_folder_is_listed(layers, cpp_files, source):
    src = source / "src"
    for path in cpp_files:
        if src in path.parents:
            relative = str(path.relative_to(src))
            assert room_of(relative, layers), f"src/{relative} is in no room of docs/layers.txt"


def test_no_cycle(layers):
    state = {}

    def visit(room, trail):
        assert state.get(room) != "open", "a cycle: " + " -> ".join([*trail, room])
        if room not in state:
            state[room] = "open"
            for use in layers[room]:
                visit(use, [*trail, room])
            state[room] = "done"

    for room in layers:
        visit(room, [])


def test_includes_keep_to_the_layers(layers, cpp_files, source):
    src = source / "src"
    wrong = []
    for path in cpp_files:
        if src not in path.parents:
            continue
        name = str(path.relative_to(src))
        room = room_of(name, layers)
        for include in INCLUDE.findall(path.read_text()):
            target = room_of(include, layers)
            if target is None:
                wrong.append(f'{name}: "{include}" is no path from src/ (system headers go in <>)')
            elif not (src / include).exists():
                wrong.append(f'{name}: "{include}" does not exist')
            elif target != room and target not in layers[room]:
                wrong.append(f'{name}: {room} may not include {target} ("{include}")')
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
