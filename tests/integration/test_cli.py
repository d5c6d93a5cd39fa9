# SPDX-License-Identifier: Apache-2.0
"""The command line's rules: which words belong to whom, exit codes, stdout for data only, several targets."""
import pathlib
import re

import pytest


@pytest.fixture
def base(module_engine):
    return module_engine


# --- arguments

def test_options_of_the_command_are_its_own(base):
    assert base.ok("run", "--rm", "base", "sh", "-c", "echo x").out == "x\n"
    assert base.ok("run", "--rm", "base", "printf", "%s ", "-e", "A=1", "--rm").out == "-e A=1 --rm "


def test_options_behind_the_image(base):
    result = base.ok("run", "base", "-e", "A=1,2", "--rm", "sh", "-c", "echo $A")
    assert result.out == "1,2\n"
    assert "-e --rm behind the image" in result.err
    assert result.err.count("\n") == 1


def test_dash_dash_ends_options(base):
    result = base.ok("run", "--rm", "--entrypoint", "env", "base", "--", "-i", "A=1", "/bin/sh", "-c", "echo $A")
    assert result.out == "1\n"
    assert result.err == ""


def test_lists_are_never_split(base):
    assert base.ok("run", "--rm", "--env", "A=1,2,3", "base", "sh", "-c", "echo $A").out == "1,2,3\n"


def test_env_of_the_caller_and_files(base):
    path = base.file("env", "# comment\nFROM_FILE=a b\nMINE\n\nGONE\n")
    result = base.ok("run", "--rm", "--env-file", path, "-e", "MINE2", "base", "env", env={"MINE": "m", "MINE2": "m2"})
    assert {"FROM_FILE=a b", "MINE=m", "MINE2=m2"} <= set(result.lines)
    assert "GONE" not in result.out


def test_verbose_or_volume_by_place(base):
    base.ok("volume", "create", "place")
    assert base.ok("run", "--rm", "-v", "place:/data", "base", "ls", "-d", "/data").out == "/data\n"
    assert base.ok("-v", "run", "--rm", "base", "echo", "hi").out == "hi\n"
    base.ok("volume", "rm", "place")


def test_global_options_behind_the_command(base):
    argv = [base.program, "volume", "ls", "-q", "--root", base.root, "--dev"]
    assert base.ok(argv=argv).out == ""


# --- exit codes and streams

@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_is_the_containers(base, code):
    assert base.run("run", "--rm", "base", "sh", "-c", f"exit {code}").code == code


def test_killed_by_a_signal(base):
    base.ok("run", "-d", "--name", "victim", "base", "sleep", "1000")
    base.ok("kill", "victim")
    assert base.ok("wait", "victim").out == "137\n"
    base.ok("rm", "victim")


def test_not_found_and_not_executable(base):
    base.fails("run", "--rm", "base", "no-such-program", code=127, match="no-such-program")
    base.fails("run", "--rm", "base", "/etc", code=126, match="/etc")


@pytest.mark.parametrize("content, mode, hint", [
    ("#!/bin/sh\r\necho hello\r\n", 0o755, "CR LF"), ("#!/no/such\n", 0o755, "first line"), ("echo hello\n", 0o755, "without a #! line"),
    ("\x7fELF\x02\x01\x01" + "\0" * 9 + "\x02\0\x99\x99" + "\0" * 64, 0o755, "another processor"), ("#!/bin/sh\n", 0o644, "no x bit")],
    ids=["line ends", "interpreter", "no first line", "processor", "mode"])
def test_the_reason_why_a_program_does_not_start(base, content, mode, hint):
    script = pathlib.Path(base.dir, "script")
    script.write_bytes(content.encode("latin-1"))
    script.chmod(mode)
    base.fails("run", "--rm", "-v", f"{script}:/script", "base", "/script", code=126, match=hint)


def test_usage_errors_are_125_with_empty_stdout(base):
    for words in (["run"], ["run", "--no-such", "base"], ["frobnicate"], ["rename", "a"], ["ls", "--filter", "x"],
                  ["run", "--memory", "much", "base"], ["compose", "x"], ["image", "frobnicate"]):
        result = base.fails(*words, code=125)
        assert result.out == ""
        assert result.err.startswith("servin: ")
        assert re.search(r"^  more: servin help E-", result.err, re.MULTILINE), result.err


