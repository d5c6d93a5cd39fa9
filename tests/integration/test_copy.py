# SPDX-License-Identifier: Apache-2.0
"""cp, diff and export: on running and stopped containers, and against containers that fight back."""
import io
import json
import os
import pathlib
import re
import stat
import subprocess
import tarfile

import pytest

from support.tools import DEEP, tool

@pytest.fixture(params=["running", "stopped", "created"])
def one(engine, request):
    """A container called one, with a volume at /data and a folder of the host at /host."""
    os.mkdir(f"{engine.dir}/shared")
    options = ("--name", "one", "-v", "vol:/data", "-v", f"{engine.dir}/shared:/host", "--init")
    if request.param == "running":
        engine.ok("run", "-d", *options, "base", "sleep", "1000")
    else:
        engine.ok("create", *options, "base", "sleep", "1000")
    if request.param == "stopped":
        engine.ok("start", "one")
        engine.ok("stop", "-t", "0", "one")
    return engine


def names(archive):
    return sorted(member.name for member in archive)


def make_tree(top):
    top = pathlib.Path(top)
    (top / "sub/empty").mkdir(parents=True)
    (top / "file").write_text("content\n")
    (top / "file").chmod(0o640)
    (top / "sub/program").write_text("#!/bin/sh\n")
    (top / "sub/program").chmod(0o755)
    os.symlink("../file", top / "sub/link")
    os.link(top / "file", top / "second")
    os.mkfifo(top / "fifo")
    os.setxattr(top / "file", "user.note", b"kept")
    for path in ("sub/program", "sub", "file", "."):
        os.utime(top / path, ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    return top


def scan(top):
    """Path -> everything that a copy keeps (owners apart)."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = os.readlink(path) if stat.S_ISLNK(status.st_mode) else pathlib.Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else None
            when = None if stat.S_ISLNK(status.st_mode) else status.st_mtime_ns
            xattrs = {} if stat.S_ISLNK(status.st_mode) else {x: os.getxattr(path, x) for x in os.listxattr(path)}
            found[os.path.relpath(path, top)] = (status.st_mode, when, content, xattrs)
    return found


# --- both ways

def test_a_tree_there_and_back(one):
    tree = make_tree(f"{one.dir}/tree")
    for place in ("/root/copy", "/data/copy", "/host/copy"):
        one.ok("cp", tree, f"one:{place}")
        one.ok("cp", f"one:{place}", f"{one.dir}/back{place.replace('/', '_')}")
        back = f"{one.dir}/back{place.replace('/', '_')}"
        assert scan(back) == scan(tree), place
        assert os.stat(f"{back}/file").st_ino == os.stat(f"{back}/second").st_ino
    assert scan(f"{one.dir}/shared/copy") == scan(tree)
    assert scan(f"{one.root}/volumes/vol/_data/copy") == scan(tree)


def test_names_are_dockers(one):
    tree = make_tree(f"{one.dir}/tree")
    one.ok("cp", f"{tree}/file", "one:/root/renamed")
    one.ok("cp", f"{tree}/file", "one:/root")
    one.ok("cp", f"{tree}/sub", "one:/root")
    one.ok("cp", f"{tree}/sub/.", "one:/root")
    found = one.ok("fs", "find", "one", "/root").lines
    assert {"/root/renamed", "/root/file", "/root/sub/program", "/root/program", "/root/empty", "/root/link"} <= set(found)
    one.fails("cp", f"{tree}/file", "one:/no/such/", match="/no/such/")
    one.fails("cp", f"{tree}/file", "one:/no/such", match="/no/")
    one.fails("cp", f"{tree}/sub", "one:/root/file", match="/root/file")
    one.fails("cp", f"{tree}/missing", "one:/root", match="missing")
    one.fails("cp", "one:/missing", one.dir, match="/missing")
    one.fails("cp", f"{tree}/file", "one:/root/sub/program/", match="/root/sub/program/")
    one.fails("cp", "a", "b", match="neither side")


def test_owners(one):
    path = one.file("mine", "x")
    os.chown(path, 1234, 4321)
    one.ok("cp", path, "one:/root/plain")
    one.ok("cp", "-a", path, "one:/root/kept")
    assert one.ok("fs", "stat", "--format", "{{.Uid}}:{{.Gid}}", "one", "/root/plain").out.strip() == "0:0"
    assert one.ok("fs", "stat", "--format", "{{.Uid}}:{{.Gid}}", "one", "/root/kept").out.strip() == "1234:4321"
    one.ok("cp", "one:/root/kept", f"{one.dir}/plain")
    one.ok("cp", "-a", "one:/root/kept", f"{one.dir}/kept")
    assert (os.stat(f"{one.dir}/plain").st_uid, os.stat(f"{one.dir}/kept").st_uid) == (0, 1234)


def test_links(one):
    os.symlink("target", f"{one.dir}/link")
    one.file("target", "of the link")
    one.ok("cp", f"{one.dir}/link", "one:/root/as-link")
    one.ok("cp", "-L", f"{one.dir}/link", "one:/root/followed")
    assert one.ok("fs", "stat", "--format", "{{.Target}}", "one", "/root/as-link").out.strip() == "target"
    assert one.ok("fs", "cat", "one", "/root/followed").out == "of the link"
    # A link as the destination: what it leads to is written, inside of the container.
    os.symlink("/root/real", f"{one.dir}/absolute")
    one.ok("cp", f"{one.dir}/absolute", "one:/root/entry")
    one.ok("cp", f"{one.dir}/target", "one:/root/entry")
    assert one.ok("fs", "cat", "one", "/root/real").out == "of the link"
    assert not os.path.lexists("/root/real")


def test_streams(one):
    tree = make_tree(f"{one.dir}/tree")
    one.ok("cp", tree, "one:/root")
    out = one.ok("cp", "one:/root/tree", "-").raw_out
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        assert {"tree", "tree/file", "tree/sub/link"} <= set(names(archive))
        assert archive.extractfile("tree/file").read() == b"content\n"
    one.ok("fs", "mkdir", "one", "/root/in")
    for compressed in (out, subprocess.run(["gzip"], input=out, capture_output=True, check=True).stdout):
        one.ok("cp", "-", "one:/root/in", input=compressed)
        assert one.ok("fs", "cat", "one", "/root/in/tree/file").out == "content\n"
        one.ok("fs", "rm", "-r", "one", "/root/in/tree")
    one.fails("cp", "-", "one:/root/nosuch", input=out, match="/root/nosuch")
    one.fails("cp", "-", "one:/root/in", input=b"no archive at all" * 100, match="tar")


def test_holes_stay(one):
    path = f"{one.dir}/sparse"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
        file.seek(512 << 20)
        file.write(b"in the middle")
    one.ok("cp", path, "one:/root/sparse")
    one.ok("cp", "one:/root/sparse", f"{one.dir}/back")
    status = os.stat(f"{one.dir}/back")
    assert status.st_size == 1 << 30 and status.st_blocks * 512 < 1 << 20
    with open(f"{one.dir}/back", "rb") as file:
        file.seek(512 << 20)
        assert file.read(13) == b"in the middle"


def test_between_containers(one):
    one.ok("create", "--name", "two", "base")
    one.ok("cp", make_tree(f"{one.dir}/tree"), "one:/root")
    one.ok("cp", "one:/root/tree", "two:/copied")
    one.ok("cp", "two:/copied", f"{one.dir}/back")
    assert scan(f"{one.dir}/back") == scan(f"{one.dir}/tree")
    one.ok("cp", "one:/root/tree", "one:/root/again")
    assert one.ok("fs", "cat", "one", "/root/again/file").out == "content\n"
    one.fails("cp", "one:/root", "one:/root/again", match="into itself")


def test_one_container_by_two_names(one):
    container = one.inspect("one")["Id"]
    for other in (container, container[:12]):
        one.ok("cp", "one:/etc/passwd", f"{other}:/tmp/{other}")
        assert one.ok("fs", "cat", "one", f"/tmp/{other}").out == one.ok("fs", "cat", "one", "/etc/passwd").out
        one.fails("cp", "one:/etc", f"{other}:/etc/below", match="into itself")
    one.fails("cp", "one:/etc/passwd", "nosuch:/tmp", match="nosuch")


def test_what_was_copied_is_there_after_a_start(engine):
    engine.ok("create", "--name", "one", "-v", "/bin", "base", "sh", "-c", "cat /bin/mine /root/file; ls /bin/busybox")
    engine.file("file", "copied\n")
    engine.ok("cp", f"{engine.dir}/file", "one:/root/file")
    engine.ok("cp", f"{engine.dir}/file", "one:/bin/mine")
    # A volume gets the image's content at first use, also when that is a copy.
    assert engine.ok("start", "-a", "one").out == "copied\ncopied\n/bin/busybox\n"


def test_read_only_places(engine):
    engine.file("file", "x")
    os.mkdir(f"{engine.dir}/shared")
    for verb in ("create", "run"):
        options = ("-d",) if verb == "run" else ()
        engine.ok(verb, *options, "--name", verb, "--read-only", "-v", f"{engine.dir}/shared:/host:ro", "-v", "vol:/data", "--init", "base", "sleep", "1000")
        engine.fails("cp", f"{engine.dir}/file", f"{verb}:/root/file", match="read-only")
        engine.fails("cp", f"{engine.dir}/file", f"{verb}:/host/file", match="read-only")
        engine.ok("cp", f"{engine.dir}/file", f"{verb}:/data/file")


def test_a_mounted_file_is_written_into(engine):
    engine.ok("run", "-d", "--name", "one", "--init", "base", "sleep", "1000")
    engine.file("hosts", "127.0.0.1 mine\n")
    engine.ok("cp", f"{engine.dir}/hosts", "one:/etc/hosts")
    assert engine.ok("exec", "one", "sh", "-c", "cat /etc/hosts; grep -c ' /etc/hosts ' /proc/mounts").out == "127.0.0.1 mine\n1\n"


def test_progress_on_a_terminal(engine):
    engine.ok("create", "--name", "one", "base")
    with open(f"{engine.dir}/big", "wb") as file:
        file.write(os.urandom(1 << 20) * 40)
    terminal = engine.pty("cp", f"{engine.dir}/big", "one:/root")
    assert terminal.wait() == 0 and "copying" in terminal.text and "42MB" in terminal.text.replace(" ", "")
    assert engine.ok("cp", f"{engine.dir}/big", "one:/root").err == ""


def test_events(engine):
    engine.ok("create", "--name", "one", "base")
    engine.ok("cp", "one:/etc/passwd", engine.dir)
    engine.ok("cp", f"{engine.dir}/passwd", "one:/root")
    engine.ok("export", "-o", f"{engine.dir}/one.tar", "one")
    lines = engine.ok("events", "--since", "10m", "--until", "0s", "--format", "{{.Action}}").lines
    assert ["archive-path", "extract-to-dir", "export"] == [line for line in lines if line not in ("create", "pull")][-3:]


# --- against hostile containers

def test_devices_are_neither_opened_nor_made(engine):
    engine.ok("run", "--name", "one", "--cap-add", "MKNOD", "base", "sh", "-c", "mkdir /t; mknod /t/null c 1 3; mkfifo /t/fifo; echo x >/t/file; chmod 4755 /t/file")
    result = engine.ok("cp", "one:/t", f"{engine.dir}/t")
    assert sorted(os.listdir(f"{engine.dir}/t")) == ["fifo", "file"] and "left out" in result.err
    assert stat.S_IMODE(os.stat(f"{engine.dir}/t/file").st_mode) == 0o755, "no set-id program of a container's making"
    engine.fails("fs", "cat", "one", "/t/null", match="device")
    engine.fails("fs", "cat", "one", "/t/fifo", match="fifo", timeout=20)


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_links_never_lead_out(engine, canary, state):
    script = f"""mkdir /t; ln -s {canary.path} /t/out; ln -s /../../../../../..{canary.path} /t/up; ln -s {canary.path}/secret /t/secret
        ln -s /proc/1/root{canary.path} /t/magic"""
    if state == "running":
        engine.ok("run", "-d", "--init", "--name", "one", "base", "sh", "-c", f"{script}; touch /ready; sleep 1000")
        engine.wait_for("the links", lambda: engine.run("fs", "stat", "one", "/ready").code == 0)
    else:
        engine.ok("run", "--name", "one", "base", "sh", "-c", script)
    engine.file("file", "intruder")
    for place in ("/t/out", "/t/up", "/t/magic"):
        engine.run("cp", f"{engine.dir}/file", f"one:{place}/folder/")
        engine.run("cp", f"{engine.dir}/file", f"one:{place}/secret")
        engine.run("fs", "mkdir", "-p", "one", f"{place}/new")
        engine.run("fs", "rm", "-rf", "one", f"{place}/folder")
        engine.run("fs", "chmod", "one", "777", f"{place}/secret")
        assert "host secret" not in engine.run("cp", "-L", f"one:{place}/secret", "-").out
        assert "host secret" not in engine.run("fs", "cat", "one", f"{place}/secret").out
    assert "host secret" not in engine.run("cp", "-L", "one:/t/secret", "-").out
    assert "host secret" not in engine.run("fs", "cat", "one", "/t/secret").out
    canary.check()


def test_tar_streams_never_lead_out(engine, canary):
    """A link and then an entry through it: it leads to a place inside of the container, never to the host's."""
    engine.ok("run", "-d", "--init", "--name", "one", "base", "sleep", "1000")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("way")
        link.type, link.linkname = tarfile.SYMTYPE, canary.path
        archive.addfile(link)
        entry = tarfile.TarInfo("way/intruder")
        archive.addfile(entry, io.BytesIO())
    engine.run("cp", "-", "one:/root", input=buffer.getvalue())
    canary.check()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../intruder"), io.BytesIO())
    engine.fails("cp", "-", "one:/root", input=buffer.getvalue(), match="intruder")
    canary.check()


@pytest.mark.deadline(300)
@pytest.mark.parametrize("state", ["running", "created"])
def test_a_folder_that_turns_into_a_link(engine, canary, state):
    """Somebody swaps a folder for a link to the host's decoy, hundreds of thousands of times a second, while cp and fs go
    through it, both ways."""
    race = pathlib.Path(engine.dir, "race")
    (race / "real/folder").mkdir(parents=True)
    for name in ("secret", "file", "folder/deep"):
        (race / "real" / name).write_text("inside")
    os.symlink(canary.path, race / "link")
    words = ("run", "-d", "--init") if state == "running" else ("create",)
    engine.ok(*words, "--name", "one", "-v", f"{race}:/t", "base", "sleep", "1000")
    attacker = engine.popen(argv=[tool("exchanger"), str(race), "real", "link"], stdin=subprocess.PIPE)
    assert attacker.stdout.readline() == b"ready\n"
    engine.file("file", "intruder")
    read = 0
    for i in range(200 if DEEP else 25):
        for words in (("cp", "one:/t/real/secret", "-"), ("cp", "-L", "one:/t/link/secret", "-"), ("cp", "one:/t", "-"), ("fs", "cat", "one", "/t/real/secret")):
            out = engine.run(*words).raw_out
            assert b"host secret" not in out
            read += b"inside" in out
        engine.run("cp", f"{engine.dir}/file", "one:/t/real/intruder")
        engine.run("cp", "-a", f"{engine.dir}/file", "one:/t/real/secret")
        engine.run("fs", "mkdir", "-p", "one", "/t/real/new/deep")
        engine.run("fs", "chmod", "-r", "one", "777", "/t/real/folder")
        engine.run("fs", "rm", "-rf", "one", "/t/real/new")
        engine.run("cp", "one:/t", f"{engine.dir}/out{i}")
        for folder, _, files in os.walk(f"{engine.dir}/out{i}"):
            assert not [name for name in files if "host secret" in pathlib.Path(folder, name).read_text()]
    swaps, _ = attacker.communicate(timeout=20)
    assert int(re.findall(rb"\d+", swaps)[0]) > 1000 and read, "the race took place"
    canary.check()


@pytest.mark.deadline(300)
def test_an_export_of_a_moving_tree(engine, canary):
    engine.ok("run", "-d", "--init", "--name", "one", "base", "sh", "-c",
              f"mkdir -p /t/real; echo inside >/t/real/secret; ln -s {canary.path} /t/link; touch /ready; "
              "while :; do mv /t/real /t/x; mv /t/link /t/real; mv /t/real /t/link; mv /t/x /t/real; done")
    engine.wait_for("the attacker", lambda: engine.run("fs", "stat", "one", "/ready").code == 0)
    for _ in range(10):
        assert b"host secret" not in engine.run("export", "one").raw_out
    engine.run("commit", "one", "mine:1")
    canary.check()


# --- diff and export

def test_diff(engine):
    engine.ok("run", "--name", "quiet", "base", "true")
    assert engine.ok("diff", "quiet").out == ""
    engine.ok("run", "--name", "one", "base", "sh", "-c", "mkdir -p /new/sub; echo x >/new/sub/file; echo y >>/etc/passwd; rm /etc/group; chmod 711 /srv; mkdir -p /tmp/t; rmdir /tmp/t")
    lines = engine.ok("diff", "one").lines
    assert {"C /etc", "C /etc/passwd", "D /etc/group", "A /new", "A /new/sub", "A /new/sub/file", "C /srv"} <= set(lines)
    assert lines == sorted(lines, key=lambda line: line[2:])
    assert not [line for line in lines if line.endswith(("/hosts", "/hostname", "/resolv.conf", "/proc", "/dev"))]
    assert {"Type": "D", "Path": "/etc/group"} in map(json.loads, engine.ok("diff", "--format", "json", "one").lines)


def test_diff_of_a_replaced_folder(engine):
    engine.ok("run", "--name", "one", "base", "sh", "-c", "rm -r /etc; mkdir /etc; echo new >/etc/passwd")
    lines = engine.ok("diff", "one").lines
    assert "C /etc" in lines and "C /etc/passwd" in lines and "D /etc/group" in lines


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_export(engine, state):
    script = "echo mine >/root/file; rm /etc/group; echo volume >/data/in; touch /ready; sleep 1000"
    engine.ok("run", "-d", "--init", "--name", "one", "-v", "vol:/data", "base", "sh", "-c", script)
    engine.wait_for("its files", lambda: engine.run("fs", "stat", "one", "/ready").code == 0)
    if state == "stopped":
        engine.ok("stop", "-t", "0", "one")
    engine.ok("export", "-o", f"{engine.dir}/one.tar", "one")
    with tarfile.open(f"{engine.dir}/one.tar") as archive:
        found = set(names(archive))
        assert {"root/file", "bin/busybox", "data", "proc"} <= found
        assert not {"data/in", "etc/group", "proc/1"} & found
    assert engine.ok("export", "one").raw_out[:4096]
    engine.ok("import", f"{engine.dir}/one.tar", "flat:1")
    assert engine.ok("run", "--rm", "flat:1", "cat", "/root/file").out == "mine\n"
