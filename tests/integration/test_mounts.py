# SPDX-License-Identifier: Apache-2.0
"""-v, --mount and --volumes-from in full, volumes with options."""
import os
import pathlib
import subprocess

import pytest


def sh(engine, script, *options, code=0):
    result = engine.run("run", "--rm", *options, "base", "sh", "-c", script)
    assert result.code == code, str(result)
    return result.out


def mounts_of(engine):
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        return [line for line in table if engine.root in line]


# --- images

def test_image_mount(module_engine):
    engine = module_engine
    assert "refused" in sh(engine, "ls /img/bin; touch /img/x 2>/dev/null || echo refused", "--mount", "type=image,src=base,dst=/img")
    assert sh(engine, "test -x /img/busybox && ! test -e /img/etc && echo part", "--mount", "type=image,src=base,dst=/img,subpath=bin") == "part\n"
    engine.fails("run", "--rm", "--mount", "type=image,src=nosuch,dst=/img", "base", "true", match="nosuch")


def test_image_of_several_layers(engine):
    """Layers are put together as a container's are, and a mounted image is kept."""
    from support.imagebuilder import Dir, File, Image, docker_archive, layer
    layers = [layer(Dir("d"), File("d/one", "1"), File("gone", "x")), layer(File("d/two", "2"), File(".wh.gone", ""))]
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/two.tar", [Image("two:1", layers)]))
    assert sh(engine, "cat /m/d/one /m/d/two; ls /m", "--mount", "type=image,src=two:1,dst=/m") == "12d\n"
    assert sh(engine, "cat /m/two", "--mount", "type=image,src=two:1,dst=/m,image-subpath=d") == "2"
    engine.ok("create", "--name", "holder", "--mount", "type=image,src=two:1,dst=/m", "base", "cat", "/m/d/two")
    engine.fails("rmi", "two:1", match="holder")
    assert engine.ok("image", "prune", "--all", "--force").out.count("sha256:") == 0
    assert engine.ok("start", "-a", "holder").out == "2"
    engine.ok("rm", "holder")
    engine.ok("rmi", "two:1")


# --- parts of volumes

def test_subpath_of_a_volume(engine):
    sh(engine, "mkdir -p /v/in/side; echo deep >/v/in/side/f; ln -s /in /v/link; ln -s ../../../../etc /v/out", "-v", "parts:/v")
    assert sh(engine, "cat /x/f", "--mount", "type=volume,src=parts,dst=/x,volume-subpath=in/side") == "deep\n"
    assert sh(engine, "cat /x", "--mount", "type=volume,src=parts,dst=/x,volume-subpath=in/side/f") == "deep\n"
    assert sh(engine, "cat /x/side/f", "--mount", "type=volume,src=parts,dst=/x,volume-subpath=link") == "deep\n", "a link leads inside the volume"
    engine.fails("run", "--rm", "--mount", "type=volume,src=parts,dst=/x,volume-subpath=out", "base", "true", match="out")
    engine.fails("run", "--rm", "--mount", "type=volume,src=parts,dst=/x,volume-subpath=../up", "base", "true", match="../up")


def test_read_only_below(engine, tmp_path):
    """A read-only bind covers the mounts below it, unless writable was asked for; nonrecursive leaves them out."""
    outer = f"{engine.dir}/outer"
    os.makedirs(f"{outer}/sub")
    script = f'mount -t tmpfs none {outer}/sub && echo below >{outer}/sub/f && exec "$@"'
    probe = "cat /o/sub/f; echo x >/o/sub/g && echo written"

    def run(mount):
        return engine.run(argv=["unshare", "-m", "sh", "-c", script, "sh", *engine.argv("run", "--rm", "--mount", mount, "base", "sh", "-c", probe)])

    base = f"type=bind,src={outer},dst=/o"
    assert run(f"{base},readonly").out == "below\n"
    assert run(f"{base},readonly,bind-recursive=readonly").out == "below\n"
    assert run(f"{base},readonly,bind-recursive=writable").out == "below\nwritten\n"
    assert "below" not in run(f"{base},bind-nonrecursive").out
    assert "below" not in run(f"{base},bind-recursive=disabled").out
    engine.fails("run", "--rm", "--mount", f"{base},bind-recursive=readonly", "base", "true", match="readonly")


def test_attributes(engine):
    os.mkdir(f"{engine.dir}/d")
    out = sh(engine, "grep ' /d ' /proc/self/mounts", "-v", f"{engine.dir}/d:/d:nosuid,nodev,noexec,ro")
    assert all(word in out for word in ("nosuid", "nodev", "noexec", "ro,")), out


