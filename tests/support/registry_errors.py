# SPDX-License-Identifier: Apache-2.0
"""What a command must say, and leave behind, when a registry does what it should not."""
from support.faults import stored

QUICK = {"SERVIN_TRANSFER_STALL": "1", "SERVIN_TRANSFER_TRIES": "2"}


def explained(engine, name, *words, match, **options):
    """The command fails with the catalogue's entry `name`; nothing of it is in the store."""
    before, images = stored(engine), engine.run("images", "-q").lines
    options.setdefault("env", QUICK)
    result = engine.fails(*words, match=match, **options)
    lines = result.err.splitlines()
    assert lines[0].startswith("servin: "), result.err
    assert lines[-1] == f"  more: servin help {name}", result.err
    assert stored(engine) == before
    assert engine.run("images", "-q").lines == images
    return result
