# SPDX-License-Identifier: Apache-2.0
"""Section 1a of the list of attacks: descriptors, working folders, /proc, mounts and control groups, from inside."""
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

from support.imagebuilder import Dir, File, Image, Symlink, busybox, docker_archive, layer, program_layer
from support.tools import DEEP, tool


@pytest.fixture
def probing(engine):
    image = Image("probe:1", [busybox(), program_layer(tool("probe"))], Cmd=["sh"])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/probe.tar", [image]))
    return engine


# --- descriptors

@pytest.mark.parametrize("options", [[], ["--privileged"], ["--init"], ["-i"], ["--user", "1000"], ["--read-only"]], ids=lambda options: "".join(options) or "plain")
def test_only_stdio_is_open(probing, options):
    """CVE-2024-21626, and none of the caller's descriptors either."""
    leak = os.open("/", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        process = probing.popen("run", "--rm", *options, "probe:1", "/probe", "fds", close_fds=False)
        out, err = process.communicate(timeout=60)
    finally:
        os.close(leak)
    assert process.returncode == 0, err
    assert [line.split()[0] for line in out.decode().splitlines()] == ["0", "1", "2"], out
    assert all(line.split()[1].startswith(("pipe:", "/dev/null", "socket:", "/null")) for line in out.decode().splitlines()), out


def test_only_stdio_is_open_in_exec(probing):
    probing.ok("run", "-d", "--name", "one", "probe:1", "sleep", "100000")
    leak = os.open("/", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        process = probing.popen("exec", "one", "/probe", "fds", close_fds=False)
        out, err = process.communicate(timeout=60)
    finally:
        os.close(leak)
    assert process.returncode == 0, err
    assert [line.split()[0] for line in out.decode().splitlines()] == ["0", "1", "2"], out


@pytest.mark.deadline(600)
def test_working_folder_through_a_descriptor(probing, canary):
    """CVE-2024-21626: WORKDIR and -w below /proc/self/fd. Either an error, or a folder inside the root."""
    engine = probing
    engine.ok("run", "-d", "--name", "one", "probe:1", "sleep", "100000")
    leak = os.open(canary.path, os.O_RDONLY)
    os.set_inheritable(leak, True)
    look = ["sh", "-c", "ls -a . ..; cat ../passwd secret ../secret"]
    try:
        for number in range(3, 129 if DEEP else 24):
            for form in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/..", f"/proc/1/fd/{number}"):
                for argv in (["run", "--rm", "-w", form, "probe:1", *look], ["exec", "-w", form, "one", *look]):
                    process = engine.popen(*argv, close_fds=False)
                    out, err = process.communicate(timeout=60)
                    assert process.returncode in (1, 125, 126, 127), (argv, out, err)
                    assert b"host secret" not in out + err and b"hardlink" not in out, (argv, out, err)
    finally:
        os.close(leak)


def test_working_folder_of_the_image_through_a_descriptor(engine):
    images = [Image(f"w{number}:1", [busybox()], WorkingDir=f"/proc/self/fd/{number}") for number in range(3, 20)]
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/w.tar", images))
    for image in images:
        result = engine.run("run", "--rm", image.reference, "true")
        assert result.code in (125, 126, 127) and "working directory" in result.err, str(result)


@pytest.mark.deadline(600)
def test_programs_of_the_engine_cannot_be_written(probing):
    """CVE-2019-5736: a program inside waits for ours and tries to open it for writing."""
    engine = probing
    ours = [path for path in pathlib.Path(engine.program).parent.iterdir() if path.name.startswith("servin")]
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in ours}
    engine.ok("run", "-d", "--name", "one", "--cap-add", "SYS_PTRACE", "probe:1", "/probe", "exe-writer", "/stop")
    engine.wait_for("the attacker", lambda: engine.ok("logs", "one").out.startswith("ready\n"))
    engine.ok("exec", "-d", "one", "sleep", "100000")  # seen for sure
    for _ in range(200 if DEEP else 40):
        engine.ok("exec", "one", "true")
    engine.ok("exec", "one", "touch", "/stop")
    assert engine.ok("wait", "one").out == "0\n"
    lines = engine.ok("logs", "one").lines
    assert not [line for line in lines if line.startswith("escape")], lines
    assert lines[-1].endswith("escapes=0") and int(lines[-1].split()[0].partition("=")[2]) >= 1, f"the attacker saw nothing: {lines}"
    assert before == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in ours}


