# SPDX-License-Identifier: Apache-2.0
"""prune: what goes, what stays, and --dry-run, which only says it."""


def test_prune_shows_first(engine):
    engine.ok("volume", "create", "--label", "keep=yes", "kept")
    engine.ok("volume", "create", "spare")
    engine.ok("create", "-v", "used:/u", "base")
    shown = engine.ok("volume", "prune", "--all", "--dry-run", "--filter", "label!=keep").out
    assert "spare" in shown and "kept" not in shown and "used" not in shown and "would be reclaimed" in shown
    assert sorted(engine.ok("volume", "ls", "-q").lines) == ["kept", "spare", "used"]
    engine.ok("volume", "prune", "--all", "--force", "--filter", "label!=keep")
    assert sorted(engine.ok("volume", "ls", "-q").lines) == ["kept", "used"]
    engine.ok("volume", "prune", "--force", "--filter", "all=true")
    assert engine.ok("volume", "ls", "-q").lines == ["used"]
