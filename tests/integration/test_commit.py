# SPDX-License-Identifier: Apache-2.0
"""commit: a new image from a container."""
import json
import os
import subprocess

import pytest


def config_of(engine, image):
    return engine.inspect(image)["Config"]


def layers_of(engine, image):
    return engine.inspect(image)["RootFS"]["Layers"]


CHANGE = "echo new >/root/file; ln /root/file /root/second; chown 7:8 /root/file; chmod 4755 /root/file; rm /etc/group; rm -r /root/../var; mkdir /var; touch /var/own"


def test_a_commit_runs(engine):
    engine.ok("run", "--name", "one", "base", "sh", "-c", CHANGE)
    id = engine.ok("commit", "one", "mine:1").out.strip()
    assert id.startswith("sha256:") and engine.inspect("mine:1")["Id"] == id
    look = "cat /root/second; stat -c '%a %u:%g %h' /root/file; ls /etc/group 2>/dev/null; ls /var; echo end"
    assert engine.ok("run", "--rm", "mine:1", "sh", "-c", look).out == "new\n4755 7:8 2\nown\nend\n"
    assert layers_of(engine, "mine:1")[:-1] == layers_of(engine, "base")


def test_the_same_content_has_the_same_digest(engine):
    engine.ok("run", "--name", "one", "base", "sh", "-c", CHANGE)
    engine.ok("commit", "one", "a:1")
    engine.ok("commit", "one", "b:1")
    assert layers_of(engine, "a:1") == layers_of(engine, "b:1")


def test_the_config(engine):
    engine.ok("run", "--name", "one", "-e", "GIVEN=1", "-w", "/root", "-l", "kept=yes", "base", "sh", "-c", "true")
    engine.ok("commit", "-a", "Somebody", "-m", "what changed", "-c", "ENV ADDED=2", "-c", 'CMD ["echo", "hello"]', "-c", "EXPOSE 80", "one", "mine:1")
    config = config_of(engine, "mine:1")
    assert {"GIVEN=1", "ADDED=2"} <= set(config["Env"]) and config["WorkingDir"] == "/root"
    assert config["Cmd"] == ["echo", "hello"] and config["Labels"]["kept"] == "yes" and "80/tcp" in config["ExposedPorts"]
    found = engine.inspect("mine:1")
    assert found["Author"] == "Somebody"
    history = [json.loads(line) for line in engine.ok("history", "--format", "json", "mine:1").lines]
    assert history[0]["Comment"] == "what changed"
    assert engine.ok("run", "--rm", "mine:1").out == "hello\n"
    engine.fails("commit", "-c", "NONSENSE x", "one", match="NONSENSE")


def test_the_health_check(engine):
    engine.ok("create", "--name", "one", "--health-cmd", "test -e /fine", "--health-interval", "7s", "--health-retries", "2", "base")
    engine.ok("commit", "one", "mine:1")
    found = config_of(engine, "mine:1")["Healthcheck"]
    assert found["Test"] == ["CMD-SHELL", "test -e /fine"] and found["Interval"] == 7_000_000_000 and found["Retries"] == 2
    # A container of the image has it, and what is made of that one keeps it.
    engine.ok("create", "--name", "two", "mine:1")
    assert config_of(engine, "two")["Healthcheck"]["Test"] == ["CMD-SHELL", "test -e /fine"]
    engine.ok("commit", "two", "mine:2")
    assert config_of(engine, "mine:2")["Healthcheck"]["Interval"] == 7_000_000_000
    engine.ok("commit", "-c", 'HEALTHCHECK --interval=3s CMD ["true"]', "two", "mine:3")
    assert config_of(engine, "mine:3")["Healthcheck"]["Test"] == ["CMD", "true"]
    assert config_of(engine, "mine:3")["Healthcheck"]["Interval"] == 3_000_000_000
    engine.ok("create", "--name", "three", "--no-healthcheck", "mine:1")
    engine.ok("commit", "three", "mine:4")
    assert config_of(engine, "mine:4")["Healthcheck"]["Test"] == ["NONE"]
    engine.fails("commit", "-c", "HEALTHCHECK --every=1s CMD true", "two", match="--interval")


def test_without_a_name(engine):
    engine.ok("create", "--name", "one", "base")
    id = engine.ok("commit", "one").out.strip()
    assert engine.ok("run", "--rm", id, "echo", "runs").out == "runs\n"
    lines = engine.ok("events", "--since", "10m", "--until", "0s", "--filter", "event=commit", "--format", "{{.Actor.Attributes.imageID}}").lines
    assert lines == [id]


def test_volumes_are_no_part_of_it(engine):
    engine.ok("run", "--name", "one", "-v", "vol:/data", "base", "sh", "-c", "echo x >/data/file; echo y >/root/file")
    engine.ok("commit", "one", "mine:1")
    assert engine.ok("run", "--rm", "mine:1", "sh", "-c", "ls /data; cat /root/file").out == "y\n"


@pytest.mark.parametrize("pause", [True, False])
def test_of_a_running_container(engine, pause):
    engine.ok("run", "-d", "--name", "one", "--init", "base", "sh", "-c", "echo x >/root/file; touch /ready; sleep 1000")
    engine.wait_for("its file", lambda: engine.run("fs", "stat", "one", "/ready").code == 0)
    engine.ok("commit", f"--pause={str(pause).lower()}", "one", "mine:1")
    assert engine.inspect("one")["State"]["Status"] == "running"
    assert engine.ok("exec", "one", "echo", "goes on").out == "goes on\n"
    assert engine.ok("run", "--rm", "mine:1", "cat", "/root/file").out == "x\n"


def test_other_tools_read_it(engine):
    engine.ok("run", "--name", "one", "base", "sh", "-c", CHANGE)
    engine.ok("commit", "one", "mine:1")
    engine.ok("save", "--format", "oci-archive", "-o", f"{engine.dir}/mine.tar", "mine:1")
    found = subprocess.run(["skopeo", "inspect", "--raw", f"oci-archive:{engine.dir}/mine.tar"], capture_output=True, check=True)
    assert len(json.loads(found.stdout)["layers"]) == 2


def test_a_full_disk_leaves_nothing(engine):
    """The layer fits once, not twice: the image cannot be made, and the store is as before."""
    script = 'mount -t tmpfs -o size=24m none "$1" && shift && exec sh -c "$@"'
    steps = """
        s() { "$SERVIN" --root "$R" "$@"; }
        s run --name one base dd if=/dev/urandom of=/root/big bs=1M count=9 2>/dev/null
        s commit one before:1 >/dev/null 2>&1 && exit 9
        s commit one mine:1; echo "code $?"
        s images -q | wc -l
        find "$R/tmp" -mindepth 1 | wc -l; ls "$R/snapshots" | wc -l; ls "$R/blobs/sha256" | wc -l
        s system doctor >/dev/null && echo healthy
        s fs rm one /root/big && s commit one mine:1 >/dev/null && echo again
        s rm -f one >/dev/null
    """
    os.mkdir(f"{engine.dir}/small")
    result = engine.run(argv=["unshare", "-m", "sh", "-c", script, "sh", f"{engine.dir}/small", steps],
                        env={"SERVIN": engine.program, "R": f"{engine.dir}/small/root"}, timeout=110)
    assert "E-DISK-FULL" in result.err, str(result)
    lines = result.lines
    assert lines[0] == "code 125" and lines[1] == "1" and lines[2] == "0", str(result)
    assert "again" in lines, str(result)
