# SPDX-License-Identifier: Apache-2.0
"""Completion in the real shells. The scripts only register themselves when they are loaded."""
import os
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def shells(module_engine):
    """A folder with a `servin` that uses the test's root, and the scripts."""
    engine = module_engine
    engine.ok("run", "-d", "--name", "webserver", "base", "sleep", "1000")
    engine.ok("create", "--name", "old-one", "base")
    engine.ok("volume", "create", "database")
    engine.ok("tag", "base", "localhost:5000/tagged:1")
    folder = f"{engine.dir}/bin"
    os.mkdir(folder)
    engine.file("bin/servin", f'#!/bin/sh\necho called >>"{engine.dir}/calls"\nexec {engine.program} --root {engine.root} "$@"\n', 0o755)
    for shell in ("bash", "zsh", "fish", "powershell"):
        engine.file(f"script.{shell}", engine.ok("completion", shell).out)
    return engine


def calls(engine):
    path = f"{engine.dir}/calls"
    return len(open(path, encoding="ascii").readlines()) if os.path.exists(path) else 0


def in_shell(engine, shell, script):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    env = engine.environment({"PATH": f"{engine.dir}/bin:{os.environ['PATH']}", "HOME": engine.home})
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    result = subprocess.run([shell, *options, "-c", script], env=env, cwd=engine.dir, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result


def bash_words(engine, line):
    script = f"""
source {engine.dir}/script.bash
compopt() {{ printf 'compopt %s %s\\n' "$@"; }}
COMP_LINE={quote(line)}
COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=(servin)
_servin
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return in_shell(engine, "bash", script).stdout.split("\n")[:-1]


def quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def test_loading_runs_nothing(shells):
    before = calls(shells)
    in_shell(shells, "bash", f"source {shells.dir}/script.bash; complete -p servin")
    for shell in ("zsh", "fish"):
        if shutil.which(shell):
            prepare = "autoload -U compinit; compinit -u -D; " if shell == "zsh" else ""
            in_shell(shells, shell, f"{prepare}source {shells.dir}/script.{shell}")
    assert calls(shells) == before


def test_bash(shells):
    assert bash_words(shells, "servin ru") == ["run"]
    assert bash_words(shells, "servin stop ") == ["webserver"]
    assert bash_words(shells, "servin start o") == ["old-one"]
    assert "base" in bash_words(shells, "servin run -it ")
    assert bash_words(shells, "servin run --net=h") == ["host"]
    assert bash_words(shells, "servin run --network container:w") == ["webserver"]
    assert bash_words(shells, "servin run -v da") == ["compopt -o nospace", "database:"]
    assert bash_words(shells, "servin run localhost:50") == ["5000/tagged:1"]
    assert bash_words(shells, "servin load -i ") == ["compopt -o default", ""]
    assert bash_words(shells, "servin image h") == ["history"]
    assert bash_words(shells, "servin help E-DISK") in (["E-DISK-FULL"], [""])


def test_bash_typed_in_the_middle(shells):
    script = f"source {shells.dir}/script.bash; COMP_LINE='servin sto webserver'; COMP_POINT=10; COMP_WORDS=(servin); _servin; echo ${{COMPREPLY[*]}}"
    assert in_shell(shells, "bash", script).stdout == "stop\n"


def test_fish(shells):
    script = f"source {shells.dir}/script.fish; complete -C 'servin st'; complete -C 'servin stop '"
    lines = [line.split("\t")[0] for line in in_shell(shells, "fish", script).stdout.splitlines()]
    assert {"start", "stop", "webserver"} <= set(lines)
    assert "old-one" not in lines


def test_zsh(shells):
    """On a terminal: zsh completes nowhere else."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    shells.file("home/.zshrc", f"PS1='ready> '\nautoload -U compinit; compinit -u -D\nsource {shells.dir}/script.zsh\n")
    terminal = shells.pty(argv=["zsh", "-i"], env={"PATH": f"{shells.dir}/bin:{os.environ['PATH']}", "HOME": shells.home, "ZDOTDIR": shells.home})
    terminal.read_until("ready> ")
    terminal.send("servin stop webs\t")
    terminal.read_until("webserver")
    terminal.send("\x15exit\n")
    terminal.wait()


def test_nothing_is_said_at_a_tab(shells):
    for words in (["--no-such"], ["run", "--nope="], ["frobnicate", ""], ["image", "frobnicate", ""]):
        result = shells.ok("__complete", "fish", *words)
        assert result.err == ""
    broken = shells.run(argv=[shells.program, "--root", "/proc/nowhere", "__complete", "bash", "servin stop ", "12"])
    assert broken.code == 0 and broken.err == ""
