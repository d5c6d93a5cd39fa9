# SPDX-License-Identifier: Apache-2.0
"""F1: `load` killed at each of its state-changing system calls, with everything it started."""
import os
import shutil

import pytest

from support.faults import Healthy, expect_nothing_left, remove_everything, small_image, sweep

pytestmark = pytest.mark.in_memory


@pytest.fixture
def loading(engine):
    archive, image = small_image(engine)
    return engine, archive, image


def whole_or_absent(engine, image):
    """O3: the image is there and runs, or nothing of it is listed."""
    listed = engine.ok("image", "ls", "-q", "--no-trunc").lines
    if listed:
        assert listed == [image.id]
        assert engine.ok("run", "--rm", "small:1", "cat", "/etc/motd", "/data/f0").out == "third\nchanged\n"
    return bool(listed)


@pytest.mark.deadline(1200)
def test_into_a_store_that_exists(loading):
    engine, archive, image = loading
    healthy = Healthy(engine)

    def judge(_steps):
        whole_or_absent(engine, image)
        healthy.check()
        engine.ok("load", "-i", archive)  # O4: the same command, no manual step
        assert whole_or_absent(engine, image)
        healthy.check("--verify")
        remove_everything(engine)
        expect_nothing_left(engine)

    sweep(engine, ["load", "-i", archive], judge, size=40)


@pytest.mark.deadline(600)
def test_with_the_images_layers_already_there(loading):
    """A second name for the same content must not lose the first, whatever happens to it."""
    engine, archive, image = loading
    healthy = Healthy(engine)
    engine.ok("load", "-i", archive)

    def judge(_steps):
        assert whole_or_absent(engine, image), "a killed load took an image away that was there before"
        healthy.check("--verify")

    sweep(engine, ["load", "-i", archive], judge)


@pytest.mark.deadline(600)
def test_as_the_first_command_ever(loading):
    """The databases and folders are made on the way."""
    engine, archive, image = loading

    def forget():
        shutil.rmtree(engine.root, ignore_errors=True)

    def judge(_steps):
        engine.ok("load", "-i", archive)
        assert whole_or_absent(engine, image)
        expect_nothing_left(engine, apart=("blobs/sha256", "snapshots"))

    sweep(engine, ["load", "-i", archive], judge, before=forget)


@pytest.mark.deadline(600)
def test_save(loading):
    """A save that was killed leaves no half archive under the name that was asked for."""
    engine, archive, image = loading
    engine.ok("load", "-i", archive)
    target = f"{engine.dir}/saved.tar"

    def judge(_steps):
        if os.path.exists(target):
            engine.ok("load", "-i", target)
            os.unlink(target)
        engine.ok("save", "-o", target, "small:1")
        engine.ok("load", "-i", target)
        os.unlink(target)
        names = [name for name in os.listdir(engine.dir) if "saved" in name]
        for name in names:  # a temporary file of a killed command may stay beside it: nobody can know it for garbage
            os.unlink(f"{engine.dir}/{name}")

    sweep(engine, ["save", "-o", target, "small:1"], judge)
