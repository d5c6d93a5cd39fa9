# SPDX-License-Identifier: Apache-2.0
"""The error catalogue (src/cli/catalogue*.cc) and the ids in the code are the same set."""
import re

import pytest

ID = re.compile(r'"(E-[A-Z][A-Z0-9-]*)"')


def test_catalogue_is_complete(cpp_files, source):
    catalogue, used = set(), {}
    for path in cpp_files:
        if source / "src" not in path.parents or path.name.endswith(("_test.cc", "_fuzz.cc")):
            continue
        ids = ID.findall(path.read_text())
        if path.name.startswith("catalogue"):
            catalogue.update(ids)
        else:
            for name in ids:
                used.setdefault(name, path.relative_to(source))
    wrong = [f"{name} ({used[name]}) is not in the catalogue" for name in sorted(used.keys() - catalogue)]
    wrong += [f"{name} is in the catalogue, but nothing raises it" for name in sorted(catalogue - used.keys())]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
