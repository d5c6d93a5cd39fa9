# SPDX-License-Identifier: Apache-2.0
"""What the lint checks share: the tracked files."""
import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def files():
    """All files that belong to the project: tracked, or new and not ignored."""
    if (SOURCE / ".git").exists():
        listed = subprocess.run(["git", "-c", f"safe.directory={SOURCE}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                cwd=SOURCE, check=True, capture_output=True).stdout
        paths = [SOURCE / name for name in listed.decode().split("\0") if name]
    else:  # a source archive
        paths = [path for path in SOURCE.rglob("*") if not {"build", "__pycache__"} & set(path.relative_to(SOURCE).parts)]
    return sorted(path for path in paths if path.is_file())


@pytest.fixture(scope="session")
def text_files(files, source):
    """The same without binary data (the corpus of the fuzzers, pictures)."""
    corpus = source / "tests/corpus"
    return [path for path in files if corpus not in path.parents and b"\0" not in path.read_bytes()[:4096]]


@pytest.fixture(scope="session")
def cpp_files(files):
    return [path for path in files if path.suffix in (".cc", ".h")]
