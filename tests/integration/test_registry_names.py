# SPDX-License-Identifier: Apache-2.0
"""registries.conf: what a name stands for, where it is asked for, and who gets which credentials."""
import json
import pathlib

import pytest

from support.imagebuilder import File, busybox
from support.registry import OCI, FakeRegistry, TestImage, compressed, digest, gzipped

QUICK = {"SERVIN_TRANSFER_TRIES": "2"}


@pytest.fixture
def three():
    """Registries on loopback."""
    made = [FakeRegistry() for _ in range(3)]
    yield made
    for registry in made:
        registry.close()


def configure(engine, text):
    pathlib.Path(engine.registries_conf).write_text(text)


def search_in(engine, *registries, more=""):
    configure(engine, f"unqualified-search-registries = {json.dumps([registry.host for registry in registries])}\n{more}")


def runnable(*more):
    return TestImage(compressed(busybox()), *more)


# --- short names

def test_short_names_are_looked_for_in_their_order(engine, three):
    """The first that has it. It is called by its full name from then on, and found by the short one without asking again."""
    first, second, third = three
    search_in(engine, *three)
    second.put("team/tool:1", runnable())
    third.put("team/tool:1", runnable(gzipped(File("third", "x"))))
    full = f"{second.host}/team/tool:1"
    assert engine.ok("pull", "-q", "team/tool:1").out == f"{full}\n"
    assert first.asked("GET", "/manifests/") and not third.requests
    for registry in three:
        registry.requests.clear()
    assert engine.ok("run", "--rm", "--network", "none", "team/tool:1", "echo", "x").out == "x\n"
    assert not any(registry.requests for registry in three)
    # run pulls by the same rule, and so does --pull always.
    engine.ok("rmi", full)
    assert engine.ok("run", "--rm", "--network", "none", "team/tool:1", "echo", "x").out == "x\n"
    engine.ok("run", "--rm", "--network", "none", "--pull", "always", "team/tool:1", "true")
    assert not third.requests


def test_short_names_of_images_that_are_here(engine, three):
    """What was pulled by a short name is known by it to all commands; a name of docker.io's that is here goes before."""
    first, second, other = three
    search_in(engine, first, second, more=f'[aliases]\n"known" = "{second.host}/team/tool"\n')
    second.put("team/tool:1", runnable())
    engine.ok("pull", "team/tool:1")
    full = f"{second.host}/team/tool:1"
    for registry in three:
        registry.requests.clear()
    identity = engine.ok("image", "inspect", full).json()[0]["Id"]
    for short in ("team/tool:1", "known:1"):
        assert engine.ok("image", "inspect", short).json()[0]["Id"] == identity
        assert engine.ok("history", short).lines
        engine.ok("save", "-o", f"{engine.dir}/{short.replace('/', '-')}.tar", short)
    assert not any(registry.requests for registry in three)
    engine.ok("push", "team/tool:1", f"{other.host}/copy:1")
    engine.ok("push", "team/tool:1")  # to where it came from
    assert second.asked("PUT", "/v2/team/tool/manifests/1") and not first.requests
    engine.ok("tag", "base", "team/tool:1")  # docker.io's of that name
    assert engine.ok("image", "inspect", "team/tool:1").json()[0]["Id"] != identity
    engine.ok("rmi", "team/tool:1")
    engine.ok("tag", full, "second-name:1")
    assert engine.ok("rmi", "team/tool:1").out.split() == ["Untagged:", full]
    assert engine.ok("image", "inspect", "second-name:1").json()[0]["Id"] == identity
    engine.fails("image", "inspect", "team/tool:1", match="there is no image")


def test_short_name_that_nobody_has(engine, three):
    search_in(engine, *three)
    result = engine.fails("pull", "nosuch:1", env=QUICK, match='"nosuch:1" is at none of the registries for short names')
    assert all(registry.host in result.err for registry in three)
    assert "servin help E-REGISTRY-NOT-FOUND" in result.err


