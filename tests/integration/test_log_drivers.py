# SPDX-License-Identifier: Apache-2.0
"""--log-driver: where the output goes, and what says that it cannot be read back."""
import contextlib
import os
import pathlib
import socket
import struct

import pytest


@contextlib.contextmanager
def receiver(path):
    """A datagram socket, as journald and syslog have one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(30)
        try:
            yield server
        finally:
            os.unlink(path)


@pytest.fixture
def journal():
    path = pathlib.Path("/run/systemd/journal/socket")
    if path.exists():
        pytest.skip("this host has a journald of its own")
    made = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with receiver(str(path)) as server:
        yield server
    for folder in made:
        folder.rmdir()


def fields(datagram):
    """journald's native protocol."""
    found = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = struct.unpack("<Q", datagram[:8])[0]
            value, datagram = datagram[8:8 + size], datagram[9 + size:]
        found[name.decode()] = value.decode()
    return found


def test_journald(engine, journal):
    result = engine.ok("run", "--name", "web", "--log-driver", "journald", "--log-opt", "tag={{.Name}}/{{.ID}}", "base", "sh", "-c", "echo hello; echo error >&2")
    assert result.out == "hello\n"
    got = sorted((fields(journal.recv(65536)) for _ in range(2)), key=lambda f: f["PRIORITY"])
    container = engine.inspect("web")["Id"]
    assert [(f["PRIORITY"], f["MESSAGE"]) for f in got] == [("3", "error"), ("6", "hello")]
    assert got[0]["CONTAINER_NAME"] == "web" and got[0]["CONTAINER_ID_FULL"] == container
    assert got[0]["SYSLOG_IDENTIFIER"] == f"web/{container[:12]}" and got[0]["IMAGE_NAME"] == "base"
    engine.fails("logs", "web", match="E-LOG-ELSEWHERE")


def test_syslog(engine):
    path = f"{engine.dir}/log"
    with receiver(path) as server:
        engine.ok("run", "--name", "web", "--log-driver", "syslog", "--log-opt", f"syslog-address=unix://{path}", "--log-opt", "tag={{.Name}}",
                  "--log-opt", "syslog-facility=local0", "base", "echo", "hello")
        line = server.recv(65536).decode()
    assert line.startswith("<134>") and line.endswith(" web: hello")
    engine.fails("logs", "web", match="syslog")


def test_syslog_over_udp(engine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        engine.ok("run", "--log-driver", "syslog", "--log-opt", f"syslog-address=udp://127.0.0.1:{server.getsockname()[1]}", "base", "echo", "hello")
        assert server.recv(65536).decode().endswith(": hello")


def test_a_receiver_that_is_gone_is_told_at_the_start_and_does_not_stop_the_container(engine):
    path = f"{engine.dir}/log"
    options = ("--log-driver", "syslog", "--log-opt", f"syslog-address=unix://{path}")
    engine.fails("run", "--rm", *options, "base", "true", match="E-LOG-RECEIVER")
    with receiver(path) as server:
        engine.ok("run", "-d", "--name", "one", "-i", *options, "base", "sh", "-c", "echo first; until [ -e /go ]; do sleep 0.05; done; echo lost; touch /lost; until [ -e /on ]; do sleep 0.05; done; echo last")
        assert server.recv(65536).decode().endswith("first")
    engine.ok("exec", "one", "touch", "/go")
    engine.wait_for("the line is lost", lambda: engine.run("exec", "one", "test", "-e", "/lost").code == 0)
    with receiver(path) as server:
        engine.ok("exec", "one", "touch", "/on")
        lines = [server.recv(65536).decode()]
        if not lines[0].endswith("last"):
            lines.append(server.recv(65536).decode())
    assert lines[-1].endswith("last")
    assert engine.ok("wait", "one").out == "0\n"


def test_a_tag_has_its_bounds(engine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        options = ("--log-driver", "syslog", "--log-opt", f"syslog-address=udp://127.0.0.1:{server.getsockname()[1]}")
        for tag in ("x" * 1025, "{{.FullID}}" * 17, "x" * 100_000):
            engine.fails("create", *options, "--log-opt", f"tag={tag}", "base", "echo", "hello", match="E-OPTION-VALUE")
            err = engine.fails("run", "--rm", *options, "--log-opt", f"tag={tag}", "base", "echo", "hello", match="E-OPTION-VALUE").err
            assert "--log-opt tag" in err and len(err) < 1000
        engine.ok("run", "--rm", *options, "--log-opt", "tag=" + "x" * 1024, "base", "echo", "hello")
        assert server.recv(65536).decode().endswith(" " + "x" * 1024 + ": hello")


def test_local_is_bounded(engine):
    engine.ok("run", "--name", "one", "--log-driver", "local", "--log-opt", "max-size=8k", "--log-opt", "max-file=2", "base", "seq", "2000")
    lines = engine.ok("logs", "one").lines
    assert lines[-1] == "2000" and 10 < len(lines) < 2000
    assert engine.inspect("one")["HostConfig"]["LogConfig"]["Type"] == "local"


@pytest.mark.parametrize("words", [("--log-driver", "journal"), ("--log-driver", "none", "--log-opt", "tag=x"), ("--log-opt", "tag=x"),
                                   ("--log-driver", "syslog", "--log-opt", "syslog-address=tcp:1"), ("--log-driver", "syslog", "--log-opt", "syslog-facility=x")])
def test_wrong_options(engine, words):
    engine.fails("run", *words, "base", "true")
