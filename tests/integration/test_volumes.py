# SPDX-License-Identifier: Apache-2.0
"""Bind mounts, volumes, tmpfs."""
import os
import pathlib
import subprocess

import pytest


def sh(engine, script, *options, code=0, image="base"):
    result = engine.run("run", "--rm", *options, image, "sh", "-c", script)
    assert result.code == code, str(result)
    return result.out


# --- folders and files of the host

def test_bind(engine):
    engine.file("data/a", "from the host\n")
    assert sh(engine, "cat /data/a; echo from inside >/data/b", "-v", f"{engine.dir}/data:/data") == "from the host\n"
    assert pathlib.Path(engine.dir, "data/b").read_text() == "from inside\n"


def test_bind_read_only(engine):
    engine.file("data/a", "x")
    assert sh(engine, "echo y >/data/a || echo refused; cat /data/a", "-v", f"{engine.dir}/data:/data:ro") == "refused\nx"
    assert sh(engine, "echo y >/data/a || echo refused", "--mount", f"type=bind,src={engine.dir}/data,dst=/data,readonly") == "refused\n"


def test_bind_of_a_file(engine):
    path = engine.file("single", "one")
    assert sh(engine, "cat /etc/single; echo two >/etc/single", "-v", f"{path}:/etc/single") == "one"
    assert pathlib.Path(path).read_text() == "two\n"


def test_relative_sources(engine):
    engine.file("data/a", "relative")
    result = engine.ok("run", "--rm", "-v", "./data:/data", "base", "cat", "/data/a", cwd=engine.dir)
    assert result.out == "relative"
    engine.fails("run", "--rm", "-v", "data/sub:/data", "base", "true", match="./data/sub")


def test_missing_source(engine):
    """-v makes a missing folder, --mount refuses."""
    missing = f"{engine.dir}/missing"
    engine.fails("run", "--rm", "--mount", f"type=bind,src={missing},dst=/x", "base", "true", match=missing)
    assert not os.path.exists(missing)
    sh(engine, "test -d /x", "-v", f"{missing}:/x")
    assert os.path.isdir(missing)


def test_a_mount_below_a_mount(engine):
    engine.file("outer/a", "outer")
    engine.file("inner/b", "inner")
    os.mkdir(f"{engine.dir}/outer/sub")
    got = sh(engine, "cat /m/a /m/sub/b", "-v", f"{engine.dir}/inner:/m/sub", "-v", f"{engine.dir}/outer:/m")
    assert got == "outerinner"


def test_mounted_twice_is_refused(engine):
    engine.fails("run", "--rm", "-v", f"{engine.dir}:/x", "-v", "vol:/x/", "base", "true", match="/x")


# --- volumes

def test_a_named_volume_keeps_its_data(engine):
    sh(engine, "echo kept >/data/file", "-v", "store:/data")
    assert sh(engine, "cat /data/file", "-v", "store:/data") == "kept\n"
    assert engine.ok("volume", "ls", "-q").lines == ["store"]
    found = engine.ok("volume", "inspect", "store").json()[0]
    assert found["Name"] == "store" and found["Driver"] == "local"
    assert pathlib.Path(found["Mountpoint"], "file").read_text() == "kept\n"


def test_copy_up(engine):
    """A new volume takes what the image has at its place, with modes; a used one stays as it is."""
    before = sh(engine, "ls -l /etc | md5sum")
    assert sh(engine, "ls /etc/passwd", "-v", "etc:/etc") == "/etc/passwd\n"
    assert engine.ok("run", "--rm", "-v", "etc:/etc", "base", "sh", "-c", "rm /etc/passwd").out == ""
    assert sh(engine, "test -e /etc/passwd || echo gone", "-v", "etc:/etc") == "gone\n"
    assert sh(engine, "ls -l /etc | md5sum") == before
    assert sh(engine, "ls /etc", "-v", "empty:/etc:nocopy") in ("", "hostname\nhosts\nresolv.conf\n")


