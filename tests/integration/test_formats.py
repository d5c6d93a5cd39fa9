# SPDX-License-Identifier: Apache-2.0
"""Lists and inspect in all their formats; hostile text never reaches a terminal raw."""
import json
import os

import pytest

from support.schema import conforms


@pytest.fixture(scope="module")
def shown(module_engine):
    module_engine.ok("create", "--name", "one", "--label", "tier=front", "--label", "evil=\x1b]0;owned\x07\x9b", "base", "sleep", "1000")
    module_engine.ok("run", "-d", "--name", "two", "base", "sleep", "1000")
    module_engine.ok("volume", "create", "--label", "k=v", "data")
    return module_engine


LISTS = {
    "ps": (["ls", "-a"], ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]),
    "images": (["images"], ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]),
    "volumes": (["volume", "ls"], ["DRIVER", "VOLUME NAME"]),
    "networks": (["network", "ls"], ["NETWORK ID", "NAME", "DRIVER", "SCOPE"]),
    "df": (["system", "df"], ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]),
    "history": (["history", "base"], ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]),
}


@pytest.mark.parametrize("name", LISTS)
def test_headers_are_dockers(shown, name):
    words, headers = LISTS[name]
    line = shown.ok(*words).lines[0]
    assert [part.strip() for part in line.split("  ") if part.strip()] == headers


@pytest.mark.parametrize("name", LISTS)
def test_json_is_one_object_a_line(shown, name):
    for line in shown.ok(*LISTS[name][0], "--format", "json").lines:
        row = json.loads(line)
        assert row and all(isinstance(value, str) for value in row.values())
        assert all(key[0].isupper() for key in row)


@pytest.mark.parametrize("name", LISTS)
def test_yaml(shown, name):
    text = shown.ok(*LISTS[name][0], "--format", "yaml").out
    assert text.startswith("- ")
    assert "\t" not in text


@pytest.mark.parametrize("name", LISTS)
def test_unknown_fields_are_named_with_the_known_ones(shown, name):
    result = shown.fails(*LISTS[name][0], "--format", "{{.Nonsense}}", match='there is no field "Nonsense"')
    assert "fields: " in result.err and result.out == ""


def test_templates(shown):
    assert shown.ok("ps", "-a", "--format", "{{.Names}}", "--filter", "name=one").out == "one\n"
    assert shown.ok("ps", "--format", "table {{.Names}}\\t{{.State}}").out == "NAMES     STATE\ntwo       running\n"
    assert shown.ok("ps", "-a", "--filter", "label=tier", "--format", '{{.Label "tier"}}').out == "front\n"
    assert shown.ok("inspect", "-f", "{{.State.Status}} {{.Name}}", "one", "two").lines == ["created /one", "running /two"]
    assert json.loads(shown.ok("inspect", "-f", "{{json .Config.Labels}}", "one").out)["tier"] == "front"
    assert shown.ok("volume", "inspect", "-f", '{{index .Labels "k"}}', "data").out == "v\n"


def test_inspect_is_an_array(shown):
    whole = shown.ok("inspect", "one", "two").json()
    assert [c["Name"] for c in whole] == ["/one", "/two"]
    assert shown.ok("inspect", "--format", "json", "one", "two").json() == whole
    assert [d["Name"] for d in shown.ok("volume", "inspect", "data").json()] == ["data"]
    assert shown.ok("network", "inspect", "none").json()[0]["Driver"] == "null"
    assert shown.ok("image", "inspect", "base").json()[0]["Architecture"]


def test_quiet_and_no_trunc(shown):
    assert all(len(line) == 12 for line in shown.ok("ls", "-aq").lines)
    assert all(len(line) == 64 for line in shown.ok("ls", "-aq", "--no-trunc").lines)
    assert shown.ok("images", "-q", "--no-trunc").out.startswith("sha256:")


def test_filters(shown):
    assert shown.ok("ls", "-q", "--filter", "name=two", "--filter", "status=running").out
    assert not shown.ok("ls", "-q", "--filter", "name=two", "--filter", "status=exited").out
    assert len(shown.ok("ls", "-aq", "--filter", "name=one", "--filter", "name=two").lines) == 2
    shown.fails("ls", "--filter", "nmae=one", match='did you mean "name"?')


def test_terminals_get_no_raw_controls_and_no_wide_lines(shown):
    for words in (["ls", "-a", "--no-trunc"], ["ls", "-a", "--format", "{{.Labels}}"], ["ls", "-a", "--format", "json"], ["inspect", "one"],
                  ["ls", "-a", "--format", "yaml"], ["inspect", "-f", "{{.Config.Labels}}", "one"]):
        terminal = shown.pty(*words, columns=80)
        assert terminal.wait() == 0
        assert "\x1b" not in terminal.text and "\x07" not in terminal.text and "\x9b" not in terminal.text, words
    terminal = shown.pty("ls", "-a", columns=110)
    assert terminal.wait() == 0
    assert all(len(line) <= 110 for line in terminal.text.splitlines())


