# SPDX-License-Identifier: Apache-2.0
"""system doctor finds what a killed engine left in the kernel and in the store, says the cure, and --repair is one."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from support import leftovers

STRANGER = "5" * 64


def checks(engine, *options):
    result = engine.run("system", "doctor", "--format", "json", *options, timeout=120)
    return {row["Name"]: row for row in map(json.loads, result.lines)}


def in_network(engine):
    """So that there is something that is known, which must be left alone."""
    engine.ok("run", "-d", "--name", "kept", "-v", "data:/data", "base", "sleep", "100000")


def expect(engine, name, what, before):
    row = checks(engine)[name]
    assert row["Result"] == "warning" and what in row["Detail"] and row["Fix"] == "servin system doctor --repair", row
    row = checks(engine, "--repair")[name]
    assert row["Result"] == "ok" and "removed" in row["Detail"], row
    assert checks(engine)[name] == before[name]
    assert engine.ok("exec", "kept", "echo", "goes on").out == "goes on\n"
    engine.ok("exec", "kept", "touch", "/data/still")


def group_folders(engine):
    """In each hierarchy that the engine uses, where its groups are."""
    return [pathlib.Path(folder) for folder in leftovers.cgroups_of(engine.tag) if folder.endswith(f"servin-{engine.tag}")]


@pytest.fixture
def healthy(engine):
    in_network(engine)
    before = checks(engine)
    for name in ("stray control groups", "stray mounts", "stray links", "unused layers", "trash", "leftovers"):
        assert before[name]["Result"] == "ok" and before[name]["Detail"] == "none", before[name]
    return before


def test_a_control_group_of_nobody(engine, healthy):
    groups = group_folders(engine)
    assert groups
    for folder in groups:
        (folder / STRANGER).mkdir()
    sleeper = subprocess.Popen(["sleep", "100000"])
    try:
        (groups[0] / STRANGER / "cgroup.procs").write_text(str(sleeper.pid))
        expect(engine, "stray control groups", STRANGER, healthy)
        assert sleeper.wait(10) == -9, "what was in it ends"
    finally:
        sleeper.kill()
        sleeper.wait()
    assert not any((folder / STRANGER).exists() for folder in groups)


def test_a_mount_of_nobody(engine, healthy):
    place = pathlib.Path(engine.root, "containers", STRANGER, "a folder")
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    try:
        row = checks(engine)["stray mounts"]
        assert row["Result"] == "warning" and str(place) in row["Detail"], row
        after = checks(engine, "--repair")
        assert after["stray mounts"]["Result"] == "ok" and after["leftovers"]["Result"] == "ok", after
        assert not os.path.ismount(place) and not place.parent.exists()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, stderr=subprocess.DEVNULL)


def test_a_mounted_volume_is_no_stray(engine, healthy):
    engine.ok("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "memory")
    engine.ok("run", "-d", "-v", "memory:/m", "base", "sleep", "100000")
    assert checks(engine)["stray mounts"] == healthy["stray mounts"]


def test_a_disk_of_the_administrators_in_a_volume_stays(engine, healthy):
    place = pathlib.Path(engine.ok("volume", "inspect", "data").json()[0]["Mountpoint"])
    engine.ok("rm", "-f", "kept")
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    try:
        (place / "precious").touch()
        assert checks(engine, "--repair")["stray mounts"] == healthy["stray mounts"]
        assert os.path.ismount(place) and (place / "precious").exists()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_mount_in_use_is_told(engine, healthy):
    place = pathlib.Path(engine.root, "odd")
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    holder = os.open(place, os.O_RDONLY)
    try:
        row = checks(engine, "--repair")["stray mounts"]
        assert row["Result"] == "warning" and str(place) in row["Detail"] and row["Fix"] == f"umount {place}", row
    finally:
        os.close(holder)
        subprocess.run(["umount", str(place)], check=True)


def test_a_link_of_nobody(engine, healthy):
    name = f"st{os.getpid()}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "link", "set", name, "alias", f"servin {engine.tag} container {STRANGER}"], check=True)
        expect(engine, "stray links", name, healthy)
        assert not os.path.exists(f"/sys/class/net/{name}")
    finally:
        subprocess.run(["ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)


def test_the_host_end_of_a_pair_says_whose_it_is(engine, healthy):
    aliases = [pathlib.Path(f"/sys/class/net/{link}/ifalias").read_text().strip() for link in leftovers.links_of(engine.tag)]
    assert f"servin {engine.tag} container {engine.inspect('kept')['Id']}" in aliases, aliases


def test_a_layer_that_no_image_needs(engine, healthy):
    blob = pathlib.Path(engine.root, "blobs/sha256", "ab" * 32)
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(b"x" * 5000)
    expect(engine, "unused layers", "no image needs", healthy)
    assert not blob.exists()


def test_what_a_killed_command_left(engine, healthy):
    left = pathlib.Path(engine.root, "tmp", "1-1-0123456789abcdef", "half")
    left.mkdir(parents=True)
    row = checks(engine)["trash"]
    assert row["Result"] == "warning" and row["Fix"] == "servin system doctor --repair", row
    checks(engine, "--repair")
    assert not left.exists() and checks(engine)["trash"] == healthy["trash"]


def test_programs_that_are_missing_are_named(engine, tmp_path):
    here = pathlib.Path(engine.argv()[0]).parent
    for name in ("servin", "servin-shim"):
        shutil.copy(here / name, tmp_path)
    result = engine.run(argv=[str(tmp_path / "servin"), "--root", engine.root, "system", "doctor", "--format", "json"])
    rows = {row["Name"]: row for row in map(json.loads, result.lines)}
    assert rows["servin-shim"]["Result"] == "ok"
    for name in ("servin-netd", "servin-transfer"):
        assert rows[name]["Result"] == "failed" and name in rows[name]["Detail"] and rows[name]["Fix"], rows[name]
    assert all(checks(engine)[name]["Result"] == "ok" for name in ("servin-netd", "servin-transfer"))
