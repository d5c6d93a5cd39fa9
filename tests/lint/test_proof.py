# SPDX-License-Identifier: Apache-2.0
"""The table of proofs in docs/security.md names tests that exist, and every row that must be there is."""
import re

ROWS = {"F1", "F2", "F3", "F4", "F6", "F7", "F10", "S1", "S6", "S8", "S9", "P1", "P3", "P4", "L1", "L2", "L3", "L5", "L8", "N1", "N2", "N3", "H1", "H2", "H3", "H4", "H5", "H6", "H7", "Q1"}
PYTHON = re.compile(r"(test_\w+\.py)::(test_\w+)")
CPP = re.compile(r"([A-Z]\w*)\.([A-Z]\w*)")
CPP_TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", re.MULTILINE)


def rows(source):
    """Row -> the names of its tests."""
    section = re.search(r"^## Proof\n(.*?)^## ", (source / "docs/security.md").read_text(), re.MULTILINE | re.DOTALL)
    assert section, "docs/security.md has no section Proof"
    for line in section[1].splitlines():
        cells = re.split(r"(?<!\\)\|", line)
        if len(cells) == 5 and cells[1].strip() not in ("row", "---"):
            yield cells[1].strip(), re.findall(r"`([^`]+)`", cells[3])


def test_every_proof_exists(source, files):
    existing = set()
    for path in files:
        if path.name.startswith("test_") and path.suffix == ".py" and source / "tests" in path.parents:
            existing.update(f"{path.name}::{name}" for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE))
        elif path.name.endswith("_test.cc"):
            existing.update(f"{suite}.{name}" for suite, name in CPP_TEST.findall(path.read_text()))
    wrong = []
    for row, tests in rows(source):
        if not tests:
            wrong.append(f"{row} has no test")
        wrong += [f"{row}: {name} does not exist" for name in tests if name not in existing]
        wrong += [f"{row}: {name} is no name of a test" for name in tests if not PYTHON.fullmatch(name) and not CPP.fullmatch(name)]
    assert not wrong, "\n".join(wrong)


def test_every_row_is_there(source):
    missing = ROWS - {row for row, _ in rows(source)}
    assert not missing, f"no proof of {sorted(missing)}"