@pytest.mark.parametrize("how", ["gone", "failing"])
def test_a_registry_that_does_not_answer_is_not_passed_over(engine, three, how):
    """Who keeps us from the first would choose the second for us."""
    first, second, _ = three
    search_in(engine, first, second)
    second.put("tool:1", TestImage())
    if how == "failing":
        first.hook = lambda request: "/manifests/" in request.path and (request.answer(503) or True)
    else:
        configure(engine, f'unqualified-search-registries = ["127.0.0.1:9", "{second.host}"]\n')
    engine.fails("pull", "tool:1", env=QUICK, match="registry")
    assert not second.requests


def test_a_registry_that_has_lost_a_part_is_not_passed_over(engine, three):
    first, second, _ = three
    search_in(engine, first, second)
    image = TestImage()
    first.put("tool:1", image)
    second.put("tool:1", TestImage())
    first.hook = lambda request: "/blobs/" in request.path and (request.answer(404) or True)
    engine.fails("pull", "tool:1", env=QUICK, match=first.host)
    assert not second.requests


def test_a_registry_that_takes_our_credentials_no_more_is_not_passed_over(engine, three):
    """A stranger may be told that it is forbidden where there is nothing; who has an account there must know why."""
    first, second, _ = three
    search_in(engine, first, second)
    first.users = {"a": "another word by now"}
    second.put("tool:1", TestImage())
    auth = pathlib.Path(engine.dir, "auth.json")
    auth.write_text(json.dumps({"auths": {first.host: {"username": "a", "password": "first-word"}}}))
    engine.fails("pull", "--authfile", auth, "tool:1", match=first.host)
    assert not second.requests
    engine.ok("pull", "tool:1")


def test_a_short_name_that_could_be_an_id(engine, three):
    first, second, _ = three
    search_in(engine, first, second)
    second.put("cafe:latest", runnable())
    full = f"{second.host}/cafe:latest"
    assert engine.ok("pull", "-q", "cafe").out == f"{full}\n"
    identity = engine.ok("image", "inspect", full).json()[0]["Id"]
    assert engine.ok("image", "inspect", "cafe").json()[0]["Id"] == identity
    engine.ok("tag", full, "second-name:1")
    assert engine.ok("rmi", "cafe").out.split() == ["Untagged:", full]
    assert engine.ok("image", "inspect", "second-name:1").json()[0]["Id"] == identity


def test_short_names_and_credentials(engine, three):
    """Each registry gets its own out of the file; --creds are for one, so that it must be named."""
    first, second, _ = three
    search_in(engine, first, second)
    first.users, second.users = {"a": "first-word"}, {"b": "second-word"}
    second.put("tool:1", TestImage())
    result = engine.fails("pull", "--creds", "b:second-word", "tool:1", match="may be any of")
    assert "servin help E-IMAGE-NAME-SHORT" in result.err
    assert not first.requests and not second.requests
    auth = pathlib.Path(engine.dir, "auth.json")
    auth.write_text(json.dumps({"auths": {first.host: {"username": "a", "password": "first-word"},
                                          second.host: {"username": "b", "password": "second-word"}}}))
    engine.ok("pull", "--authfile", auth, "tool:1")
    assert all(first.knows(r[2]["Authorization"]) for r in first.requests if "Authorization" in r[2])
    assert all(second.knows(r[2]["Authorization"]) for r in second.requests if "Authorization" in r[2])


def test_an_alias_is_one_place(engine, three):
    """It goes before the search, also with short-name-mode "enforcing"; the built-in image goes before both."""
    first, second, third = three
    third.put("real/tool:1", runnable())
    search_in(engine, first, second, more=f'short-name-mode = "enforcing"\n[aliases]\n"tool" = "{third.host}/real/tool"\n"base" = "{first.host}/x"\n')
    assert engine.ok("pull", "-q", "tool:1").out == f"{third.host}/real/tool:1\n"
    third.requests.clear()
    assert engine.ok("run", "--rm", "--network", "none", "tool:1", "echo", "x").out == "x\n"
    engine.ok("run", "--rm", "--network", "none", "base", "true")
    assert not any(registry.requests for registry in three)
    engine.fails("pull", "other:1", match="short-name-mode")
    assert not first.requests


# --- mirrors, other places, blocked ones