def test_entrypoint_proc_self_exe(engine):
    """The same attack by an image that starts whatever starts it."""
    image = Image("self:1", [busybox(), layer(File("start", "#!/proc/self/exe\n"), Symlink("link", "/proc/self/exe"))])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/self.tar", [image]))
    for command in ("/start", "/link", "/proc/self/exe", "/proc/1/exe"):
        result = engine.run("run", "--rm", "self:1", command, timeout=30)
        assert result.code != 0, str(result)


@pytest.mark.deadline(600)
def test_a_tracer_finds_no_descriptors_of_the_host(probing):
    """CVE-2016-9962: looked at by a container that may trace, an entering process holds nothing of the host."""
    engine = probing
    engine.ok("run", "-d", "--name", "one", "--cap-add", "SYS_PTRACE", "probe:1", "/probe", "fd-scan", "/stop")
    engine.wait_for("the attacker", lambda: engine.ok("logs", "one").out.startswith("ready\n"))
    engine.ok("exec", "-d", "one", "sleep", "100000")  # seen for sure
    for _ in range(500 if DEEP else 40):
        engine.ok("exec", "one", "true")
    engine.ok("exec", "one", "touch", "/stop")
    assert engine.ok("wait", "one").out == "0\n"
    lines = engine.ok("logs", "one").lines
    assert lines[-1].endswith("foreign=0"), lines
    assert int(lines[-1].split()[0].partition("=")[2]) >= 1, f"the attacker saw nothing: {lines}"


# --- mounts

@pytest.mark.parametrize("target", ["/proc", "/proc/", "/proc/../proc", "/proc/self/attr", "/proc/sys", "/proc/thread-self", "//proc//self"])
def test_nothing_is_mounted_over_proc(probing, target):
    """CVE-2019-16884, CVE-2025-52881: what is below /proc must be procfs."""
    folder = f"{probing.dir}/folder"
    os.mkdir(folder)
    probing.fails("run", "--rm", "-v", f"{folder}:{target}", "probe:1", "true")
    probing.fails("run", "--rm", "-v", f"data:{target}", "probe:1", "true")
    probing.fails("run", "--rm", "--tmpfs", target, "probe:1", "true")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("target", ["/proc", "/proc/self", "/../proc"])
def test_image_volume_over_proc(engine, target):
    image = Image("x:1", [busybox()], Volumes={target: {}})
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    engine.fails("run", "--rm", "x:1", "true")


def test_masking_with_dev_null_replaced(engine, canary):
    """CVE-2025-31133: masked paths stay masked, whatever the image has at /dev/null."""
    from support.imagebuilder import Device, Fifo
    entries = {"link": Symlink("dev/null", "/proc/sys/kernel/core_pattern"), "outside": Symlink("dev/null", f"{canary.path}/secret"), "fifo": Fifo("dev/null"),
               "file": File("dev/null", "x"), "device": Device("dev/null", 1, 5)}
    images = [Image(f"mask-{name}:1", [busybox(), layer(Dir("dev"), entry)]) for name, entry in entries.items()]
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/m.tar", images))
    for image in images:
        script = "stat -c '%F %t:%T' /dev/null; for f in kcore keys timer_list latency_stats sched_debug; do [ ! -e /proc/$f ] || wc -c </proc/$f; done; ls /proc/acpi 2>/dev/null | wc -l"
        lines = engine.ok("run", "--rm", image.reference, "sh", "-c", script).lines
        assert lines[0] == "character special file 1:3" and set(lines[1:]) == {"0"}, f"{image.reference}: {lines}"
    canary.check()


