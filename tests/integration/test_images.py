# SPDX-License-Identifier: Apache-2.0
"""Images: every archive form, names, removal, saving, the store's own check."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import signal
import stat
import subprocess
import tarfile

import pytest

from support import imagebuilder as builder
from support.imagebuilder import File, Image, busybox, layer
from support.images import FORMS


def image_id(engine, name):
    return engine.ok("image", "inspect", name).json()[0]["Id"]


def tree(engine):
    """What a store holds that a failed command must not leave: names of blobs, layers and unfinished work."""
    root = pathlib.Path(engine.root)
    return {part: sorted(os.listdir(root / part)) if (root / part).is_dir() else []
            for part in ("blobs/sha256", "snapshots", "tmp")}


def docker_archive(files, name="made:1", damage=None):
    """A small docker-archive with one layer of {path: bytes}."""
    def tar(members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path, data in members.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                info.mode = 0o755
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    layer = tar(files)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    members = {"layer.tar": damage(layer) if damage else layer, "config.json": config,
               "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()}
    return tar(members)


@pytest.mark.parametrize("form", [f for f in FORMS if f != "rootfs.tar"])
def test_each_form_gives_the_same_image_and_runs(engine, images, form):
    engine.ok("load", "-i", images.path("busybox", form))
    assert engine.ok("run", "--rm", "busybox", "sh", "-c", "echo hello; readlink /bin/ls").lines == ["hello", "busybox"]
    config = json.loads(subprocess.run(["tar", "-xOf", images.path("busybox", "docker.tar"), "manifest.json"],
                                       check=True, capture_output=True).stdout)[0]["Config"]
    assert image_id(engine, "busybox") == "sha256:" + config.removesuffix(".json")


def test_layers_with_whiteouts_and_hard_links(engine, images):
    engine.ok("load", "-i", images.path("debian", "oci.tar"), timeout=300)
    script = "cat /opt/data/file; test -e /etc/layer || echo gone; cat /etc/layer-hardlink; test -e /usr/share/doc || echo no doc; readlink /opt/data/link"
    assert engine.ok("run", "--rm", "debian", "bash", "-c", script).lines == ["third", "gone", "second", "no doc", "../etc/passwd"]


def test_layout_folder_and_root_file_system(engine, images):
    engine.ok("load", "-i", images.layout("busybox"))
    assert "busybox" in engine.ok("image", "ls").out
    engine.fails("import", images.path("busybox", "rootfs.tar"), match="name")
    engine.ok("import", "--change", 'CMD ["echo", "from the config"]', images.path("busybox", "rootfs.tar"), "plain:1")
    assert engine.ok("run", "--rm", "plain:1").out == "from the config\n"


def test_standard_input(engine, images):
    with open(images.path("busybox", "docker.tar.gz"), "rb") as archive:
        engine.ok("load", stdin=archive)
    cat = subprocess.Popen(["cat", images.path("busybox", "oci.tar.zst")], stdout=subprocess.PIPE)
    engine.ok("load", "-i", "-", stdin=cat.stdout)
    cat.stdout.close()
    cat.wait()
    engine.ok("run", "--rm", "busybox", "true")


def test_save_and_load_again(engine, make_engine, images):
    engine.load("busybox", "oci.tar")
    engine.ok("tag", "busybox", "other:2")
    for form in ("docker-archive", "oci-archive"):
        path = f"{engine.dir}/{form}.tar"
        engine.ok("save", "--format", form, "-o", path, "busybox", "other:2")
        again = make_engine()
        again.ok("load", "-i", path)
        for name in ("busybox", "other:2"):
            before, after = (e.ok("image", "inspect", name).json()[0] for e in (engine, again))
            assert before["Id"] == after["Id"]
            assert before["RepoDigests"] == after["RepoDigests"]
        # The same bytes every time, to a pipe too.
        piped = engine.ok("save", "--format", form, "busybox", "other:2").raw_out
        assert hashlib.sha256(piped).digest() == hashlib.sha256(pathlib.Path(path).read_bytes()).digest()


@pytest.mark.parametrize("words", [["image", "save", "-o", "FILE", "base"], ["export", "-o", "FILE", "one"]], ids=["save", "export"])
def test_output_file(engine, words):
    """A link stays one, a fifo is written into, and what is no place for a file is an error at once."""
    engine.ok("create", "--name", "one", "base", "true")
    to = lambda path: [path if word == "FILE" else word for word in words]
    real, link, fifo = f"{engine.dir}/real.tar", f"{engine.dir}/link.tar", f"{engine.dir}/fifo"
    engine.ok(*to(real))
    size = os.path.getsize(real)
    os.truncate(real, 0)
    os.symlink("real.tar", link)
    engine.ok(*to(link))
    assert os.path.islink(link) and os.path.getsize(real) == size
    os.mkfifo(fifo)
    with subprocess.Popen(["wc", "-c", fifo], stdout=subprocess.PIPE, text=True) as reader:
        engine.ok(*to(fifo))
        assert int(reader.stdout.read().split()[0]) == size
    assert stat.S_ISFIFO(os.lstat(fifo).st_mode)
    engine.fails(*to(engine.dir), match=engine.dir)
    assert not [name for name in os.listdir(engine.dir) if ".servin-" in name]


def test_save_refuses_a_terminal(engine):
    engine.ok("run", "--rm", "base", "true")
    terminal = engine.pty("save", "base")
    terminal.read_until("terminal")
    assert terminal.wait() == 125


def test_names_ids_and_removal(engine):
    engine.ok("load", input=docker_archive({"a": b"1"}))
    full = image_id(engine, "made:1")
    for text in (full, full[7:], full[7:19]):
        assert image_id(engine, text) == full
    engine.ok("tag", "made:1", "made:2")
    assert "made:2" in engine.ok("rmi", "made:2").out
    engine.ok("tag", "made:1", "made:2")
    engine.fails("rmi", full[7:19], match="several names")
    engine.ok("rmi", "--force", full[7:19])
    assert tree(engine) == {"blobs/sha256": [], "snapshots": [], "tmp": []}
    engine.fails("run", "--rm", "made:1", match="made")


def test_an_image_in_use_stays(engine):
    engine.ok("create", "--name", "user", "base", "true")
    engine.fails("rmi", "base", match="user")
    engine.ok("rm", "user")
    engine.ok("rmi", "base")
    engine.ok("run", "--rm", "base", "true")


def test_forced_removal_under_a_stopped_container(engine):
    """As docker: the image goes, the container stays whole, and the layers go with the last one that needs them."""
    engine.ok("run", "--name", "user", "base", "sh", "-c", "echo here >>/file; cat /file")
    engine.fails("rmi", "base", match="stopped container user")
    assert "Deleted: sha256:" in engine.ok("rmi", "--force", "base").out
    assert engine.ok("image", "ls", "--all", "-q").out == ""
    engine.ok("image", "prune", "--all", "--force")
    assert engine.ok("start", "--attach", "user").out == "here\nhere\n"
    engine.ok("rm", "user")
    engine.wait_for("the layers are gone", lambda: tree(engine)["snapshots"] == [] and tree(engine)["blobs/sha256"] == [])


def test_forced_removal_under_a_running_container(engine):
    """As docker: by its name it is untagged, by its id it stays."""
    engine.ok("run", "-d", "--name", "user", "base", "sleep", "1000")
    ident = engine.inspect("user")["Image"]
    engine.fails("rmi", "base", match="running container user")
    engine.fails("rmi", "--force", ident, match="running container user")
    removed = engine.ok("rmi", "--force", "base").out
    assert "Untagged: " in removed and "Deleted" not in removed
    assert engine.ok("exec", "user", "echo", "hello").out == "hello\n"
    engine.ok("restart", "-t", "0", "user")


def test_a_damaged_archive_leaves_nothing(engine):
    def flip(layer):
        return layer[:600] + bytes([layer[600] ^ 1]) + layer[601:]

    engine.ok("image", "ls")
    before = tree(engine)
    engine.fails("load", match="digest", input=docker_archive({"a": b"x" * 2000}, damage=flip))
    whole = docker_archive({"a": b"x" * 2000})
    engine.fails("load", input=whole[:3000])
    engine.fails("load", input=gzip.compress(whole)[:-9])
    engine.fails("load", input=docker_archive({"../../escaped": b"x"}))
    assert tree(engine) == before
    assert engine.ok("image", "ls", "-q").out == ""
    engine.ok("load", input=whole)


def test_a_killed_load_is_swept_by_the_next_command(engine):
    """Killed in the middle of its archive: what it left goes with the next load, which succeeds."""
    whole = docker_archive({"a": os.urandom(4_000_000), "b": b"x" * 100_000})
    process = engine.popen("load", stdin=subprocess.PIPE)
    process.stdin.write(whole[:2_000_000])
    process.stdin.flush()
    engine.wait_for("unfinished work", lambda: tree(engine)["tmp"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert tree(engine)["tmp"]
    engine.ok("load", input=whole)
    assert tree(engine)["tmp"] == []
    assert len(tree(engine)["snapshots"]) == 1


def test_two_loads_at_once(engine, images):
    path = images.path("debian", "docker.tar")
    loads = [engine.popen("load", "-i", path) for _ in range(3)]
    for load in loads:
        out, err = load.communicate(timeout=100)
        assert load.returncode == 0, (out, err)
    engine.ok("run", "--rm", "debian", "true")
    assert tree(engine)["tmp"] == []


def test_history_and_templates(engine, images):
    engine.load("busybox")
    assert engine.ok("history", "busybox").lines[1:]
    assert "base" in engine.ok("image", "template", "ls").out
    engine.ok("image", "template", "create", "base", "mine:1")
    assert engine.ok("run", "--rm", "mine:1", "echo", "hi").out == "hi\n"


def test_prune_says_first_what_it_would_do(engine):
    engine.ok("load", input=docker_archive({"a": b"1" * 5000}))
    engine.ok("image", "prune", "--all", "--dry-run")
    assert image_id(engine, "made:1")
    engine.ok("image", "prune", "--all", "--force")
    assert engine.ok("image", "ls", "-q").out == ""
    assert tree(engine)["snapshots"] == []


def test_doctor_finds_and_repairs_a_changed_layer(engine, images):
    engine.load("busybox")
    layer = next(pathlib.Path(engine.root, "snapshots").glob("*/fs/etc/passwd"))
    good = layer.read_bytes()
    layer.write_bytes(good.replace(b"root", b"toor", 1))
    engine.fails("system", "doctor", "--verify", code=None)
    engine.run("system", "doctor", "--verify", "--repair")
    engine.ok("system", "doctor", "--verify")
    assert next(pathlib.Path(engine.root, "snapshots").glob("*/fs/etc/passwd")).read_bytes() == good


def test_attributes_that_the_file_system_does_not_take(engine):
    """ext4 says "no space" then, which is not what is wrong."""
    image = Image("wide:1", [busybox(), layer(File("f", "x", pax={"SCHILY.xattr.user.a": "a" * 3000, "SCHILY.xattr.user.b": "b" * 3000}))])
    result = engine.run("load", "-i", builder.docker_archive(f"{engine.dir}/wide.tar", [image]))
    if result.code == 0:  # a file system with room for them
        taken = next(pathlib.Path(engine.root, "snapshots").glob("*/fs/f"))
        assert os.getxattr(taken, "user.a") == b"a" * 3000 and os.getxattr(taken, "user.b") == b"b" * 3000
    else:
        assert result.code == 125 and "E-ARCHIVE-LIMIT" in result.err and "extended attributes" in result.err and "disk" not in result.err, str(result)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_loads_where_few_threads_are_to_be_had(engine, images, most):
    parent = pathlib.Path("/sys/fs/cgroup/pids")  # cgroup v1 and hybrid
    if not parent.is_dir():
        parent = pathlib.Path("/sys/fs/cgroup")
        (parent / "cgroup.subtree_control").write_text("+pids")
    group = parent / f"servin-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "pids.max").write_text(str(most))
        script = f'echo $$ >{group}/cgroup.procs && exec "$@"'
        engine.ok(argv=["sh", "-c", script, "sh", *engine.argv("load", "-i", images.path("debian", "oci.tar"))], timeout=300)
    finally:
        engine.wait_for("its processes to end", lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    assert engine.ok("run", "--rm", "debian", "bash", "-c", "echo whole").out == "whole\n"
