# SPDX-License-Identifier: Apache-2.0
"""Where the parties keep their state: everything on an ext4 of the run's own, made anew, because what a disk has been
through makes it slow (without a journal, creating a file next to many that were deleted in the last minutes takes 0.5
ms instead of 0.02); what only lives until a reboot on a tmpfs, where it lies by default."""
import os
import subprocess


def _run(argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Disk:
    """An ext4 in a sparse file, mounted at `point` in the view of `runner`, or here without one."""

    def __init__(self, file, point, runner=None, size="12G"):
        self.file, self.point, self._runner, self._size = file, point, runner, size
        self._mounted = False
        os.makedirs(point, exist_ok=True)

    def renew(self):
        self.drop()
        _run(["truncate", "-s", self._size, self.file])
        _run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.file])
        argv = ["mount", "-o", "loop", self.file, self.point]
        self._runner.run(argv) if self._runner else _run(argv)
        self._mounted = True

    def drop(self):
        if self._mounted:
            argv = ["umount", "-R", self.point]
            self._runner.run(argv) if self._runner else _run(argv)
            self._mounted = False
        if os.path.exists(self.file):
            os.unlink(self.file)


class Memory:
    """A tmpfs. Mounted before the views are made, so that all of them have it."""

    def __init__(self, point):
        self.point = point
        os.makedirs(point)
        _run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", point])

    def drop(self):
        subprocess.run(["umount", "-l", self.point], check=False)
