# SPDX-License-Identifier: Apache-2.0
"""What refers to an image (signatures, bills of materials) goes with it: from registry to registry, by OCI's list of referrers
or by the tag "sha256-HEX" where a registry has no such list, as Debian's docker-registry."""
import json
import os
import pathlib
import urllib.request

import pytest

from support.registry import OCI, FakeRegistry, Registry, TestImage, digest, gzipped, referrers_index
from support.imagebuilder import File


def fake(cleanup, lists=True):
    registry = FakeRegistry()
    registry.lists_referrers = lists
    cleanup.append(registry)
    return registry


def get(host, path):
    with urllib.request.urlopen(urllib.request.Request(f"http://{host}{path}", headers={"Accept": OCI + "index.v1+json," + OCI + "manifest.v1+json"})) as answer:
        return answer.read()


def by_tag(host, repository, subject):
    """The entries of the list under the tag."""
    return json.loads(get(host, f"/v2/{repository}/manifests/{subject.replace(':', '-')}"))["manifests"]


@pytest.mark.parametrize("first_lists", [True, False])
@pytest.mark.parametrize("second_lists", [True, False])
def test_from_registry_to_registry(engine, cleanup, first_lists, second_lists):
    """The same bytes: what was signed stays signed. A second pull and push add nothing."""
    first, second = fake(cleanup, first_lists), fake(cleanup, second_lists)
    subject = first.put("x:1", TestImage())
    wanted = {first.put_referrer("x", subject, name, data) for name, data in (("signature", b"s" * 100), ("bill", b"b" * 5_000_000))}
    for _ in range(2):
        engine.ok("pull", f"{first.host}/x:1")
        engine.ok("push", f"{first.host}/x:1", f"{second.host}/team/y:1")
        for name in wanted:
            assert second.manifests["team/y", name] == first.manifests["x", name]
        assert {digest(text) for text in second.referrers_of("team/y", subject)} == wanted
        if not second_lists:
            entries = by_tag(second.host, "team/y", subject)
            assert {entry["digest"] for entry in entries} == wanted and len(entries) == 2
            assert {entry["artifactType"] for entry in entries} == {"application/vnd.test.signature", "application/vnd.test.bill"}
            assert all(entry["annotations"]["test.name"] in entry["artifactType"] for entry in entries)
    assert len(first.asked("GET", f"/blobs/{digest(b'b' * 5_000_000)}")) == 1


def test_debians_registry(engine, cleanup, make_engine):
    """It has no list of referrers: they are under the tag, and those that others put there stay."""
    first, debian = fake(cleanup), Registry(f"{engine.dir}/registry")
    cleanup.append(debian)
    subject = first.put("x:1", TestImage())
    one = first.put_referrer("x", subject, "one")
    engine.ok("pull", f"{first.host}/x:1")
    engine.ok("push", f"{first.host}/x:1", f"{debian.host}/x:1")
    assert [entry["digest"] for entry in by_tag(debian.host, "x", subject)] == [one]
    two = first.put_referrer("x", subject, "two")
    other = make_engine()
    other.ok("pull", f"{first.host}/x:1")
    other.ok("push", f"{first.host}/x:1", f"{debian.host}/x:1")
    assert {entry["digest"] for entry in by_tag(debian.host, "x", subject)} == {one, two}
    # And out of there again.
    third, last = make_engine(), fake(cleanup, lists=False)
    third.ok("pull", f"{debian.host}/x:1")
    third.ok("push", f"{debian.host}/x:1", f"{last.host}/x:1")
    assert {digest(text) for text in last.referrers_of("x", subject)} == {one, two}
    assert get(debian.host, f"/v2/x/manifests/{one}") == first.manifests["x", one][1]


@pytest.mark.parametrize("lists", [True, False])
def test_an_image_that_refers_to_another(engine, cleanup, lists):
    """An image with a "subject" of its own is listed where it is pushed to."""
    first, second = fake(cleanup), fake(cleanup, lists)
    base = TestImage()
    subject = {"mediaType": base.type, "digest": digest(base.manifest), "size": len(base.manifest)}
    image = TestImage(gzipped(File("more", "more")), extra={"subject": subject})
    first.put("x:1", image)
    engine.ok("pull", f"{first.host}/x:1")
    engine.ok("push", f"{first.host}/x:1", f"{second.host}/x:1")
    assert second.manifests["x", "1"][1] == image.manifest
    if lists:
        assert ("x", subject["digest"].replace(":", "-")) not in second.manifests
    else:
        assert [entry["digest"] for entry in by_tag(second.host, "x", subject["digest"])] == [digest(image.manifest)]


