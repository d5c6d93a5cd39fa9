# SPDX-License-Identifier: Apache-2.0
"""Help, man pages and the reference come from one table; the examples in it work."""
import os
import re
import shlex
import shutil
import subprocess
import time

import pytest


def test_first_page_fits_a_small_terminal(module_engine):
    for words in ([], ["--help"], ["-h"], ["help"]):
        terminal = module_engine.pty(*words, rows=24, columns=80)
        assert terminal.wait() == 0
        lines = terminal.text.splitlines()
        assert len(lines) <= 23 and max(map(len, lines)) <= 80


def commands(engine):
    return re.findall(r"^## servin (.+)$", engine.ok("help", "--reference").out, re.MULTILINE)


def test_every_command_has_help_with_an_example(module_engine):
    names = commands(module_engine)
    assert {"run", "image ls", "volume create", "system doctor", "help"} <= set(names)
    for name in names:
        by_word = module_engine.ok("help", *name.split()).out
        assert by_word == module_engine.ok(*name.split(), "--help").out
        assert "Examples:\n  servin " in by_word
        assert max(map(len, (line for line in by_word.splitlines() if not line.startswith(("  servin ", "Also: "))))) <= 80


def test_help_never_hides_the_error(module_engine):
    result = module_engine.fails("run", "--no-such-option", "base")
    assert len(result.err.splitlines()) == 3


def test_man_pages(module_engine):
    folder = f"{module_engine.dir}/man"
    module_engine.ok("help", "--man", folder)
    pages = sorted(os.listdir(folder))
    assert {"servin.1", "servin-run.1", "servin-image-template-create.1"} <= set(pages)
    assert len(pages) == len(commands(module_engine)) + 1
    assert module_engine.ok("help", "run", "--man", "-").out == open(f"{folder}/servin-run.1", encoding="utf-8").read()
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed: the pages were written, not checked")
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], cwd=folder, capture_output=True, text=True, check=False)
    problems = [line for line in lint.stdout.splitlines() + lint.stderr.splitlines() if "outdated mandoc.db" not in line]
    assert not problems, "\n".join(problems)
    text = subprocess.run(["mandoc", "-T", "utf8", "servin-run.1"], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert re.sub(".\b", "", text).count("--memory") >= 3


def test_generated_pages_are_in_the_tree(module_engine, source):
    """`./dev docs` writes them."""
    for page, words in (("errors.md", ["--codes", "--format", "markdown"]), ("commands.md", ["--reference"]), ("schemas.json", ["--schemas"])):
        assert (source / "docs" / page).read_text() == module_engine.ok("help", *words).out, f"docs/{page} is old: ./dev docs"


def test_what_waits_is_not_listed(module_engine):
    text = module_engine.ok("help", "--reference").out + module_engine.ok("help").out
    for word in ("--cpu-rt-period", "--gpus", "servin serve", "servin compose"):
        assert word not in text


def examples(source):
    text = (source / "docs/commands.md").read_text()
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        found += [line.split("   # ")[0] for line in block.splitlines()]
    return found


# What the examples find: containers web, db, shell, later; images; files.
NOT_RUN = {
    "-it": "needs a terminal",
    "-ai": "needs a terminal",
    "attach ": "waits for input",
    "network host nginx": "needs port 80 of this host",
    "logs -f": "follows for ever",
    "wait web": "waits for ever",
    "servin events": "follows for ever",
    **{f"servin {word} ": "needs a registry: test_registry.py" for word in ("pull", "push", "login", "logout", "search")},
}


@pytest.mark.deadline(300)
def test_examples_work(module_engine, images, source):
    engine = module_engine
    script = ['set -e', f'servin() {{ {engine.program} --root {engine.root} "$@"; }}']
    shutil.copy(images.path("busybox", "docker.tar.gz"), f"{engine.dir}/nginx.tar.gz")
    shutil.copy(images.path("busybox", "docker.tar.gz"), f"{engine.dir}/alpine.tar.gz")
    shutil.copy(images.path("busybox", "rootfs.tar"), f"{engine.dir}/rootfs.tar")
    os.mkdir(f"{engine.dir}/site")
    files = "mkdir -p /tmp/cache /etc/nginx /usr/share/nginx/html /var/log /root /srv/a/b; touch /etc/old.conf /etc/motd; echo ready; sleep 1000"
    count = 0
    for line in examples(source):
        assert line.startswith("servin ")
        if line == "servin stats" or any(part in line for part in NOT_RUN):  # goes on for ever
            continue
        before = ["servin rm -f web db www later >/dev/null 2>&1", "servin volume create data >/dev/null",
                  f"servin run -d --name web -p 80 base sh -c '{files}' >/dev/null", "servin tag base old", "servin tag base myapp:dev",
                  "until servin logs web | grep -q ready; do :; done"]  # not before its files are there
        if "unpause" in line:
            before.append("servin pause web >/dev/null")
        if "start web" in line:
            before.append("servin stop -t 0 web >/dev/null")
        if " db" in line:
            before.append("servin run -d --name db --health-cmd true --health-interval 50ms base sleep 1000 >/dev/null")
        if "cp one:" in line:
            before += ["servin rm -f one two >/dev/null 2>&1", "servin create --name one -v /data base true >/dev/null", "servin create --name two base true >/dev/null"]
        if line.startswith(("servin rm web", "servin rm --all")):
            before.append("servin stop -t 0 web >/dev/null")
        if line.startswith("servin volume "):
            before.append("servin volume create data >/dev/null")
        if line.startswith("servin network "):
            before.append("servin network rm -f backend vault mine >/dev/null; servin network create mine >/dev/null")
        if "connect" in line:
            before += ["servin rm -f web >/dev/null", "servin run -d --name web --network bridge base sleep 1000 >/dev/null"]
        result = engine.run(argv=["bash", "-c", "\n".join([*script, *before, line])], timeout=100)
        assert result.code == 0, f"{line}: {result.err}"
        count += 1
    assert count >= 40
    engine.ok("rm", "--all", "--force")


def test_starts_are_quick(module_engine):
    """No budget (the machine may be busy), but nothing grossly wrong: version touches no state and no engine."""
    best = 1.0
    for _ in range(20):
        begin = time.monotonic()
        module_engine.ok("version")
        best = min(best, time.monotonic() - begin)
    assert best < 0.5


def test_quoted_examples_parse(source):
    for line in examples(source):
        shlex.split(line)
