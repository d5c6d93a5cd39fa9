# SPDX-License-Identifier: Apache-2.0
"""What a reader of any file may rely on (docs/contributing.md)."""
import re
import subprocess

import pytest

MAX_LINES = 800  # a file over 400 asks to be split

# These pull in start-up cost and locale machinery; fmt and string_view do the work here.
FORBIDDEN_HEADERS = re.compile(r"#\s*include\s*<(iostream|regex|locale|codecvt|iomanip|sstream|ostream|istream)>")
SPDX = "SPDX-License-Identifier: Apache-2.0"
WITH_SPDX = {".cc", ".h", ".py", ".sh", ".ini"}


def report(wrong):
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def is_script(path):
    return path.suffix == ".sh" or (path.suffix == "" and path.read_bytes()[:2] == b"#!" and b"sh" in path.read_bytes().split(b"\n")[0])


def test_formatted(cpp_files, source):
    result = subprocess.run(["clang-format-19", "--dry-run", "--Werror", *map(str, cpp_files)], cwd=source, capture_output=True, text=True, check=False)
    bad = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error:" in line})
    if result.returncode != 0:
        pytest.fail("not formatted (./dev fmt): " + ", ".join(bad or [result.stderr]), pytrace=False)


def test_licence_line(text_files, source):
    wrong = []
    for path in text_files:
        if path.suffix in WITH_SPDX or is_script(path):
            if SPDX not in "\n".join(path.read_text().splitlines()[:3]):
                wrong.append(f"{path.relative_to(source)}: no '{SPDX}' on top")
    report(wrong)


def test_file_size(text_files, source):
    wrong = []
    for path in text_files:
        lines = path.read_text(errors="replace").count("\n")
        if path.suffix in (".cc", ".h", ".py", ".sh") and lines > MAX_LINES:
            wrong.append(f"{path.relative_to(source)}: {lines} lines, split it by subject")
    report(wrong)


def test_headers_are_guarded(cpp_files, source):
    report([f"{path.relative_to(source)}: no #pragma once" for path in cpp_files if path.suffix == ".h" and "#pragma once" not in path.read_text()])


def test_no_heavy_headers(cpp_files, source):
    wrong = []
    for path in cpp_files:
        if source / "src" in path.parents and not path.name.endswith("_test.cc"):
            for match in FORBIDDEN_HEADERS.finditer(path.read_text()):
                wrong.append(f"{path.relative_to(source)}: <{match[1]}> is not used in this code base")
    report(wrong)


def test_whitespace(text_files, source):
    wrong = []
    for path in text_files:
        name = path.relative_to(source)
        text = path.read_text(errors="replace")
        if "\r" in text:
            wrong.append(f"{name}: carriage return")
        if text and not text.endswith("\n"):
            wrong.append(f"{name}: no newline at the end")
        if name.name == "LICENSE":
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if "\t" in line:
                wrong.append(f"{name}:{number}: tab")
            if line != line.rstrip():
                wrong.append(f"{name}:{number}: space at the end")
    report(wrong)


def test_an_empty_catch_says_why(cpp_files, source):
    wrong = []
    for path in cpp_files:
        text = path.read_text()
        for match in re.finditer(r"catch \([^)]*\) \{\s*\}", text):
            number = text.count("\n", 0, match.start()) + 1
            wrong.append(f"{path.relative_to(source)}:{number}: a comment, please: why may this be swallowed?")
    report(wrong)


def test_scripts(text_files, source):
    scripts = [str(path) for path in text_files if is_script(path)]
    result = subprocess.run(["shellcheck", "--severity=warning", *scripts], cwd=source, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.fail(result.stdout, pytrace=False)


def test_names_of_the_workplace(text_files, source):
    """Nothing in the tree may depend on the machine that it was written on."""
    # The second "work" is the folder that overlayfs keeps in a work folder.
    pattern = re.compile("(?<!/work)/work/" + r"(?!work/)[\w.]+/")
    wrong = []
    for path in text_files:
        for number, line in enumerate(path.read_text(errors="replace").split("\n"), 1):
            if pattern.search(line):
                wrong.append(f"{path.relative_to(source)}:{number}: {line.strip()[:100]}")
    report(wrong)