def test_they_go_with_the_image(engine, cleanup):
    registry = fake(cleanup)
    subject = registry.put("x:1", TestImage())
    registry.put_referrer("x", subject, "one")
    engine.ok("pull", f"{registry.host}/x:1")
    folder = pathlib.Path(engine.root, "referrers")
    assert os.listdir(folder) == [subject[7:]]
    engine.ok("system", "doctor")
    engine.ok("rmi", f"{registry.host}/x:1")
    assert not os.listdir(folder)


def test_what_is_too_large_stays_where_it_is(engine, cleanup):
    """A bound for what an image's author can make us store beside it; told, and the image is there."""
    registry = fake(cleanup)
    subject = registry.put("x:1", TestImage())
    small, large = registry.put_referrer("x", subject, "small"), registry.put_referrer("x", subject, "large", b"x")
    kind, text = registry.manifests["x", large]
    document = json.loads(text)
    document["layers"][0]["size"] = 1 << 40
    huge = registry.put_manifest("x", digest(json.dumps(document).encode()), kind, json.dumps(document).encode())
    result = engine.ok("pull", f"{registry.host}/x:1")
    assert "1 of what refers to" in result.err and "too large" in result.err
    kept = os.listdir(f"{engine.root}/referrers/{subject[7:]}")
    assert small[7:] in kept and huge[7:] not in kept


def lists(text, kind=OCI + "index.v1+json"):
    return lambda request: "/referrers/" in request.path and (request.answer(200, text, kind) or True)


def entry(name, size=10):
    return {"mediaType": OCI + "manifest.v1+json", "digest": name, "size": size}


HOSTILE = {
    "not there": [entry("sha256:" + "a" * 64)], "no digest": [entry("sha256:../../../../etc/passwd")], "text": ["x"], "nothing in it": [{}],
    "no number": [entry("sha256:" + "a" * 64, -1)], "itself": None}


@pytest.mark.parametrize("what", HOSTILE)
def test_lists_that_lie(engine, cleanup, what):
    """The image is there all the same; the person is told what is missing."""
    registry = fake(cleanup)
    subject = registry.put("x:1", TestImage())
    entries = HOSTILE[what] or [entry(subject)]
    registry.hook = lists(json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}).encode())
    result = engine.ok("pull", f"{registry.host}/x:1")
    assert "what refers to it" in result.err and "was not kept" in result.err
    assert engine.ok("images", "-q").lines and not os.path.exists(f"{engine.root}/referrers/{subject[7:]}")


@pytest.mark.parametrize("status", [400, 401, 403, 405, 500, 501])
def test_registries_that_know_no_list(engine, cleanup, status):
    """Whatever they say: the tag is asked, and there is nothing to tell."""
    registry = fake(cleanup, lists=False)
    subject = registry.put("x:1", TestImage())
    one = registry.put_referrer("x", subject, "one")
    registry.hook = lambda request: "/referrers/" in request.path and (request.answer(status) or True)
    result = engine.ok("pull", "-q", f"{registry.host}/x:1")
    assert result.err == ""
    assert os.listdir(f"{engine.root}/referrers/{subject[7:]}") == [one[7:]]


def test_a_list_that_is_none_is_passed_over(engine, cleanup):
    """Old registries answer with their start page."""
    registry = fake(cleanup)
    registry.put("x:1", TestImage())
    for text, kind in ((b"<html>", "text/html"), (b"{}", OCI + "index.v1+json"), (b"[" * 10_000, OCI + "index.v1+json")):
        registry.hook = lists(text, kind)
        assert engine.ok("pull", "-q", f"{registry.host}/x:1").err == ""


def test_pages(engine, cleanup):
    registry = fake(cleanup)
    subject = registry.put("x:1", TestImage())
    names = [registry.put_referrer("x", subject, f"n{number}") for number in range(3)]

    def hook(request):
        if "/referrers/" not in request.path:
            return False
        page = int(request.path.partition("page=")[2] or 0)
        more = [("Link", f'<{request.path.partition("?")[0]}?page={page + 1 if page < 2 else 0}>; rel="next"')]  # the last leads in a circle
        request.answer(200, referrers_index([registry.manifests["x", names[page]][1]]), OCI + "index.v1+json", more)
        return True

    registry.hook = hook
    engine.ok("pull", f"{registry.host}/x:1")
    assert set(os.listdir(f"{engine.root}/referrers/{subject[7:]}")) == {name[7:] for name in names}


def test_a_registry_that_does_not_take_them(engine, cleanup):
    """The image is pushed; that something is missing there is told."""
    first, second = fake(cleanup), fake(cleanup)
    subject = first.put("x:1", TestImage())
    one = first.put_referrer("x", subject, "one")
    engine.ok("pull", f"{first.host}/x:1")
    second.hook = lambda request: request.command == "PUT" and one in request.path and (request.error(400, "MANIFEST_INVALID") or True)
    result = engine.ok("push", f"{first.host}/x:1", f"{second.host}/x:1")
    assert "it is there, but what refers to it" in result.err
    assert ("x", "1") in second.manifests
