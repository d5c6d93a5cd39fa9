# SPDX-License-Identifier: Apache-2.0
"""fs: files in containers, running and not."""
import os
import socket
import stat

import pytest


@pytest.fixture(params=["running", "created"])
def one(engine, request):
    os.mkdir(f"{engine.dir}/shared")
    options = ("--name", "one", "--init", "-v", "vol:/data", "-v", f"{engine.dir}/shared:/host", "-w", "/root")
    script = "sleep 1000"
    engine.ok(*(("run", "-d") if request.param == "running" else ("create",)), *options, "base", "sh", "-c", script)
    return engine


def test_ls(one):
    one.ok("fs", "mkdir", "-p", "one", "/root/a/b")
    one.file("f", "12345")
    one.ok("cp", f"{one.dir}/f", "one:/root/f")
    one.ok("cp", f"{one.dir}/f", "one:/root/.hidden")
    assert one.ok("fs", "ls", "one", "/root").lines == ["a", "f"]
    assert one.ok("fs-ls", "one", "/root", "-a").lines == [".hidden", "a", "f"]
    assert one.ok("fs", "ls", "-R", "one", "/root").lines == ["a", "a/b", "f"]
    assert one.ok("fs", "ls", "one", "/root/f").lines == ["/root/f"]
    table = one.ok("fs", "ls", "-l", "one", "/root").lines
    assert table[0].split() == ["MODE", "UID", "GID", "SIZE", "MODIFIED", "NAME"] and table[2].startswith("-rw-r--r--") and "5" in table[2].split()
    assert "bin" in one.ok("fs", "ls", "one").lines
    one.fails("fs", "ls", "one", "/nosuch", match="/nosuch")
    one.fails("fs", "ls", "nosuch", match="nosuch")


def test_cat_stat_pwd(one):
    assert one.ok("fs", "cat", "one", "/etc/passwd").out == one.ok("cat", "one", "etc/passwd").out != ""
    found = one.ok("fs", "stat", "--format", "json", "one", "/etc/passwd").json()
    found = found[0] if isinstance(found, list) else found
    assert found["Type"] == "file" and found["Permissions"] == "0644" and found["Size"] > 0
    assert "folder" in one.ok("stat", "one", "/etc").out
    assert one.ok("pwd", "one").out == "/root\n"
    one.fails("fs", "cat", "one", "/etc", match="folder")
    one.fails("fs", "cat", "one", "/etc/nosuch", match="/etc/nosuch")


def test_find(one):
    one.ok("fs", "mkdir", "-p", "one", "/root/a/b/c")
    one.file("x.conf", "")
    one.ok("cp", f"{one.dir}/x.conf", "one:/root/a/b/x.conf")
    assert one.ok("fs", "find", "one", "/root").lines == ["/root", "/root/a", "/root/a/b", "/root/a/b/c", "/root/a/b/x.conf"]
    assert one.ok("find", "one", "/root", "--name", "*.conf").lines == ["/root/a/b/x.conf"]
    assert one.ok("fs", "find", "one", "/root", "--type", "d", "--max-depth", "2").lines == ["/root", "/root/a", "/root/a/b"]
    one.fails("fs", "find", "one", "/root", "--type", "q", match="--type")


