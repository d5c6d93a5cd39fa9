# SPDX-License-Identifier: Apache-2.0
"""prune: what goes, what stays, and --dry-run, which only says it."""


def test_system_df_and_prune(engine):
    engine.ok("create", "--name", "one", "-v", "data:/d", "base")
    engine.ok("tag", "base", "spare:1")
    engine.ok("volume", "create", "idle")
    long = engine.ok("system", "df", "-v").out
    images, containers, volumes = (part.splitlines() for part in long.split("\n\n")[1::2][:3])
    assert any(line.split()[:2] == ["spare", "1"] for line in images) and any(line.endswith("one") for line in containers)
    assert {line.split()[0]: line.split()[1] for line in volumes[1:]} == {"data": "1", "idle": "0"}
    shown = engine.ok("system", "prune", "--all", "--volumes", "--dry-run").out
    assert engine.inspect("one")["Id"] in shown and "would be reclaimed" in shown
    assert engine.ok("ps", "-aq").lines and sorted(engine.ok("volume", "ls", "-q").lines) == ["data", "idle"]
    assert "Total reclaimed space: 0B" in engine.ok("image", "prune", "--all", "--force", "--filter", "until=2000-01-01").out
    assert "spare" in engine.ok("images").out


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