def test_anonymous_volumes_go_with_their_container(engine):
    engine.ok("run", "--name", "one", "-v", "/data", "base", "sh", "-c", "echo x >/data/file")
    (name,) = engine.ok("volume", "ls", "-q").lines
    assert len(name) == 64
    engine.ok("rm", "one")
    assert engine.ok("volume", "ls", "-q").lines == [name], "rm alone keeps it"
    engine.ok("volume", "rm", name)
    engine.ok("run", "--name", "two", "-v", "/data", "base", "true")
    engine.ok("rm", "-v", "two")
    assert engine.ok("volume", "ls", "-q").lines == []
    sh(engine, "true", "-v", "/data")
    engine.wait_for("--rm takes it along", lambda: engine.ok("volume", "ls", "-q").lines == [])


def test_named_volumes_stay_with_rm(engine):
    engine.ok("run", "--rm", "-v", "named:/data", "base", "true")
    engine.ok("run", "--name", "one", "-v", "named:/data", "base", "true")
    engine.ok("rm", "-v", "one")
    assert engine.ok("volume", "ls", "-q").lines == ["named"]


def test_a_volume_in_use_is_not_removed(engine):
    engine.ok("create", "--name", "one", "-v", "named:/data", "base", "true")
    engine.fails("volume", "rm", "named", match="one")
    engine.ok("rm", "one")
    engine.ok("volume", "rm", "named")
    engine.fails("volume", "rm", "named", match="no such volume")
    engine.ok("volume", "rm", "--force", "named")


def test_volume_create_ls_prune(engine):
    engine.ok("volume", "create", "--label", "a=b", "first")
    engine.ok("volume", "create", "first")
    engine.ok("volume", "create", "second")
    anonymous = engine.ok("volume", "create").out.strip()
    assert sorted(engine.ok("volume", "ls", "-q").lines) == sorted(["first", "second", anonymous])
    assert engine.ok("volume", "ls", "-q", "--filter", "label=a=b").lines == ["first"]
    assert engine.ok("volume", "ls", "-q", "--filter", "name=sec").lines == ["second"]
    engine.fails("volume", "create", "bad/name")
    engine.fails("volume", "inspect", "frist", match='did you mean "first"?')
    engine.ok("volume", "prune", "--force")
    assert sorted(engine.ok("volume", "ls", "-q").lines) == ["first", "second"]
    engine.ok("volume", "prune", "--all", "--force")
    assert engine.ok("volume", "ls", "-q").lines == []


def test_volumes_from(engine):
    engine.ok("create", "--name", "one", "-v", "named:/data", "-v", f"{engine.dir}:/host:ro", "base", "true")
    sh(engine, "echo shared >/data/x", "--volumes-from", "one")
    assert sh(engine, "cat /data/x; touch /data/y || echo refused", "--volumes-from", "one:ro") == "shared\nrefused\n"
    assert sh(engine, "touch /host/y || echo refused", "--volumes-from", "one") == "refused\n"
    engine.fails("run", "--rm", "--volumes-from", "none", "base", "true", match="none")


def test_a_folder_that_stays_keeps_no_volume_mounted(engine):
    engine.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "vol")
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/v", "base", "sleep", "100000")
    mark = pathlib.Path(engine.root, "run/volumes/vol.mounted")
    assert mark.exists()
    kept = mark.read_bytes()
    engine.ok("rm", "-f", "c")
    # As after a kill between the end of its last container and the unmount.
    mark.write_bytes(kept)
    stuck = pathlib.Path(engine.root, "containers", "f" * 64)

    def is_stuck():  # a sweep of `rm` may take the folder away before something is mounted there
        stuck.mkdir(exist_ok=True)
        return subprocess.run(["mount", "-t", "tmpfs", "none", stuck], check=False).returncode == 0

    engine.wait_for("the mount", is_stuck)
    try:
        engine.ok("__cleanup")
        assert not mark.exists()
    finally:
        subprocess.run(["umount", stuck], check=True)


def test_a_start_that_fails_keeps_no_volume_mounted(engine):
    engine.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "vol")
    os.mkdir(f"{engine.dir}/gone")
    engine.ok("create", "--name", "c", "-v", "vol:/v", "--mount", f"type=bind,src={engine.dir}/gone,dst=/gone", "base", "true")
    os.rmdir(f"{engine.dir}/gone")
    engine.fails("start", "c", match="gone")
    assert not pathlib.Path(engine.root, "run/volumes/vol.mounted").exists()


