# SPDX-License-Identifier: Apache-2.0
"""A program on a pseudo terminal, driven by a test."""
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time


class Terminal:
    def __init__(self, argv, env, cwd, rows=24, columns=80):
        self.master, slave = os.openpty()
        self.output = b""
        self._seen = 0  # read_until continues after what it matched last
        self.resize(rows, columns)

        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd,
                                        start_new_session=True, preexec_fn=take_terminal)
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        while data:
            data = data[os.write(self.master, data):]

    def _read_some(self, deadline):
        """False at the end of the output; an assertion at the deadline."""
        left = deadline - time.monotonic()
        ready, _, _ = select.select([self.master], [], [], max(0, left))
        if not ready:
            raise AssertionError(f"nothing more on the terminal in time; so far: {self.output.decode(errors='replace')!r}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the last program on the terminal is gone
            return False
        self.output += data
        return bool(data)

    def read_until(self, pattern, timeout=30):
        """Reads until the regular expression matches behind what was matched last; returns the match."""
        expression = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        deadline = time.monotonic() + timeout
        while True:
            match = expression.search(self.output, self._seen)
            if match:
                self._seen = match.end()
                return match
            if not self._read_some(deadline):
                raise AssertionError(f"{pattern!r} did not appear; the program ended after: {self.output.decode(errors='replace')!r}")

    def wait(self, timeout=30):
        """Reads to the end of the output; returns the exit code."""
        deadline = time.monotonic() + timeout
        while self._read_some(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    @property
    def text(self):
        return self.output.decode(errors="replace")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
