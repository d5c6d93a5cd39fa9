# SPDX-License-Identifier: Apache-2.0
"""The oracles that hold after every fault: the store is whole, nothing is left, and what a killed command did is all or
nothing."""
import json
import os

from support.imagebuilder import Image, busybox, docker_archive, layer, many_files, File
from support.tools import DEEP, sample, stepped

STORE = ("blobs/sha256", "referrers", "snapshots", "tmp", "trash", "containers", "run/containers", "volumes")


def failed_checks(engine, *options):
    """Name -> detail of what `system doctor` finds wrong."""
    result = engine.run("system", "doctor", "--format", "json", *options, timeout=120)
    assert result.code in (0, 1), str(result)
    rows = [json.loads(line) for line in result.lines]
    assert rows, str(result)
    return {row["Name"]: row["Detail"] for row in rows if row["Result"] == "failed"}


class Healthy:
    """O2: the doctor finds nothing that it did not find on the fresh engine (a host may lack something)."""

    def __init__(self, engine):
        self._engine = engine
        self._known = failed_checks(engine).keys()

    def check(self, *options):
        new = {name: detail for name, detail in failed_checks(self._engine, *options).items() if name not in self._known}
        assert not new, f"system doctor: {new}"


def listing(engine, folder):
    try:
        return sorted(os.listdir(f"{engine.root}/{folder}"))
    except FileNotFoundError:
        return []


def stored(engine):
    """What lies in the store, by folder; folders without anything are left out."""
    return {folder: names for folder in STORE if (names := listing(engine, folder))}


def expect_nothing_left(engine, apart=()):
    """O1, once containers and images are gone: store and host are empty within 10 s (the reaper works after the answer).
    `apart`: folders of the store that may hold something."""
    def rest():
        return [*engine.leftovers(), *(f"{folder}: {names}" for folder, names in stored(engine).items() if folder not in apart)]

    lines = []

    def clean():
        lines[:] = rest()
        return not lines

    try:
        engine.wait_for("nothing left", clean, timeout=10)
    except AssertionError:
        raise AssertionError("left behind:\n" + "\n".join(lines)) from None


def remove_everything(engine):
    engine.ok("rm", "--force", "--all")
    engine.ok("volume", "prune", "--all", "--force")
    engine.ok("image", "prune", "--all", "--force")


def small_image(engine, reference="small:1"):
    """An archive of an image that runs, three layers, 300 files."""
    image = Image(reference, [busybox(), many_files("data", 280), layer(File("etc/motd", "third\n"), File("data/f0", "changed\n"))], Cmd=["sh"])
    return docker_archive(f"{engine.dir}/small.tar", [image]), image


def sweep(engine, args, judge, before=None, size=40, who="all", whole=False):
    """Kills the command at each of `size` points (all in the deep lane) spread over its state-changing calls. Around
    each kill: before(), then judge(steps)."""
    counts = []
    for _ in range(2):  # the first makes folders that stay
        if before:
            before()
        steps, result = stepped(engine, args, who=who, whole=whole)
        assert result.code == 0, f"the command that is to be swept fails by itself: {result}"
        judge(steps)
        counts.append(steps.events)
    points = sample(min(counts), size)
    assert len(points) >= min(*counts, 5), f"only {counts} state-changing calls in {args}"
    killed = 0
    for point in points:
        # What others have finished meanwhile (the record of a container on disk) makes a run shorter than the counted ones:
        # then the point is sought in what such a run has.
        for _ in range(3):
            if before:
                before()
            steps, result = stepped(engine, args, kill_at=point, who=who, whole=whole)
            try:
                judge(steps)
            except AssertionError as problem:
                near = " ".join(steps.calls[-4:])
                raise AssertionError(f"killed at {point} of {points[-1]} ({near}), {who}: {problem}\nthe command said: {result}") from None
            if steps.killed:
                break
            point = max(1, steps.events - 1)
        killed += steps.killed
    assert killed >= 0.9 * len(points), f"only {killed} of {len(points)} points killed"
    print(f"{' '.join(map(str, args))}: {killed} kills of {points[-1]} calls")


__all__ = ["DEEP", "Healthy", "expect_nothing_left", "failed_checks", "listing", "remove_everything", "small_image", "stored", "sweep"]
