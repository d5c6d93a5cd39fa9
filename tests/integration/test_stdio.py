# SPDX-License-Identifier: Apache-2.0
"""Standard streams of containers through the real program: nothing mixed, lost or held up."""
import hashlib
import os
import pathlib
import re
import signal
import subprocess

import pytest


def test_streams_stay_apart(engine):
    result = engine.run("run", "--rm", "base", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")


def test_bytes_come_through_as_they_are(engine):
    data = bytes(range(256)) * 4000
    result = engine.ok("run", "--rm", "-i", "base", "cat", input=data)
    assert hashlib.sha256(result.raw_out).digest() == hashlib.sha256(data).digest()


def test_ten_megabytes_each_way(engine):
    data = os.urandom(10_000_000)
    result = engine.ok("run", "--rm", "-i", "base", "cat", input=data)
    assert result.raw_out == data


def test_large_output_in_order(engine):
    result = engine.ok("run", "--rm", "base", "seq", "1", "300000")
    assert result.out == "".join(f"{i}\n" for i in range(1, 300001))


def test_slow_reader_loses_nothing(engine):
    process = engine.popen("run", "--rm", "base", "seq", "1", "200000")
    first = process.stdout.read(1000)
    os.kill(process.pid, signal.SIGSTOP)  # while it cannot read, the container waits
    os.kill(process.pid, signal.SIGCONT)
    rest = process.stdout.read()
    assert first + rest == b"".join(b"%d\n" % i for i in range(1, 200001))
    assert process.wait(30) == 0


def test_output_that_comes_late_is_complete_when_the_container_has_ended(engine):
    """The container has ended long before its output is read: its end is recorded, and all of it arrives."""
    process = engine.popen("run", "--name", "one", "base", "sh", "-c", "seq 1 20000")
    engine.wait_for("the end is recorded", lambda: engine.run("inspect", "--format", "{{.State.Status}}", "one").out == "exited\n")
    assert process.stdout.read() == b"".join(b"%d\n" % i for i in range(1, 20001))
    assert process.wait(30) == 0


def test_stdin_is_empty_without_interactive(engine):
    assert engine.ok("run", "--rm", "base", "cat", input=b"not for you").out == ""


def test_end_of_stdin_ends_the_program(engine):
    assert engine.ok("run", "--rm", "-i", "base", "sh", "-c", "cat; echo end", input="a\nb\n").out == "a\nb\nend\n"


def test_input_larger_than_all_buffers_with_a_program_that_does_not_read(engine):
    result = engine.run("run", "--rm", "-i", "base", "true", input=b"x" * 3_000_000)
    assert result.code == 0


def test_signals_pass_the_waiting_input(engine):
    """Input that nobody reads must not hold up a signal."""
    source = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE)
    process = engine.popen("run", "--rm", "-i", "base", "sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done",
                           stdin=source.stdout)
    source.stdout.close()
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"got\n"
    assert process.wait(30) == 5
    source.kill()
    source.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_reach_the_container(engine, number):
    name = signal.Signals(number).name[3:]
    process = engine.popen("run", "--rm", "base", "sh", "-c", f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.stdout.read() == f"got {name}\n".encode()
    assert process.wait(30) == 9


def test_three_interrupts_leave_a_container_that_ignores_them(engine):
    process = engine.popen("run", "--name", "one", "base", "sh", "-c", "trap 'echo no' INT; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == b"ready\n"
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"no\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert b"servin stop one" in process.stderr.read()
    assert engine.inspect("one")["State"]["Running"]


def test_without_signal_proxy_the_container_goes_on(engine):
    process = engine.popen("run", "--sig-proxy=false", "--name", "one", "base", "sh", "-c", "echo ready; exec sleep 1000")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM
    assert engine.inspect("one")["State"]["Running"]


def test_closed_output_ends_a_disposable_container(engine):
    """`servin run --rm IMAGE yes | head -1` ends."""
    process = engine.popen("run", "--rm", "--name", "one", "base", "yes")
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGPIPE
    engine.wait_for("the container is gone", lambda: engine.ok("ps", "-aq").out == "")


def test_killed_client_leaves_the_container(engine):
    process = engine.popen("run", "--name", "one", "base", "sh", "-c", "echo ready; i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done; exec sleep 1000")
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    engine.wait_for("the container goes on writing", lambda: engine.ok("logs", "--tail", "1", "one").out == "299\n")
    assert engine.inspect("one")["State"]["Running"]


def test_killed_client_ends_the_input(engine):
    process = engine.popen("run", "--name", "one", "-i", "base", "sh", "-c", "echo ready; cat >/dev/null; exit 4", stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    assert engine.ok("wait", "one").out == "4\n"


def test_attach_sees_output_and_exit(engine):
    engine.ok("run", "-d", "-i", "--name", "one", "base", "sh", "-c", "read x; echo got $x; echo err >&2; exit 6")
    result = engine.run("attach", "one", input="hello\n")
    assert (result.code, result.out, result.err) == (6, "got hello\n", "err\n")


def test_two_attached(engine):
    engine.ok("run", "-d", "-i", "--name", "one", "base", "sh", "-c", "while read x; do echo got $x; done")
    second = engine.popen("attach", "--no-stdin", "one")
    first = engine.popen("attach", "one", stdin=subprocess.PIPE)
    # A client is there when it gets something; what was written before it came is not for it.
    def heard():
        first.stdin.write(b"x\n")
        first.stdin.flush()
        return second.stdout in __import__("select").select([second.stdout], [], [], 0.05)[0]
    engine.wait_for("the second client", heard)
    assert first.stdout.readline() == b"got x\n"
    assert second.stdout.readline() == b"got x\n"
    engine.ok("kill", "one")
    assert first.wait(30) == 137
    assert second.wait(30) == 137


def test_detached_run_does_not_hold_the_callers_pipes(engine):
    """`out=$(servin run -d ...)` returns although the container goes on."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    process = engine.popen("run", "-d", "--name", "one", "base", "sleep", "1000", close_fds=False)
    os.close(write)
    assert process.wait(30) == 0
    assert len(process.stdout.read().strip()) == 64
    assert os.read(read, 1) == b""
    os.close(read)


def test_exec_streams(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "1000")
    result = engine.run("exec", "one", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")
    data = os.urandom(3_000_000)
    assert engine.ok("exec", "-i", "one", "cat", input=data).raw_out == data


def test_input_of_exec_goes_on_after_a_late_start(engine):
    """The client is so slow in reading that all of the waiting input is taken and echoed before it looks for more room."""
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "1000")
    data = os.urandom(400_000)
    slow = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=read", "-e", "inject=read:delay_enter=50000"]
    script = "touch /waits; until [ -e /go ]; do usleep 1000; done; exec cat"
    source = pathlib.Path(engine.dir, "data")
    source.write_bytes(data)
    with source.open("rb") as stdin:
        client = subprocess.Popen(slow + engine.argv("exec", "-i", "one", "sh", "-c", script), env=engine.environment(), stdin=stdin, stdout=subprocess.PIPE)
    engine.wait_for("the program", lambda: engine.run("exec", "one", "test", "-e", "/waits").code == 0)
    # A pipe of 64 KiB is full, 16 KiB wait for room in it, and 16 KiB more were refused.
    engine.wait_for("refused input", lambda: position_of_stdin(child_of(client.pid)) == 98304)
    engine.ok("exec", "one", "touch", "/go")
    assert client.communicate(timeout=60)[0] == data


def child_of(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]


def position_of_stdin(pid):
    return int(re.search(r"pos:\s*(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/0").read_text())[1])


def test_signals_pass_the_waiting_input_of_exec(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "1000")
    source = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE)
    process = engine.popen("exec", "-i", "one", "sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done",
                           stdin=source.stdout)
    source.stdout.close()
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"got\n"
    assert process.wait(30) == 5
    source.kill()
    source.wait()


def test_one_stream_only(engine):
    result = engine.run("run", "--rm", "-a", "stderr", "base", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err) == (3, "", "err\n")


def test_output_that_cannot_be_written(engine):
    with open("/dev/full", "w") as full:
        process = subprocess.run(engine.argv("images"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 125 and "stdout: no space left" in process.stderr.lower()


def test_a_pipe_that_does_not_block(engine):
    """Some parents give such pipes to their children: all of the output comes through."""
    whole = engine.ok("help", "--reference").out
    read, write = os.pipe()
    os.set_blocking(write, False)
    process = subprocess.Popen(engine.argv("help", "--reference"), stdout=write)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == whole
    assert process.wait() == 0