def test_mirrors_in_their_order(engine, three):
    """By tag and by digest where each is allowed; layers that a mirror lacks come from the next place."""
    one, two, home = three
    image = TestImage(gzipped(File("a", "a")), gzipped(File("b", "b")))
    for registry in three:
        registry.put("team/x:1", image)
    missing = digest(image.layers[1])
    del two.blobs[missing]
    configure(engine, f'''[[registry]]
prefix = "r.example/team"
location = "{home.host}/team"
[[registry.mirror]]
location = "{one.host}/team"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "{two.host}/team"
pull-from-mirror = "tag-only"
''')
    assert engine.ok("pull", "-q", "r.example/team/x:1").out == "r.example/team/x:1\n"
    assert not one.requests
    assert [len(registry.asked("GET", missing)) for registry in (two, home)] == [1, 1]
    engine.ok("rmi", "r.example/team/x:1")
    for registry in three:
        registry.requests.clear()
    engine.ok("pull", f"r.example/team/x@{digest(image.manifest)}")
    assert one.requests and not two.requests and not home.requests


def test_credentials_are_not_for_mirrors(engine, three):
    """--creds, and what the file has for the registry: a mirror is somebody else, who has his own or none."""
    mirror, home, _ = three
    home.users = {"me": "very-secret-word"}
    home.put("team/x:1", TestImage())
    configure(engine, f'[[registry]]\nlocation = "{home.host}"\n[[registry.mirror]]\nlocation = "{mirror.host}"\n')
    engine.ok("pull", "--creds", "me:very-secret-word", f"{home.host}/team/x:1")
    engine.ok("rmi", f"{home.host}/team/x:1")
    auth = pathlib.Path(engine.dir, "auth.json")
    auth.write_text(json.dumps({"auths": {home.host: {"username": "me", "password": "very-secret-word"}}}))
    mirror.hook = lambda request: request.answer(401, headers=[("WWW-Authenticate", 'Basic realm="x"')]) or True
    engine.ok("pull", "--authfile", auth, f"{home.host}/team/x:1")
    assert mirror.requests and not [r for r in mirror.requests if "Authorization" in r[2]]


@pytest.mark.parametrize("words", [["pull"], ["run", "--rm", "--network", "none"], ["push"]])
def test_blocked(engine, three, words):
    """Nothing is asked there, nor at its mirrors."""
    registry, mirror, _ = three
    registry.put("x:1", runnable())
    engine.ok("pull", f"{registry.host}/x:1")
    if words[0] != "push":
        engine.ok("rmi", f"{registry.host}/x:1")
    registry.requests.clear()
    configure(engine, f'[[registry]]\nlocation = "{registry.host}"\nblocked = true\n[[registry.mirror]]\nlocation = "{mirror.host}"\n')
    result = engine.fails(*words, f"{registry.host}/x:1", match=registry.host)
    assert "servin help E-REGISTRY-BLOCKED" in result.err and "registries.conf" in result.err
    assert not registry.requests and not mirror.requests


# --- layers that lie elsewhere

@pytest.mark.parametrize("kind", [OCI + "layer.nondistributable.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"])
def test_foreign_layers(engine, three, kind):
    """CVE-2020-15157: the registry is asked, nobody else; `urls` are never. What it has is taken as any layer."""
    registry, elsewhere, second = three
    registry.users = {"me": "secret"}
    image = runnable()
    elsewhere.blobs.update(image.blobs())
    image.document["layers"][0].update(mediaType=kind, urls=[f"http://{elsewhere.host}/v2/x/blobs/{digest(image.layers[0])}"])
    registry.put("x:1", image)
    name = f"{registry.host}/x:1"
    kept = registry.blobs.pop(digest(image.layers[0]))
    result = engine.fails("pull", "--creds", "me:secret", name, match=f"registry {registry.host} does not keep layer {digest(kept)} itself")
    assert "servin help E-IMAGE-FOREIGN-LAYER" in result.err
    assert not engine.run("images", "-q").lines
    registry.blobs[digest(kept)] = kept
    engine.ok("pull", "--creds", "me:secret", name)
    assert engine.ok("run", "--rm", "--network", "none", name, "echo", "x").out == "x\n"
    engine.ok("push", name, f"{second.host}/x:1")
    assert digest(kept) in second.blobs and second.manifests["x", "1"][1] == image.manifest
    assert not elsewhere.requests