# --- propagation

def test_propagation(engine):
    """What the host mounts later appears inside with rslave and rshared, what the container mounts outside only with the latter."""
    folder = f"{engine.dir}/shared"
    os.mkdir(folder)
    engine.fails("run", "--rm", "-v", f"{engine.file('plain/x', '')[:-2]}:/s:rshared", "base", "true", match="not shared")
    script = """
      mount -t tmpfs none "$1" && mount --make-shared "$1" && mkdir "$1/host" "$1/inner"
      shift
      "$@" </dev/null >"$SERVIN_TEST_DIR/out" & pid=$!
      until [ -e "$SERVIN_TEST_DIR/shared/ready" ]; do sleep 0.01; done
      mount -t tmpfs late "$SERVIN_TEST_DIR/shared/host" && echo late >"$SERVIN_TEST_DIR/shared/host/f" && touch "$SERVIN_TEST_DIR/shared/go"
      wait $pid; cat "$SERVIN_TEST_DIR/out"; cat "$SERVIN_TEST_DIR/shared/inner/f" 2>/dev/null || echo nothing
    """
    inside = "mount -t tmpfs mine /s/inner; echo mine >/s/inner/f; touch /s/ready; until [ -e /s/go ]; do sleep 0.01; done; cat /s/host/f"
    for mode, outside in (("rslave", "nothing"), ("rshared", "mine"), ("rprivate", "nothing")):
        argv = engine.argv("run", "--rm", "--privileged", "-v", f"{folder}:/s:{mode}", "base", "sh", "-c", inside)
        result = engine.run(argv=["unshare", "-m", "sh", "-c", script, "sh", folder, *argv])
        assert result.out == (f"late\n{outside}\n" if mode != "rprivate" else f"{outside}\n"), (mode, str(result))


# --- mapped owners

def test_owner_becomes_the_user(engine):
    """:U shows the source's owner as the container's user, and what that user makes belongs to the owner outside."""
    path = engine.file("mine/file", "mine")
    for name in (path, os.path.dirname(path)):
        os.chown(name, 1234, 1235)
    out = sh(engine, "stat -c %u:%g /d/file; echo new >/d/new; chmod 600 /d/new", "-u", "77:78", "-v", f"{engine.dir}/mine:/d:U")
    assert out == "77:78\n"
    made = os.stat(f"{engine.dir}/mine/new")
    assert (made.st_uid, made.st_gid) == (1234, 1235)
    assert sh(engine, "stat -c %u /d/file", "-v", f"{engine.dir}/mine:/d") == "1234\n", "nothing was changed on the disk"
    assert sh(engine, "stat -c %u /d/new", "-u", "77", "--mount", f"type=bind,src={engine.dir}/mine,dst=/d,idmap") == "77\n"


# --- sources

def test_home_and_relative_sources(engine):
    engine.file("home/notes/a", "at home")
    engine.file("work/deep/b", "up here")
    assert engine.ok("run", "--rm", "-v", "~/notes:/n", "base", "cat", "/n/a").out == "at home"
    assert engine.ok("run", "--rm", "--mount", "type=bind,src=~/notes,dst=/n", "base", "cat", "/n/a").out == "at home"
    assert engine.ok("run", "--rm", "-v", "..:/n", "base", "cat", "/n/deep/b", cwd=f"{engine.dir}/work/deep").out == "up here"
    assert engine.ok("run", "--rm", "-v", ".:/n", "base", "cat", "/n/b", cwd=f"{engine.dir}/work/deep").out == "up here"
    assert engine.ok("run", "--rm", "--mount", "type=bind,src=deep,dst=/n", "base", "cat", "/n/b", cwd=f"{engine.dir}/work").out == "up here"
    engine.ok("run", "--rm", "--mount", f"type=bind,src={engine.dir}/made,dst=/n,create-host-path", "base", "true")
    assert os.path.isdir(f"{engine.dir}/made")


def test_volumes_from(engine):
    engine.file("data/f", "bound")
    engine.ok("create", "--name", "donor", "-v", "kept:/kept", "-v", f"{engine.dir}/data:/data", "-v", "/anonymous", "base")
    sh(engine, "echo one >/kept/x; echo two >/anonymous/y; cat /data/f", "--volumes-from", "donor")
    assert sh(engine, "cat /kept/x /anonymous/y", "--volumes-from", "donor:ro") == "one\ntwo\n"
    assert sh(engine, "echo z >/kept/x || echo refused", "--volumes-from", "donor:ro,z") == "refused\n"
    engine.fails("run", "--rm", "--volumes-from", "donor:rx", "base", "true", match="rx")
    engine.ok("rm", "-v", "donor")
    assert engine.ok("volume", "ls", "-q").lines == ["kept"]


