# SPDX-License-Identifier: Apache-2.0
"""--isolation none and --dev: the program runs as an ordinary process, with the image's files, and servin says so."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile

import pytest

NOTE = "no isolation"


# --- as root

def test_image_files_and_host_processes(engine):
    result = engine.ok("run", "--rm", "--isolation", "none", "base", "sh", "-c", "ls /bin/busybox; readlink /proc/self/ns/pid; pwd")
    assert result.lines == ["/bin/busybox", os.readlink("/proc/self/ns/pid"), "/"]
    assert result.err.count(NOTE) == 1


def test_exit_codes(engine):
    assert engine.run("run", "--rm", "--isolation", "none", "base", "sh", "-c", "exit 5").code == 5
    assert engine.run("run", "--rm", "--isolation", "none", "base", "no-such-program").code == 127
    assert engine.run("run", "--rm", "--isolation", "none", "base", "/etc/passwd").code == 126
    assert engine.run("run", "--rm", "--isolation", "none", "base", "sh", "-c", "kill -9 $$").code == 137


def test_environment_folder_user_and_volume(engine):
    engine.file("shared/word", "from the host\n")
    result = engine.ok("run", "--rm", "--isolation", "none", "-e", "A=1", "-w", "/tmp", "-u", "1234:56", "-v", f"{engine.dir}/shared:/data:ro", "base",
                       "sh", "-c", "echo $A $(pwd) $(id -u):$(id -g); cat /data/word; touch /data/x 2>/dev/null || echo read-only")
    assert result.lines == ["1 /tmp 1234:56", "from the host", "read-only"]


def test_a_user_whose_line_cannot_be_read_is_nobody(engine):
    """Least of all root."""
    lines = "far:x:4294967294:5::/:/bin/sh\\nbare:x::5::/:/bin/sh\\nlost:x:7:::/:/bin/sh\\ngood:x:4321:5::/:/bin/sh\\n"
    engine.ok("run", "-d", "--name", "one", "--isolation", "none", "base", "sh", "-c", f"printf '{lines}' >>/etc/passwd; echo up; exec sleep 1000")
    engine.wait_for("its output", lambda: engine.ok("logs", "one").out == "up\n")
    for user in ("far", "bare", "lost"):
        engine.fails("exec", "-u", user, "one", "id", "-u", match=user)
    assert engine.ok("exec", "-u", "good", "one", "id", "-u").out == "4321\n"


def test_changes_stay_for_the_next_start_and_leave_the_image_alone(engine):
    engine.ok("run", "--name", "one", "--isolation", "none", "base", "sh", "-c", "cat /etc/mark 2>/dev/null; echo changed >/etc/mark")
    assert engine.ok("start", "-a", "one").out == "changed\n"
    engine.fails("run", "--rm", "base", "cat", "/etc/mark", code=1)


def test_lifecycle(engine):
    engine.ok("run", "-d", "--name", "one", "--isolation", "none", "base", "sh", "-c", "echo up; sleep 1000 & exec sleep 1001")
    engine.wait_for("its output", lambda: engine.ok("logs", "one").out == "up\n")
    assert engine.ok("exec", "one", "sh", "-c", "echo $SERVIN_CONTAINER_ID").out.strip() == engine.inspect("one")["Id"]
    engine.ok("pause", "one")
    assert engine.inspect("one")["State"]["Status"] == "paused"
    engine.ok("unpause", "one")
    engine.ok("stop", "--time", "1", "one")
    assert engine.inspect("one")["State"]["ExitCode"] == 128 + signal.SIGTERM
    engine.ok("start", "one")
    engine.ok("rm", "--force", "one")


def test_a_killed_supervisor_takes_everything_along(engine):
    """Grandchildren have no cgroup here: the next command finds them by their environment."""
    engine.ok("run", "-d", "--name", "one", "--isolation", "none", "base", "sh", "-c", "sleep 1000 & exec sleep 1001")
    pid = engine.inspect("one")["State"]["Pid"]
    shim = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(shim, signal.SIGKILL)
    engine.wait_for("the end is noticed", lambda: engine.inspect("one")["State"]["Status"] == "exited")
    engine.ok("rm", "--force", "one")


def test_terminal(engine):
    terminal = engine.pty("run", "--rm", "-it", "--isolation", "none", "base", "sh", "-c", "stty size; read x; echo got $x", rows=22, columns=90)
    terminal.read_until(r"22 90\r\n")
    terminal.send("word\r")
    terminal.read_until("got word")
    assert terminal.wait() == 0


@pytest.mark.parametrize("option", [["--memory", "64m"], ["--cpus", "1"], ["--read-only"], ["--pids-limit", "10"]])
def test_what_needs_isolation_is_refused(engine, option):
    engine.fails("run", "--rm", "--isolation", "none", *option, "base", "true", match="without isolation")


def test_dev_as_root_keeps_the_isolation(engine):
    result = engine.ok("run", "--dev", "--rm", "base", "readlink", "/proc/self/ns/pid")
    assert result.out.strip() != os.readlink("/proc/self/ns/pid")
    assert NOTE not in result.err


# --- without root

@pytest.fixture
def nobody(engine):
    """Runs servin as another user, with a root of that user's own."""
    home = pathlib.Path(engine.dir, "nobody")
    home.mkdir()
    for name in ("servin", "servin-shim"):
        source = pathlib.Path(engine.program).parent / name
        if not source.exists():
            source = pathlib.Path(engine.program).parent.parent / "libexec/servin" / name
        shutil.copy(source, home / name)
    os.chown(home, 65534, 65534)
    prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(home / "servin"), "--root", str(home / "root")]

    def run(*args, **options):
        return engine.run(argv=[*prefix, *args], env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}, cwd=str(home), **options)

    yield run
    run("--dev", "rm", "--force", "--all")


