# SPDX-License-Identifier: Apache-2.0
"""The generated pages of docs/ are what the program says (./dev docs writes them)."""
import pytest


@pytest.mark.parametrize(("page", "arguments"), [
    ("docs/errors.md", ("help", "--codes", "--format", "markdown")),
    ("docs/commands.md", ("help", "--reference")),
])
def test_page_is_current(engine, source, page, arguments):
    if (source / page).read_text() != engine.ok(*arguments).out:
        pytest.fail(f"{page} is not what `servin {' '.join(arguments)}` prints: ./dev docs", pytrace=False)