def test_attacks_from_inside(probing):
    """CVE-2022-0492, CVE-2023-25809 and relatives: nothing of the list succeeds in a default container."""
    before = host_control_files()
    lines = probing.ok("run", "--rm", "probe:1", "/probe", "attacks").lines
    assert len(lines) > 40, lines
    assert not [line for line in lines if line.endswith("SUCCESS")], "\n".join(lines)
    assert host_control_files() == before


def host_control_files():
    found = {}
    for path in [*pathlib.Path("/sys/fs/cgroup").glob("*/release_agent"), *pathlib.Path("/sys/fs/cgroup").glob("*/notify_on_release"), pathlib.Path("/proc/sys/kernel/core_pattern")]:
        try:
            found[str(path)] = path.read_text()
        except OSError:
            pass
    return found


def test_attacks_succeed_where_they_may(probing):
    """The probe is able to attack: privileged, several of the same calls do succeed."""
    lines = probing.ok("run", "--rm", "--privileged", "probe:1", "sh", "-c", "/probe attacks").lines
    succeeded = {line.split()[0] for line in lines if line.endswith("SUCCESS")}
    assert {"mount-tmpfs", "mount-proc"} <= succeeded, "\n".join(lines)


# --- the caller's terminal

def test_no_keystrokes_for_the_caller(probing):
    """CVE-2017-5226: without -t the container has no descriptor of the caller's terminal; with -t it has one of its own."""
    terminal = probing.pty(argv=["sh", "-c", '"$@"; echo end; read -t 1 line; echo "[$line]"', "sh", *probing.argv("run", "--rm", "-i", "probe:1", "/probe", "tiocsti")])
    terminal.read_until("tiocsti-stdin (?!SUCCESS)")
    terminal.read_until("tiocsti-stdout (?!SUCCESS)")
    terminal.read_until("open-tty (?!SUCCESS)")
    terminal.read_until("end")
    terminal.send("\n")
    terminal.read_until(r"\[\]")


def test_console_is_a_terminal_of_its_own(probing):
    terminal = probing.pty("run", "--rm", "-t", "probe:1", "sh", "-c", "stat -c %t:%T /dev/console; tty; echo done")
    terminal.read_until("88:0")  # 136:0, the first of the container's own devpts
    terminal.read_until("done")
    assert terminal.wait() == 0


# --- bounds

def test_long_chains_and_long_values(engine):
    """crun 1.28: overflow in the resolver of links. CVE-2021-43784: lengths that do not fit."""
    chain = [Symlink(f"c/{i}", f"{i + 1}") for i in range(4096)]
    image = Image("x:1", [busybox(), layer(Dir("c"), *chain, Dir("c/4096"), Symlink("self", "self"))])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    for target in ("/c/0", "/self", "/self/x", "/" + "a/" * 300, "/" + "b" * 300):
        result = engine.run("run", "--rm", "-v", f"data:{target}", "x:1", "true", timeout=30)
        assert result.code in (0, 125) and (result.code == 0 or result.err), str(result)
        result = engine.run("run", "--rm", "-w", target, "x:1", "true", timeout=30)
        assert result.code in (0, 125) and (result.code == 0 or result.err), str(result)
    assert len(engine.ok("run", "--rm", "-e", "LONG=" + "v" * 100000, "x:1", "sh", "-c", "echo ${#LONG}").out) == 7
    assert engine.ok("run", "--rm", *[word for i in range(2000) for word in ("-e", f"V{i}={i}")], "x:1", "sh", "-c", "echo $V1999").out == "1999\n"


BAD_NAMES = ["", ".", "..", "../x", "a/b", "/x", "-x", "a b", "a\nb", "é", "x" * 300, "a\x1b[1m", "a:b", "@", "a;b", "$(x)", "~", "*", "a\\b", "."]