def test_without_root_is_refused_with_the_cure(nobody):
    result = nobody("run", "base", "true")
    assert result.code == 125 and "--dev" in result.err


def test_dev_without_root(nobody):
    result = nobody("run", "--dev", "--rm", "base", "sh", "-c", "id -u; which ls; ls etc/passwd; cat")
    assert result.code == 0, str(result)
    assert result.lines[0] == "65534"
    assert result.lines[1].endswith("/bin/ls")
    assert result.lines[2] == "etc/passwd"
    assert result.err.count(NOTE) == 1
    assert nobody("run", "--dev", "--rm", "base", "no-such-program").code == 127


def test_dev_without_root_in_the_background(nobody, engine):
    assert nobody("--dev", "run", "-d", "--name", "one", "base", "sh", "-c", "echo up; exec sleep 1000").code == 0
    engine.wait_for("its output", lambda: nobody("--dev", "logs", "one").out == "up\n")
    assert nobody("--dev", "exec", "one", "sh", "-c", "exit 3").code == 3
    assert nobody("--dev", "stop", "--time", "1", "one").code == 0
    assert nobody("--dev", "start", "one").code == 0
    assert nobody("--dev", "rm", "--force", "one").code == 0


def dynamic_image(engine):
    """A root file system with the host's dash, its loader and its libraries."""
    path = pathlib.Path(engine.dir, "dynamic.tar")
    needed = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", "/bin/dash"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    with tarfile.open(path, "w") as archive:
        for file in ["/bin/dash", *needed]:
            archive.add(os.path.realpath(file), arcname=file.lstrip("/"))
    return path


def test_dev_without_root_with_a_dynamic_program(nobody, engine):
    """The image's own loader and libraries are used: the host may have none of them."""
    with open(dynamic_image(engine), "rb") as archive:
        loaded = nobody("--dev", "image", "import", "-", "dynamic:1", stdin=archive)
    assert loaded.code == 0, str(loaded)
    result = nobody("run", "--dev", "--rm", "dynamic:1", "/bin/dash", "-c", "echo $0; readlink /proc/$$/exe")
    assert result.code == 0, str(result)
    assert result.lines[0] == "/bin/dash"
    assert result.lines[1].startswith(engine.dir), "the host's loader was used"


def test_dev_without_root_refuses_another_user(nobody):
    result = nobody("run", "--dev", "--rm", "-u", "1234", "base", "true")
    assert result.code == 125 and "1234" in result.err


def test_dev_without_root_refuses_volumes(nobody):
    result = nobody("run", "--dev", "--rm", "-v", "/tmp:/data", "base", "true")
    assert result.code == 125 and "/data" in result.err
