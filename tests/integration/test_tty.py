# SPDX-License-Identifier: Apache-2.0
"""Terminals: size, raw mode, detach keys, and the caller's terminal as it was before."""
import fcntl
import os
import struct
import termios

import pytest


def size_of(terminal):
    return struct.unpack("HHHH", fcntl.ioctl(terminal.master, termios.TIOCGWINSZ, b"\0" * 8))[:2]


def settings(terminal):
    return termios.tcgetattr(terminal.master)[:4]


def test_size_from_the_first_moment_and_resize(engine):
    terminal = engine.pty("run", "--rm", "-it", "base", "sh", "-c", "stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done", rows=33, columns=101)
    terminal.read_until(r"33 101\r\n")
    terminal.read_until("ready")
    terminal.resize(44, 120)
    terminal.read_until(r"44 120\r\n")


def test_shell_session(engine):
    terminal = engine.pty("run", "--rm", "-it", "base", "sh")
    before = None
    terminal.send("echo $((6*7)) tty=$(tty)\r")
    terminal.read_until(r"42 tty=/dev/(pts/0|console)")
    terminal.send("exit 7\r")
    assert terminal.wait() == 7
    assert before is None


def test_interrupt_goes_to_the_container(engine):
    terminal = engine.pty("run", "--rm", "-it", "base", "sh", "-c", "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done")
    terminal.read_until("ready")
    terminal.send("\x03")
    terminal.read_until("interrupted")
    assert terminal.wait() == 9


def test_the_terminal_is_as_before_after_each_kind_of_end(engine):
    for end in ("exit", "detach", "kill"):
        terminal = engine.pty("run", "-it", "--name", end, "base", "sh", "-c", "echo ready; read x; exit 3")
        # The settings of a fresh terminal, taken from one that no program has touched.
        fresh = engine.pty("version", argv=["true"])
        fresh.wait()
        expected = settings(fresh)
        terminal.read_until("ready")
        engine.wait_for("raw mode", lambda: not settings(terminal)[3] & termios.ICANON)
        keep = os.dup(terminal.master)
        if end == "exit":
            terminal.send("x\r")
            assert terminal.wait() == 3
        elif end == "detach":
            terminal.send("\x10\x11")
            assert terminal.wait() == 0
        else:
            os.kill(terminal.process.pid, 15)
            assert terminal.wait() == 143
        assert termios.tcgetattr(keep)[:4] == expected
        os.close(keep)


def test_detach_and_attach_again(engine):
    terminal = engine.pty("run", "-it", "--name", "one", "base", "sh")
    terminal.send("echo first=$((1+1))\r")
    terminal.read_until("first=2")
    terminal.send("\x10\x11")
    assert terminal.wait() == 0
    assert engine.inspect("one")["State"]["Running"]
    again = engine.pty("attach", "one")
    again.send("echo second=$((2+2))\r")
    again.read_until("second=4")
    again.send("exit 5\r")
    assert again.wait() == 5


def test_detach_from_an_exec(engine):
    """It goes on, with a terminal that somebody reads."""
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "1000")
    terminal = engine.pty("exec", "-it", "one", "sh", "-c", "echo ready; until [ -e /go ]; do usleep 10000; done; seq 100000; echo done >/result")
    terminal.read_until("ready")
    terminal.send("\x10\x11")
    assert terminal.wait() == 0
    engine.ok("exec", "one", "touch", "/go")
    engine.wait_for("it goes on", lambda: engine.run("exec", "one", "cat", "/result").out == "done\n", timeout=60)


def test_other_detach_keys(engine):
    terminal = engine.pty("run", "-it", "--detach-keys", "ctrl-a,d", "--name", "one", "base", "cat")
    terminal.send("plain\r")
    terminal.read_until("plain")
    terminal.send("\x01x\r")
    terminal.send("\x10\x11\r")  # not special here
    terminal.send("\x01d")
    assert terminal.wait() == 0
    assert engine.inspect("one")["State"]["Running"]


def test_bad_detach_keys_are_named(engine):
    engine.fails("run", "-d", "--detach-keys", "ctrl-1", "base", "true", match="ctrl-1")


def test_terminal_wanted_but_none_there(engine):
    result = engine.run("run", "--rm", "-it", "base", "true")
    assert result.code == 125
    assert "terminal" in result.err


def test_output_only_terminal(engine):
    """-t without -i in a script: a terminal for the program, nothing of the caller's."""
    result = engine.ok("run", "--rm", "-t", "base", "sh", "-c", "[ -t 1 ] && echo tty")
    assert result.raw_out == b"tty\r\n"


def test_detached_terminal(engine):
    engine.ok("run", "-d", "-it", "--name", "one", "base", "sh")
    terminal = engine.pty("attach", "one")
    terminal.send("echo it=$((3*3))\r")
    terminal.read_until("it=9")
    terminal.send("\x10\x11")
    assert terminal.wait() == 0
    assert "it=9" in engine.ok("logs", "one").out


def test_exec_terminal(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "1000")
    terminal = engine.pty("exec", "-it", "one", "sh", "-c", "stty size; read x; echo got $x; exit 4", rows=20, columns=70)
    terminal.read_until(r"20 70\r\n")
    terminal.send("word\r")
    terminal.read_until("got word")
    assert terminal.wait() == 4


@pytest.mark.deadline(200)
def test_large_paste(engine):
    """More than a terminal's queue holds: nothing is lost, nothing hangs."""
    terminal = engine.pty("run", "--rm", "-it", "base", "sh", "-c", "stty raw -echo; echo ready; head -c 200000 | wc -c")
    terminal.read_until("ready")
    os.set_blocking(terminal.master, True)
    terminal.send(b"x" * 200000)
    terminal.read_until("200000")
    assert terminal.wait() == 0