@pytest.mark.parametrize("verb", ["name", "volume", "rename"])
def test_names_are_one_plain_word(engine, verb):
    engine.ok("create", "--name", "fine", "base", "true")
    for name in BAD_NAMES:
        if verb == "name":
            if name:
                engine.fails("create", f"--name={name}", "base", "true")
        elif verb == "rename":
            engine.fails("rename", "--", "fine", name)
        elif name:
            engine.fails("volume", "create", "--", name)
    assert engine.ok("ps", "-a", "--format", "{{.Names}}").out == "fine\n"
    assert engine.ok("volume", "ls", "-q").out == ""


BAD_CGROUP_PARENTS = ["../x", "/../x", "a/../../x", "..", "/..", "a/..", "x/../../../y"]


@pytest.mark.parametrize("parent", BAD_CGROUP_PARENTS)
def test_cgroup_parent_stays_below(engine, parent):
    before = {path for path in pathlib.Path("/sys/fs/cgroup/pids").iterdir()} if os.path.isdir("/sys/fs/cgroup/pids") else set()
    engine.fails("run", "--rm", "--cgroup-parent", parent, "base", "true")
    if before:
        new = {path.name for path in pathlib.Path("/sys/fs/cgroup/pids").iterdir()} - {path.name for path in before}
        assert not {name for name in new if name in ("x", "y")}


def test_state_is_private(engine):
    """Nobody but root looks into the store; setuid programs of images are out of reach (moby 2021-41091)."""
    script = f'umask {{mask}}; exec "$@"'
    for mask in ("000", "022", "077"):
        engine.ok(argv=["sh", "-c", script.format(mask=mask), "sh", *engine.argv("run", "--name", f"u{mask}", "-v", "data:/data", "base", "true")])
    for folder in (engine.root, f"{engine.root}/run", f"{engine.root}/blobs", f"{engine.root}/snapshots", f"{engine.root}/containers", f"{engine.root}/volumes"):
        if os.path.isdir(folder):
            assert os.stat(folder).st_mode & 0o077 == 0, f"{folder}: {oct(os.stat(folder).st_mode)}"
    open_files = [str(path) for path in pathlib.Path(engine.root).rglob("*.db*") if path.stat().st_mode & 0o077]
    assert not open_files
    as_nobody = subprocess.run(["ls", engine.root], user=65534, group=65534, extra_groups=[], capture_output=True, check=False)
    assert as_nobody.returncode != 0


def test_no_abstract_sockets(probing):
    """CVE-2020-15257: a shim that listens on an abstract socket can be reached from a container with the host's network."""
    probing.ok("run", "-d", "--name", "one", "probe:1", "sleep", "100000")
    lines = pathlib.Path("/proc/net/unix").read_text(errors="replace").splitlines()
    assert not [line for line in lines if "@" in line and ("servin" in line or probing.tag in line)]
    sockets = [path for path in pathlib.Path(f"{probing.root}/run").rglob("*") if path.is_socket()]
    assert sockets and all(path.stat().st_mode & 0o077 == 0 for path in sockets), [(str(path), oct(path.stat().st_mode)) for path in sockets]


def test_inspect_is_json_whatever_the_names(engine):
    """Hostile text in labels and names does not break out of JSON, and no raw escape reaches a terminal."""
    evil = '\x1b]0;title\x07"},{"x":"<script>'
    image = Image("x:1", [busybox()], Labels={evil: evil, "a": "\x1b[31mred"}, Env=["PATH=/bin", f"E={evil}"])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    engine.ok("create", "--name", "one", "--label", f"mine={evil}", "x:1", "echo", evil)
    assert json.loads(engine.ok("inspect", "one").out)[0]["Config"]["Labels"]["mine"] == evil
    for command in (["ps", "-a", "--no-trunc"], ["inspect", "one"], ["image", "inspect", "x:1"], ["image", "ls"], ["history", "x:1"]):
        terminal = engine.pty(*command)
        terminal.wait()
        assert "\x1b]0;" not in terminal.text and "\x1b[31mred" not in terminal.text, command