def test_streams_stay_apart(base):
    result = base.ok("run", "--rm", "base", "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_binary_output_is_untouched(base):
    data = bytes(range(256)) * 300
    assert base.ok("run", "--rm", "-i", "base", "cat", input=data).raw_out == data


def test_output_to_a_full_disk_or_closed_pipe_does_not_hang(base):
    result = base.run(argv=["sh", "-c", f"{base.program} --root {base.root} help --reference | head -1"])
    assert result.lines == ["# Commands"]


# --- several targets, dry runs, questions

def test_several_targets_each_named(engine):
    # Names that cannot be the first digits of an id.
    engine.ok("create", "--name", "one", "base")
    engine.ok("create", "--name", "three", "base")
    result = engine.fails("rm", "one", "two", "three", code=125, match="no such container: two")
    assert result.lines == ["one", "three"]
    engine.ok("rm", "-f", "never-was")


def test_rm_all(engine):
    engine.ok("run", "-d", "--name", "on", "base", "sleep", "1000")
    engine.ok("create", "--name", "off", "base")
    assert engine.ok("rm", "--all", "--dry-run").lines == ["off"]
    result = engine.ok("rm", "--all")
    assert result.lines == ["off"]
    assert "1 running stay" in result.err
    assert engine.ok("rm", "--all", "--force").lines == ["on"]
    assert engine.ok("ls", "-aq").out == ""


def test_rm_all_asks_on_a_terminal(engine):
    engine.ok("create", "--name", "precious", "base")
    terminal = engine.pty("rm", "--all")
    terminal.read_until(r"\[y/N\]")
    terminal.send("n\n")
    assert terminal.wait() != 0
    assert engine.ok("ls", "-a", "--format", "{{.Names}}").out == "precious\n"
    terminal = engine.pty("rm", "--all")
    terminal.read_until(r"\[y/N\]")
    terminal.send("y\n")
    assert terminal.wait() == 0
    assert engine.ok("ls", "-aq").out == ""


def test_prune_asks_or_is_told(engine):
    engine.ok("create", "--name", "old", "base")
    engine.fails("container", "prune", match="--force")
    assert engine.inspect("old")["Id"] in engine.ok("container", "prune", "--dry-run").out
    engine.ok("inspect", "old")
    engine.ok("container", "prune", "--force")
    assert engine.ok("ls", "-aq").out == ""


def test_nouns_and_aliases(engine):
    engine.ok("container", "create", "--name", "a", "base")
    outputs = {engine.ok(*words).out for words in (["ls", "-aq"], ["ps", "-aq"], ["list", "-aq"], ["container", "ls", "-aq"])}
    assert len(outputs) == 1
    assert engine.ok("images", "-q").out == engine.ok("image", "ls", "-q").out == engine.ok("image", "list", "--quiet").out
    engine.ok("container", "remove", "a")


def test_cidfile(engine):
    path = f"{engine.dir}/id"
    engine.ok("run", "--rm", "--cidfile", path, "base", "true")
    assert re.fullmatch("[0-9a-f]{64}", open(path, encoding="ascii").read())
    engine.fails("run", "--rm", "--cidfile", path, "base", "true", match="exists")
    engine.fails("run", "--rm", "--cidfile", f"{engine.dir}/other", "nosuch", "true")
    assert engine.run(argv=["ls", f"{engine.dir}/other"]).code != 0


def test_unique_prefixes_name_a_container(engine):
    ident = engine.ok("create", "--name", "a", "base").out.strip()
    for name in ("a", ident, ident[:12], ident[:4]):
        assert engine.inspect(name)["Id"] == ident


def test_without_root_the_cure_is_named(engine):
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", engine.program, "--root", f"{engine.dir}/other", "ls"]
    result = engine.run(argv=argv, cwd="/")
    if result.code == 127 or "setpriv: failed to execute" in result.err:  # the build folder may be closed to others
        argv[6] = "/tmp/" + engine.dir.split("/")[-1] + "-servin"
        engine.run(argv=["install", "-m", "755", engine.program, argv[6]])
        try:
            result = engine.run(argv=argv, cwd="/")
        finally:
            engine.run(argv=["rm", "-f", argv[6]])
    assert result.code == 125
    assert "sudo" in result.err and "--dev" in result.err


def test_version_and_help_touch_nothing(engine):
    engine.ok("version")
    engine.ok("--help")
    engine.ok("help", "run")
    assert not engine.run(argv=["ls", engine.root]).out


def test_no_command_connects_anywhere(engine):
    """Nothing here needs a registry: no connection is made. (A datagram socket that brings lo up is none.)"""
    trace = f"{engine.dir}/trace"
    for words in (["run", "--rm", "base", "true"], ["ls"], ["images"], ["system", "doctor"], ["info"]):
        argv = ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", trace, *engine.argv(*words)]
        engine.run(argv=argv)
        calls = open(trace, encoding="utf-8", errors="replace").read()
        assert not re.search(r"socket\(AF_INET6?, SOCK_STREAM", calls), calls
        assert not re.search(r"sin6?_port=htons", calls), calls
