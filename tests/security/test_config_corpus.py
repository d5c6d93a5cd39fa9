# SPDX-License-Identifier: Apache-2.0
"""H6: image configs that are unusual or hostile, each with its one right result. The security settings never depend on
any of them (test_identity.py looks at that)."""
import json

import pytest

from support.imagebuilder import Dir, File, Image, Symlink, busybox, docker_archive, layer

BASE = [busybox(), layer(Dir("srv/data"), File("srv/data/file", "x\n", 0o644), Symlink("link", "/srv/data"), File("tool", "#!/bin/sh\necho tool $*\n"),
                         File("noexec", "x\n", 0o644), File("script", "#!/missing/interpreter\n"), File("crlf", "#!/bin/sh\r\necho x\r\n"), Dir("a b"))]
SHOW = {"Env": "env", "WorkingDir": "pwd", "User": "id -u"}
HUGE = "v" * 100000


def ok(out):
    return 0, out


REFUSED = "refused"  # by load or by run, exit code 125
EITHER = "either"  # refused, or it runs with a result that the canary and the deadline judge

# (field, value, expected). Expected: REFUSED, EITHER, or (exit code, stdout) of SHOW[field] or of the image's own command.
CASES = [
    # USER: the identity table stands in test_identity.py
    ("User", None, ok("0")), ("User", "", ok("0")), ("User", "user", ok("1000")), ("User", "1000:2000", ok("1000")), ("User", "nobody", ok("65534")), ("User", "nosuch", REFUSED),
    ("User", "-1", REFUSED), ("User", "4294967296", REFUSED), ("User", "user:nosuch", REFUSED), ("User", "root\n", REFUSED), ("User", "ro\0ot", REFUSED), ("User", 0, REFUSED),
    ("User", ["root"], REFUSED), ("User", {"uid": 0}, REFUSED), ("User", True, REFUSED), ("User", "x" * 100000, REFUSED), ("User", "\ud800", EITHER), ("User", "é", REFUSED),
    # WORKDIR
    ("WorkingDir", None, ok("/")), ("WorkingDir", "", ok("/")), ("WorkingDir", "/", ok("/")), ("WorkingDir", "/srv/data", ok("/srv/data")), ("WorkingDir", "srv", EITHER),
    ("WorkingDir", "/srv/../srv/data", ok("/srv/data")), ("WorkingDir", "//srv//data//", ok("/srv/data")), ("WorkingDir", "/made/on/the/way", ok("/made/on/the/way")),
    ("WorkingDir", "/a b", ok("/a b")), ("WorkingDir", "/ü/日本", ok("/ü/日本")), ("WorkingDir", "/link", ok("/srv/data")), ("WorkingDir", "/../../..", ok("/")),
    ("WorkingDir", "/etc/passwd", REFUSED), ("WorkingDir", "/etc/passwd/x", REFUSED), ("WorkingDir", "/proc/self/fd/7", REFUSED), ("WorkingDir", "/proc/1/root", EITHER),
    ("WorkingDir", "/x" * 3000, REFUSED), ("WorkingDir", "/" + "x" * 300, REFUSED), ("WorkingDir", "/a\0b", REFUSED), ("WorkingDir", 5, REFUSED), ("WorkingDir", ["/"], REFUSED),
    ("WorkingDir", "~", EITHER), ("WorkingDir", "$HOME", EITHER), ("WorkingDir", "/sys/kernel", ok("/sys/kernel")), ("WorkingDir", "/dev/shm", ok("/dev/shm")), ("WorkingDir", "/root", ok("/root")),
    # ENV: A=... lines of the result
    ("Env", ["PATH=/bin", "A=1"], ok("A=1")), ("Env", ["PATH=/bin", "A=1", "A=2"], ok("A=2")), ("Env", ["PATH=/bin", "A="], ok("A=")), ("Env", ["PATH=/bin", "A=b=c"], ok("A=b=c")),
    ("Env", ["PATH=/bin", "A= "], ok("A= ")), ("Env", ["PATH=/bin", "A=ü日本"], ok("A=ü日本")), ("Env", ["PATH=/bin", "A=$HOME"], ok("A=$HOME")), ("Env", ["PATH=/bin", "A=$(id)"], ok("A=$(id)")),
    ("Env", ["PATH=/bin", "A=%s%n"], ok("A=%s%n")), ("Env", ["PATH=/bin", f"A={HUGE}"], ok(f"A={HUGE}")), ("Env", None, ok("")), ("Env", [], ok("")), ("Env", ["PATH=/bin", "A"], EITHER),
    ("Env", ["PATH=/bin", "=A"], EITHER), ("Env", ["PATH=/bin", ""], EITHER), ("Env", ["PATH=/bin", "A=\0x"], REFUSED), ("Env", ["PATH=/bin", "A\0=x"], REFUSED), ("Env", "A=1", REFUSED),
    ("Env", {"A": "1"}, REFUSED), ("Env", [1], REFUSED), ("Env", [None], REFUSED), ("Env", [["A=1"]], REFUSED), ("Env", ["PATH=/bin", "A=" + "x" * 200000], EITHER), ("Env", ["PATH="], EITHER),
    ("Env", ["PATH=/bin"] + [f"V{i}=x" for i in range(5000)] + ["A=end"], ok("A=end")), ("Env", ["PATH=/bin", "A=a b  c"], ok("A=a b  c")), ("Env", ["PATH=/bin", "A='q\"q"], ok("A='q\"q")),
    ("Env", ["PATH=/bin", "LD_PRELOAD=/x.so", "A=1"], ok("A=1")), ("Env", ["PATH=/bin", "HOME=/srv", "A=1"], ok("A=1")), ("Env", ["PATH=/bin", "a.b-c=1", "A=1"], ok("A=1")),
    # ENTRYPOINT and CMD: the command as the image gives it
    ("Entrypoint", ["echo", "e"], ok("e sh")), ("Entrypoint", ["/tool"], ok("tool sh")), ("Entrypoint", ["sh", "-c", "echo $0 $1"], ok("sh")), ("Entrypoint", ["/missing"], (127, "")),
    ("Entrypoint", ["missing"], (127, "")), ("Entrypoint", ["/noexec"], (126, "")), ("Entrypoint", ["/etc"], (126, "")), ("Entrypoint", ["/script"], (126, "")), ("Entrypoint", ["/crlf"], (126, "")),
    ("Entrypoint", ["/etc/passwd/x"], EITHER), ("Entrypoint", [""], EITHER), ("Entrypoint", [], ok("")), ("Entrypoint", None, ok("")), ("Entrypoint", ["echo", ""], ok(" sh")),
    ("Entrypoint", "echo x", REFUSED), ("Entrypoint", {"0": "sh"}, REFUSED), ("Entrypoint", [1, 2], REFUSED), ("Entrypoint", [["echo"]], REFUSED), ("Entrypoint", ["ec\0ho"], REFUSED),
    ("Entrypoint", ["echo", "\0"], REFUSED), ("Entrypoint", ["echo", "ü"], ok("ü sh")), ("Entrypoint", ["echo", "a\nb"], ok("a\nb sh")), ("Entrypoint", ["../bin/echo", "x"], ok("x sh")),
    ("Entrypoint", ["bin/echo", "x"], ok("x sh")), ("Entrypoint", ["./tool"], ok("tool sh")), ("Entrypoint", ["x" * 5000], EITHER), ("Entrypoint", ["echo"] + ["x"] * 5000, ok(" ".join(["x"] * 5000) + " sh")),
    ("Entrypoint", ["/proc/self/exe"], (125, "")), ("Entrypoint", ["--help"], (127, "")), ("Entrypoint", ["-c"], (127, "")),
    ("Cmd", ["echo", "c"], ok("c")), ("Cmd", [], REFUSED), ("Cmd", None, REFUSED), ("Cmd", "echo c", REFUSED), ("Cmd", [None], REFUSED), ("Cmd", ["/missing"], (127, "")), ("Cmd", ["/noexec"], (126, "")),
    ("Cmd", ["sh", "-c", "exit 42"], (42, "")), ("Cmd", ["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], (137, "")), ("Cmd", ["echo", "a", "b  c"], ok("a b  c")),
    # VOLUME
    ("Volumes", {"/srv/data": {}}, ok("")), ("Volumes", {"/new": {}}, ok("")), ("Volumes", {"/new": None}, ok("")), ("Volumes", {}, ok("")), ("Volumes", None, ok("")), ("Volumes", {"/a b": {}}, ok("")),
    ("Volumes", {"/": {}}, ok("")), ("Volumes", {"/proc": {}}, REFUSED), ("Volumes", {"/proc/sys": {}}, REFUSED), ("Volumes", {"/..": {}}, ok("")), ("Volumes", {"": {}}, ok("")),
    ("Volumes", {"relative": {}}, EITHER), ("Volumes", {"/sys": {}}, EITHER), ("Volumes", {"/dev": {}}, EITHER), ("Volumes", {"/etc/passwd": {}}, EITHER), ("Volumes", {"/link": {}}, ok("")),
    ("Volumes", {"/a\0b": {}}, REFUSED), ("Volumes", ["/data"], REFUSED), ("Volumes", "/data", REFUSED), ("Volumes", {"/data": "x"}, EITHER), ("Volumes", {f"/v{i}": {} for i in range(60)}, ok("")),
    ("Volumes", {"/n": {}, "/n/m": {}}, ok("")), ("Volumes", {"/" + "x" * 300: {}}, REFUSED), ("Volumes", {"/x" * 3000: {}}, REFUSED), ("Volumes", {"/data:ro": {}}, EITHER),
    # LABEL
    ("Labels", {"a": "b"}, ok("")), ("Labels", {"": "x"}, ok("")), ("Labels", {"a": ""}, ok("")), ("Labels", {"a": "\n\t\x1b[31m"}, ok("")), ("Labels", {"a": HUGE}, ok("")), ("Labels", None, ok("")),
    ("Labels", {"a": 1}, REFUSED), ("Labels", {"a": None}, EITHER), ("Labels", ["a=b"], REFUSED), ("Labels", "a=b", REFUSED), ("Labels", {f"k{i}": "v" for i in range(2000)}, ok("")),
    ("Labels", {"run.oci.hooks.stdout": "/x"}, ok("")), ("Labels", {"a\0b": "c"}, EITHER), ("Labels", {"é": "日本"}, ok("")), ("Labels", {"a": {"b": "c"}}, REFUSED),
    # ExposedPorts
    ("ExposedPorts", {"80/tcp": {}}, ok("")), ("ExposedPorts", {"80": {}}, ok("")), ("ExposedPorts", {"53/udp": {}}, ok("")), ("ExposedPorts", {"1-65535/tcp": {}}, EITHER), ("ExposedPorts", None, ok("")),
    ("ExposedPorts", {"99999/tcp": {}}, EITHER), ("ExposedPorts", {"abc": {}}, EITHER), ("ExposedPorts", {"80/foo": {}}, EITHER), ("ExposedPorts", {"-1/tcp": {}}, EITHER), ("ExposedPorts", {"": {}}, EITHER),
    ("ExposedPorts", ["80/tcp"], REFUSED), ("ExposedPorts", "80", REFUSED), ("ExposedPorts", {"80/tcp": None}, ok("")), ("ExposedPorts", {"$(id)/tcp": {}}, EITHER),
    # Healthcheck
    ("Healthcheck", {"Test": ["NONE"]}, ok("")), ("Healthcheck", {"Test": ["CMD", "true"], "Interval": 1000000000}, EITHER), ("Healthcheck", {"Test": []}, EITHER), ("Healthcheck", {}, ok("")),
    ("Healthcheck", {"Test": "true"}, EITHER), ("Healthcheck", {"Test": ["CMD-SHELL", "touch /x"], "Interval": -1}, EITHER), ("Healthcheck", None, ok("")), ("Healthcheck", "x", EITHER),
    ("Healthcheck", {"Test": ["CMD", "true"], "Interval": 10**30}, EITHER), ("Healthcheck", {"Test": [1]}, EITHER),
    # StopSignal
    ("StopSignal", "SIGQUIT", ok("")), ("StopSignal", "9", ok("")), ("StopSignal", "TERM", ok("")), ("StopSignal", "", ok("")), ("StopSignal", "SIGNONE", EITHER), ("StopSignal", "99", EITHER),
    ("StopSignal", "-1", EITHER), ("StopSignal", 15, EITHER), ("StopSignal", "SIGRTMIN+3", ok("")), ("StopSignal", ["SIGTERM"], EITHER),
    # fields that nobody knows, or that ask for power
    ("Privileged", True, ok("")), ("HostConfig", {"Privileged": True}, ok("")), ("NetworkMode", "host", ok("")), ("Unknown", {"deep": [[[[]]]]}, ok("")), ("Tty", True, ok("")), ("OpenStdin", True, ok("")),
    ("Hostname", "evil\n127.0.0.1 x", ok("")), ("Domainname", "x", ok("")), ("ArgsEscaped", True, ok("")), ("Shell", ["/evil"], ok("")), ("OnBuild", ["RUN x"], ok("")),
]


def test_the_corpus_is_large():
    assert len(CASES) >= 150


def result_of(engine, number, field, value):
    image = Image(f"case{number}:1", BASE, **{field: value})
    if value is None:  # the builder leaves a field out; here it is null
        image.config = with_null(image.config, field)
    loaded = engine.run("load", "-i", docker_archive(f"{engine.dir}/case.tar", [image]), timeout=30)
    if loaded.code != 0:
        return loaded
    words = ["sh", "-c", SHOW.get(field, "true")] if field not in ("Entrypoint", "Cmd") else []
    result = engine.run("run", "--rm", image.reference, *words, timeout=30)
    engine.ok("image", "inspect", image.reference)
    return result


def with_null(config, field):
    document = json.loads(config)
    document["config"][field] = None
    return json.dumps(document).encode()


def output_of(result, field):
    if field != "Env":
        return result.out.removesuffix("\n")
    return "\n".join(line for line in result.lines if line.startswith("A="))


def verdict(result, field, expected):
    """Nothing when it is right, else what is wrong."""
    text = str(result)[-1500:]
    if result.code < 0 or "terminate called" in result.err or "std::" in result.err:
        return f"crashed: {text}"
    if expected == REFUSED:
        codes = (125, 127) if field == "WorkingDir" else (125,)  # 127: it is not there, as with the command
        return None if result.code in codes and result.err.strip() else f"not refused, or without a reason: {text}"
    if expected == EITHER:
        return None if result.code in (0, 1, 125, 126, 127) else f"exit code {result.code}: {text}"
    code, out = expected
    found = output_of(result, field)
    return None if (result.code, found) == (code, out) else f"expected {code} and {out[:80]!r}, got {result.code} and {found[:80]!r}: {text}"


@pytest.mark.deadline(600)
@pytest.mark.parametrize("field", sorted({case[0] for case in CASES}))
def test_field(engine, canary, field):
    wrong = []
    for number, (name, value, expected) in enumerate(CASES):
        if name == field:
            problem = verdict(result_of(engine, number, name, value), name, expected)
            if problem:
                wrong.append(f"{field} = {str(value)[:80]!r}: {problem}")
    canary.check()
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)


DOCUMENTS = {
    "not json": b"hello", "empty": b"", "null": b"null", "list": b"[]", "number": b"5", "truncated": b'{"config": {"Env": [', "deep": b"[" * 100000, "deep objects": b'{"a":' * 50000 + b"1" + b"}" * 50000,
    "two keys": b'{"config": {"User": "0"}, "config": {"User": "1000"}, "rootfs": {}}', "bad utf-8": b'{"config": {"User": "\xff\xfe"}}', "byte order mark": b"\xef\xbb\xbf{}",
    "config is a list": b'{"config": [], "rootfs": {"type": "layers", "diff_ids": []}}', "no rootfs": b'{"config": {}}', "rootfs type": b'{"config": {}, "rootfs": {"type": "evil", "diff_ids": []}}',
    "diff ids": b'{"config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:../../x"]}}', "many diff ids": json.dumps({"config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * 5000}}).encode(),
    "os": b'{"os": "windows", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}', "huge": b'{"a": "' + b"x" * (20 << 20) + b'"}',
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_config_documents(engine, name):
    """Refused by load with a reason, quickly, and nothing is stored."""
    image = Image("x:1", BASE)
    image.config = DOCUMENTS[name]
    result = engine.run("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]), timeout=30)
    assert result.code == 125 and result.err.strip() and "terminate" not in result.err, str(result)[-2000:]
    assert engine.ok("image", "ls", "-q").out == ""
