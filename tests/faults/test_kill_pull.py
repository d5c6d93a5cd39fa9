# SPDX-License-Identifier: Apache-2.0
"""F2: `pull` killed at each of its state-changing system calls, with everything it started. What had arrived is not
fetched again."""
import json
import os
import pathlib

import pytest

from support.faults import Healthy, expect_nothing_left, listing, remove_everything, sweep
from support.imagebuilder import File, busybox, layer, many_files
from support.registry import FakeRegistry, TestImage, compressed, digest, noise

pytestmark = pytest.mark.in_memory


@pytest.fixture
def pulling(engine):
    registry = FakeRegistry()
    image = TestImage(compressed(busybox()), compressed(many_files("data", 100)), noise("large", 200_000),
                      compressed(layer(File("etc/motd", "fourth\n"))))
    registry.put("small:1", image)
    yield engine, registry, image
    registry.close()


def whole_or_absent(engine, image, name):
    listed = engine.ok("image", "ls", "-q", "--no-trunc").lines
    if listed:
        assert listed == [image.id]
        assert engine.ok("run", "--rm", "--network", "none", name, "cat", "/etc/motd").out == "fourth\n"
    return bool(listed)


@pytest.mark.deadline(1200)
def test_pull(pulling):
    engine, registry, image = pulling
    name = f"{registry.host}/small:1"
    healthy = Healthy(engine)
    sizes = {digest[7:]: len(data) for digest, data in image.blobs().items()}

    def arrived():
        folder = f"{engine.root}/downloads"
        return {hex for hex in listing(engine, "downloads") if os.path.getsize(f"{folder}/{hex}") == sizes.get(hex)} | \
            set(listing(engine, "blobs/sha256"))

    def judge(_steps):
        whole = whole_or_absent(engine, image, name)
        healthy.check()
        there = arrived()
        registry.requests.clear()
        engine.ok("pull", name)  # O4: the same command, no manual step
        assert whole_or_absent(engine, image, name)
        fetched = [r[1].rsplit(":", 1)[1] for r in registry.asked("GET", "/blobs/")]
        assert len(fetched) == len(set(fetched))
        again = (set(fetched) - {image.id[7:]}) & there
        assert not again, f"fetched again although it was there: {again}"
        assert not (whole and fetched)
        healthy.check("--verify")
        remove_everything(engine)
        expect_nothing_left(engine)
        assert not listing(engine, "downloads")

    sweep(engine, ["pull", "-q", name], judge)


@pytest.mark.deadline(1200)
def test_what_refers_to_the_image(pulling):
    """Each of them is there whole or not at all, and the next pull brings what is missing."""
    engine, registry, image = pulling
    name, subject = f"{registry.host}/small:1", digest(image.manifest)
    wanted = sorted(registry.put_referrer("small", subject, kind, kind.encode() * 1000)[7:] for kind in ("one", "two"))
    folder = f"referrers/{subject[7:]}"
    healthy = Healthy(engine)

    def check_each():
        for referrer in listing(engine, folder):
            files = {file: pathlib.Path(engine.root, folder, referrer, file).read_bytes() for file in listing(engine, f"{folder}/{referrer}")}
            manifest = files.pop("manifest")
            assert digest(manifest) == f"sha256:{referrer}"
            parsed = json.loads(manifest)
            assert files.keys() == {blob["digest"][7:] for blob in [parsed["config"], *parsed["layers"]]}
            assert all(digest(data)[7:] == file for file, data in files.items())
        return listing(engine, folder)

    def judge(_steps):
        check_each()
        whole_or_absent(engine, image, name)
        engine.ok("pull", name)
        assert check_each() == wanted
        healthy.check()
        remove_everything(engine)
        expect_nothing_left(engine)

    sweep(engine, ["pull", "-q", name], judge, size=20)