def test_mkdir_rmdir_rm(one):
    one.ok("mkdir", "one", "/root/new", "-m", "700")
    assert one.ok("fs", "stat", "--format", "{{.Permissions}}", "one", "/root/new").out.strip() == "0700"
    one.fails("fs", "mkdir", "one", "/root/new", match="/root/new")
    one.fails("fs", "mkdir", "one", "/no/such/parent", match="/no/such/parent")
    one.ok("fs", "mkdir", "-p", "-m", "700", "one", "/root/new/deep/er")
    one.ok("fs", "mkdir", "-p", "-m", "711", "one", "/root/new/deep")
    modes = [one.ok("fs", "stat", "--format", "{{.Permissions}}", "one", path).out.strip() for path in ("/root/new/deep", "/root/new/deep/er")]
    assert modes == ["0755", "0700"]
    one.fails("fs", "rmdir", "one", "/root/new", match="not empty")
    one.ok("rmdir", "one", "/root/new/deep/er")
    one.fails("fs", "rm", "one", "/root/new", match="-r")
    one.ok("fs", "rm", "-r", "one", "/root/new")
    one.fails("fs", "rm", "one", "/root/new", match="/root/new")
    one.ok("fs", "rm", "-f", "one", "/root/new")
    one.ok("fs", "rm", "one", "/etc/group")
    assert "D /etc/group" in one.ok("diff", "one").lines


def test_mv(one):
    one.file("f", "moved")
    one.ok("cp", f"{one.dir}/f", "one:/root/f")
    one.ok("fs", "mv", "one", "/root/f", "/root/g")
    one.ok("mv", "one", "/root/g", "/data")
    assert one.ok("fs", "cat", "one", "/data/g").out == "moved"
    one.ok("fs", "mv", "one", "/bin", "/data/bin")  # a folder of the image, onto another file system
    assert "busybox" in one.ok("fs", "ls", "one", "/data/bin").lines
    one.fails("fs", "ls", "one", "/bin", match="/bin")
    one.fails("fs", "mv", "one", "/etc", "/data/etc", match="mounted")
    one.fails("fs", "ls", "one", "/data/etc", match="/data/etc")
    one.fails("fs", "mv", "one", "/root/nosuch", "/root/x", match="/root/nosuch")


def test_mv_never_mixes_two_folders(one):
    """overlayfs moves no folder of the image: what it would refuse is refused when it is copied instead."""
    one.ok("fs", "mkdir", "-p", "one", "/root/bin/kept", "/data/bin/kept", "/root/own/kept", "/root/x/own")
    for source, into, there in (("/bin", "/root", "/root/bin"), ("/bin", "/data/", "/data/bin"), ("/root/x/own", "/root", "/root/own")):
        err = one.fails("fs", "mv", "one", source, into, match="E-PATH-NOT-EMPTY").err
        assert f'"{there}" is not empty' in err and f"fs rm -r CONTAINER {there}\n" in err + "\n"
        assert one.ok("fs", "ls", "one", there).lines == ["kept"]
    assert "busybox" in one.ok("fs", "ls", "one", "/bin").lines
    one.ok("fs", "rmdir", "one", "/root/bin/kept")
    one.ok("fs", "mv", "one", "/bin", "/root")  # an empty one is replaced
    assert "busybox" in one.ok("fs", "ls", "one", "/root/bin").lines
    one.file("hosts", "x")
    one.ok("cp", f"{one.dir}/hosts", "one:/root/hosts")
    assert '"/etc/hosts"' in one.fails("fs", "mv", "one", "/root/hosts", "/etc", match="E-PATH-MOUNTED").err