# --- volumes with options

def test_tmpfs_volume_is_shared_and_goes(engine):
    """One file system for all that use it, mounted at the first use and taken off after the last."""
    engine.ok("volume", "create", "--opt", "type=tmpfs", "--opt", "o=size=1m,mode=1777", "fast")
    assert not mounts_of(engine), "not before somebody uses it"
    engine.ok("run", "-d", "--name", "one", "-v", "fast:/t", "base", "sh", "-c", "echo shared >/t/f; exec sleep 1000")
    engine.ok("run", "-d", "--name", "two", "-v", "fast:/t", "base", "sleep", "1000")
    engine.wait_for("the file", lambda: engine.run("exec", "two", "cat", "/t/f").out == "shared\n")
    assert "1024" in engine.ok("exec", "two", "df", "/t").out
    assert len(mounts_of(engine)) == 1
    engine.ok("rm", "--force", "one")
    assert engine.ok("exec", "two", "cat", "/t/f").out == "shared\n"
    engine.fails("volume", "rm", "fast", match="two")
    engine.ok("stop", "-t", "0", "two")
    engine.wait_for("the unmount", lambda: not mounts_of(engine))
    assert engine.ok("start", "two").code == 0
    assert engine.run("exec", "two", "cat", "/t/f").code == 1, "a new one"
    engine.ok("rm", "--force", "two")
    engine.ok("volume", "rm", "fast")


def test_mounted_volume_after_a_kill(engine):
    """Everything is killed while the volume is mounted: the next command takes it off."""
    engine.ok("volume", "create", "--opt", "type=tmpfs", "fast")
    engine.ok("run", "-d", "--name", "victim", "-v", "fast:/t", "base", "sleep", "1000")
    assert mounts_of(engine)
    engine.kill_processes()
    engine.ok("ls", "-a")
    engine.ok("rm", "--force", "victim")
    engine.wait_for("the unmount", lambda: not mounts_of(engine))
    engine.ok("volume", "rm", "fast")


def test_bind_volume(engine):
    engine.file("real/f", "real")
    engine.ok("volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", f"device={engine.dir}/real", "alias")
    assert sh(engine, "cat /v/f; echo more >/v/g", "-v", "alias:/v") == "real"
    assert pathlib.Path(engine.dir, "real/g").read_text() == "more\n"
    assert engine.ok("volume", "inspect", "alias").json()[0]["Options"]["device"] == f"{engine.dir}/real"
    engine.ok("volume", "rm", "alias")
    assert pathlib.Path(engine.dir, "real/f").exists(), "the folder is the host's"


def test_volume_of_a_disk(engine):
    """A file system of its own, held to its size."""
    image = f"{engine.dir}/disk"
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    loop = subprocess.run(["losetup", "--find", "--show", image], check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    try:
        engine.ok("volume", "create", "--opt", "type=ext4", "--opt", f"device={loop}", "disk")
        assert sh(engine, "echo kept >/v/f; dd if=/dev/zero of=/v/big bs=1M count=64 2>/dev/null || echo full", "-v", "disk:/v") == "full\n"
        assert sh(engine, "cat /v/f", "-v", "disk:/v") == "kept\n"
        engine.wait_for("the unmount", lambda: not mounts_of(engine))
        engine.ok("volume", "rm", "disk")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


@pytest.mark.parametrize("options, match", [
    (["type=nfs", "device=:/x"], "addr"),
    (["size=10m"], "size"),
    (["tpye=tmpfs"], "type"),
    (["o=bind", "device=relative"], "absolute"),
    (["device=/dev/null"], "type"),
])
def test_bad_volume_options(module_engine, options, match):
    words = [word for option in options for word in ("--opt", option)]
    module_engine.fails("volume", "create", *words, "bad", match=match)
    module_engine.fails("volume", "inspect", "bad", match="bad")


def test_volume_options_by_mount(engine):
    mount = "type=volume,src=quick,dst=/v,volume-opt=type=tmpfs,volume-opt=o=size=64k,volume-label=kind=scratch"
    assert " 64 " in sh(engine, "df -k /v", "--mount", mount)
    assert engine.ok("volume", "ls", "-q", "--filter", "label=kind=scratch").lines == ["quick"]
    engine.fails("volume", "create", "quick", match="other options")
    engine.ok("volume", "create", "--opt", "type=tmpfs", "--opt", "o=size=64k", "quick")
    engine.wait_for("the unmount", lambda: not mounts_of(engine))