def test_unfinished_images_that_cannot_be_swept_keep_no_volume_mounted(engine):
    engine.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "vol")
    engine.ok("run", "-d", "--name", "c", "-v", "vol:/v", "base", "sleep", "100000")
    mark = pathlib.Path(engine.root, "run/volumes/vol.mounted")
    kept = mark.read_bytes()
    engine.ok("rm", "-f", "c")
    mark.write_bytes(kept)
    # What a killed pull left, as a mount point: it cannot be renamed. Its owner lives until it is one.
    owner = subprocess.Popen(["sleep", "100000"])
    start = pathlib.Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[19]
    stuck = pathlib.Path(engine.root, "tmp", f"{owner.pid}-{start}-" + "a" * 12)
    stuck.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", stuck], check=True)
    owner.kill()
    owner.wait()
    try:
        engine.ok("__cleanup")
        assert not mark.exists()
    finally:
        subprocess.run(["umount", stuck], check=True)


def test_looking_into_a_stopped_container_keeps_no_volume_mounted(engine):
    engine.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "vol")
    engine.ok("create", "--name", "c", "-v", "vol:/v", "base")
    pathlib.Path(engine.dir, "file").write_text("content")
    mark = pathlib.Path(engine.root, "run/volumes/vol.mounted")
    folder = f"{engine.root}/volumes/vol/_data"
    for command in (["cp", f"{engine.dir}/file", "c:/v/file"], ["cp", "c:/v", f"{engine.dir}/copy"], ["fs", "ls", "c", "/v"], ["fs", "mkdir", "c", "/v/a"],
                    ["diff", "c"]):
        engine.ok(*command)
        assert not mark.exists() and not os.path.ismount(folder), command
    # Not what somebody else needs.
    engine.ok("run", "-d", "--name", "user", "-v", "vol:/v", "base", "sh", "-c", "echo here >/v/x; exec sleep 100000")
    engine.wait_for("its file", lambda: engine.run("exec", "user", "test", "-s", "/v/x").code == 0)
    assert engine.ok("fs", "cat", "c", "/v/x").out == "here\n"
    assert mark.exists() and engine.ok("exec", "user", "cat", "/v/x").out == "here\n"


# --- tmpfs

def test_tmpfs(engine):
    mode, mount = sh(engine, "stat -c %a /t; grep ' /t ' /proc/mounts", "--tmpfs", "/t").splitlines()
    assert mode == "1777" and " /t tmpfs rw,nosuid,nodev,noexec" in mount
    assert "size=1024k" in sh(engine, "grep ' /t ' /proc/mounts", "--tmpfs", "/t:size=1m,mode=700")
    assert sh(engine, "cp /bin/busybox /t/busybox; /t/busybox true && echo ran", "--tmpfs", "/t:exec") == "ran\n"
    assert sh(engine, "stat -c %a /t", "--mount", "type=tmpfs,dst=/t,tmpfs-mode=750,tmpfs-size=64k") == "750\n"
    engine.fails("run", "--rm", "--tmpfs", "/t:nonsense", "base", "true", match="nonsense")


@pytest.mark.parametrize("text, said", [
    ("a:/b:ro:x", "too many parts"), ("relative/x:/b", "no name of a volume"), ("/a:b", "not absolute"), ("/a:/", "cannot be /"),
    ("/a:/b:rx", "unknown option"), ("vol:/b:rshared", "not for volumes"), (":/b", "empty")])
def test_volume_words_that_are_wrong(engine, text, said):
    engine.fails("run", "--rm", "-v", text, "base", "true", match=said)


@pytest.mark.parametrize("text, said", [
    ("type=bind,src=/x", "target"), ("type=bind,dst=/x", "source"), ("typ=bind,dst=/x", 'did you mean "type"'),
    ("type=bnd,dst=/x", 'did you mean "bind"'), ("type=tmpfs,dst=/x,src=/y", "no source"), ("type=volume,dst=/x,tmpfs-size=1", "tmpfs-size"),
    ("dst", "key=value"), ("type=image,dst=/x", "source")])
def test_mount_words_that_are_wrong(engine, text, said):
    engine.fails("run", "--rm", "--mount", text, "base", "true", match=said)