def test_pipes_get_no_colours_or_returns(shown):
    for words in (["ls", "-a"], ["images"], ["help"], ["system", "doctor"]):
        result = shown.run(*words)
        assert b"\x1b" not in result.raw_out + result.raw_err
        assert b"\r" not in result.raw_out + result.raw_err


# --- progress

@pytest.fixture(scope="module")
def archive(module_engine, images):
    return images.path("busybox", "docker.tar.gz")


def test_progress_styles(shown, archive):
    quiet = shown.ok("load", "-i", archive)
    assert quiet.err == ""
    assert "Loaded image" in quiet.out
    shown.ok("image", "rm", "--force", quiet.out.split(": ", 1)[1].strip())
    plain = shown.ok("load", "--progress", "plain", "-i", archive)
    assert plain.err and "\x1b" not in plain.err and "\r" not in plain.err
    shown.ok("image", "rm", "--force", quiet.out.split(": ", 1)[1].strip())
    for line in shown.ok("load", "--progress", "json", "-i", archive).err.splitlines():
        step = json.loads(line)
        assert set(step) == {"step", "name", "bytes", "total", "ms", "finished"}


def test_progress_on_a_terminal(shown, archive):
    terminal = shown.pty("load", "-i", archive)
    assert terminal.wait() == 0
    assert "\x1b[K" in terminal.text


# --- schemas

def test_output_follows_the_published_schemas(shown, source):
    schemas = shown.ok("help", "--schemas").json()
    assert schemas == json.loads((source / "docs/schemas.json").read_text()), "docs/schemas.json is old: ./dev docs"
    lists = {"ls": ["ls", "-a"], "image ls": ["images"], "image history": ["history", "base"], "volume ls": ["volume", "ls"], "network ls": ["network", "ls"],
             "image template ls": ["image", "template", "ls"], "diff": ["diff", "one"], "fs ls": ["fs", "ls", "one", "/"], "stats": ["stats", "--no-stream", "--all"], "system df": ["system", "df"], "system doctor": ["system", "doctor"]}
    shown.ok("fs", "mkdir", "one", "/new")
    for name, words in lists.items():
        rows = shown.run(*words, "--format", "json").lines
        assert rows, name
        for line in rows:
            conforms(json.loads(line), schemas[name], name)
    whole = {"inspect": ["inspect", "one", "two"], "image inspect": ["image", "inspect", "base"], "volume inspect": ["volume", "inspect", "data"],
             "info": ["info", "--format", "json"], "version": ["version", "--format", "json"]}
    for name, words in whole.items():
        conforms(shown.ok(*words).json(), schemas[name], name)
    # What search prints needs a registry: test_registry.py looks at it.
    assert schemas.keys() - {"search"} == lists.keys() | whole.keys()


def test_bytes_that_are_no_text(engine):
    """Arguments, environment, labels and paths may be any bytes; every view of them is valid JSON."""
    odd = os.fsdecode(b"\xff\xfe")
    os.mkdir(f"{engine.dir}/{odd}")
    engine.ok("create", "--name", "odd", "--label", f"l{odd}=v{odd}", "-e", f"E{odd}={odd}", "-w", f"/w{odd}", "-v", f"{engine.dir}/{odd}:/m{odd}",
              "--tmpfs", f"/t{odd}", "base", "echo", "-n", odd)
    found = engine.inspect("odd")
    assert found["Path"] == "echo" and found["Args"] == ["-n", "\ufffd\ufffd"]
    assert found["Config"]["Labels"] == {"l\ufffd\ufffd": "v\ufffd\ufffd"}
    assert found["Config"]["WorkingDir"] == "/w\ufffd\ufffd" and found["Mounts"][0]["Destination"] == "/m\ufffd\ufffd"
    assert "\ufffd" in engine.ok("inspect", "--format", "{{json .Config.Env}} {{.Args}}", "odd").out
    assert "\ufffd" in engine.ok("inspect", "--format", "yaml", "odd").out
    json.loads(engine.ok("ls", "-a", "--format", "json").out.splitlines()[0])
    engine.ok("ls", "-a", "--no-trunc")
    engine.ok("ls", "-a", "--format", "yaml")
    engine.ok("start", "odd")
    assert engine.ok("wait", "odd").out == "0\n"
    assert engine.ok("logs", "odd").raw_out == b"\xff\xfe"
    engine.ok("events", "--since", "1h", "--until", "0s", "--format", "json")