def test_mv_loses_no_socket(one):
    """A copy leaves sockets out: what it would lose is not moved by one."""
    os.mkdir(f"{one.dir}/shared/run")
    for name in ("run/sock", "sock"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{one.dir}/shared/{name}")
    for path, there in (("/host/run", "/host/run/sock"), ("/host/sock", "/host/sock")):
        assert f'"{there}" is a socket' in one.fails("fs", "mv", "one", path, "/root", match="E-PATH-KIND").err
    assert one.ok("fs", "ls", "one", "/root").out == ""
    one.ok("fs", "mv", "one", "/host/sock", "/host/run/other")  # a rename
    assert one.ok("fs", "ls", "one", "/host/run").lines == ["other", "sock"]
    one.ok("fs", "rm", "-r", "one", "/host/run")


def test_chmod(one):
    one.ok("chmod", "one", "600", "/etc/passwd")
    assert one.ok("fs", "stat", "--format", "{{.Permissions}}", "one", "/etc/passwd").out.strip() == "0600"
    one.ok("fs", "chmod", "one", "u+x,go=rX", "/etc/passwd")
    assert one.ok("fs", "stat", "--format", "{{.Permissions}}", "one", "/etc/passwd").out.strip() == "0755"
    one.ok("fs", "mkdir", "-p", "one", "/root/a/b")
    one.ok("fs", "chmod", "-r", "one", "711", "/root/a")
    assert one.ok("fs", "stat", "--format", "{{.Permissions}}", "one", "/root/a/b").out.strip() == "0711"
    one.fails("fs", "chmod", "one", "nonsense", "/etc/passwd", match="nonsense")


def test_through_the_mounts(one):
    one.ok("fs", "mkdir", "one", "/data/in-volume", "/host/in-folder")
    assert os.path.isdir(f"{one.root}/volumes/vol/_data/in-volume") and os.path.isdir(f"{one.dir}/shared/in-folder")
    for path in ("/data", "/host"):
        one.fails("fs", "rm", "-r", "one", path, match="mounted")
        one.fails("fs", "mv", "one", path, "/root/x", match="mounted")
        one.fails("fs", "rmdir", "one", path, match="mounted")
    one.ok("fs", "rm", "-r", "one", "/data/in-volume")
    assert os.path.isdir(f"{one.dir}/shared/in-folder")


def test_a_mount_stays_on_when_all_around_it_goes(engine):
    """Removing a mount point from outside of a container's mount namespace would take the mount off."""
    engine.ok("run", "-d", "--name", "one", "--init", "-v", "vol:/srv/deep/data", "base", "sleep", "1000")
    engine.fails("fs", "rm", "-r", "one", "/srv", match="mounted")
    engine.fails("fs", "rm", "-r", "one", "/etc", match="mounted")
    assert engine.ok("exec", "one", "sh", "-c", "grep -c ' /srv/deep/data \\| /etc/hosts ' /proc/mounts").out == "2\n"


def test_a_stopped_container_does_not_start_meanwhile_and_starts_afterwards(engine):
    engine.ok("create", "--name", "one", "-v", "vol:/data", "base", "ls", "/root", "/data")
    for path in ("/root/a", "/data/b"):
        engine.ok("fs", "mkdir", "one", path)
    assert engine.ok("start", "-a", "one").out.split() == ["/data:", "b", "/root:", "a"]
    assert not [line for line in open("/proc/self/mountinfo") if engine.root in line]


def test_a_paused_container(engine):
    engine.ok("run", "-d", "--name", "one", "--init", "base", "sleep", "1000")
    engine.ok("pause", "one")
    engine.ok("fs", "mkdir", "one", "/root/x")
    assert engine.ok("fs", "ls", "one", "/root").lines == ["x"]
    engine.ok("unpause", "one")


def test_owners_of_a_new_folder(one):
    one.ok("fs", "mkdir", "one", "/host/new")
    status = os.stat(f"{one.dir}/shared/new")
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o755)


def test_reading_leaves_no_trace(engine):
    engine.ok("create", "--name", "one", "-v", "vol:/nowhere/yet", "base", "true")
    assert "nowhere" in engine.ok("fs", "ls", "one", "/").lines
    assert engine.ok("diff", "one").out == ""


def test_rm_of_a_path(one):
    """`rm CONTAINER:PATH` removes a file, as the seeds have it."""
    one.ok("fs", "mkdir", "-p", "one", "/root/dir/sub")
    one.fails("rm", "one:/root/dir", match="-r")
    one.ok("rm", "-f", "one:/root/nosuch")
    one.ok("fs", "rm", "-r", "one", "/root/dir")
    one.file("f", "x")
    one.ok("cp", f"{one.dir}/f", "one:/root/f")
    one.ok("rm", "one:/root/f")
    assert one.ok("fs", "ls", "one", "/root").lines == []
