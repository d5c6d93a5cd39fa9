# SPDX-License-Identifier: Apache-2.0
"""Oracle O6: a decoy tree and the host's mount table, which no container, image or archive may change."""
import hashlib
import os
import pathlib
import stat
import tempfile


class HostCanary:
    """A tree with a bit of everything at `path`. `changes()` says what is different from when it was made."""

    def __init__(self, path):
        self.path = str(path)
        self._make()
        self._tree = self._scan()
        self._mounts = self._scan_mounts()

    def _make(self):
        top = pathlib.Path(self.path)
        (top / "folder/deep").mkdir(parents=True)
        (top / "empty").mkdir(mode=0o700)
        (top / "secret").write_text("host secret, must not be read\n")
        (top / "secret").chmod(0o600)
        (top / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (top / "folder/deep/file").write_text("deep\n")
        (top / "folder/program").write_text("#!/bin/sh\nexit 0\n")
        (top / "folder/program").chmod(0o755)
        os.symlink("folder/deep", top / "link")
        os.link(top / "passwd", top / "hardlink")
        os.mkfifo(top / "fifo")

    def _scan(self):
        entries = {}
        for folder, names, files in os.walk(self.path):
            for name in [".", *names, *files]:
                path = os.path.normpath(os.path.join(folder, name))
                status = os.lstat(path)
                content = ""
                if stat.S_ISREG(status.st_mode):
                    content = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
                elif stat.S_ISLNK(status.st_mode):
                    content = os.readlink(path)
                entries[path] = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_ino, status.st_mtime_ns, status.st_ctime_ns,
                                 content, tuple(sorted(os.listxattr(path, follow_symlinks=False))))
        return entries

    def _scan_mounts(self):
        """The host's mounts, without those that other tests make below the temp folder at the same time."""
        temp = os.path.realpath(tempfile.gettempdir()) + "/"
        points = []
        for line in pathlib.Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
            point = line.split(" ")[4]
            if point.startswith(self.path) or not point.startswith(temp):
                points.append(point)
        return sorted(points)

    def changes(self):
        """Lines that say what changed; empty when the host is as it was."""
        lines = []
        now = self._scan()
        for path in sorted(self._tree.keys() | now.keys()):
            if self._tree.get(path) != now.get(path):
                lines.append(f"{path}: was {self._tree.get(path)}, is {now.get(path)}")
        mounts = self._scan_mounts()
        if mounts != self._mounts:
            lines.append(f"mounts: new {sorted(set(mounts) - set(self._mounts))}, gone {sorted(set(self._mounts) - set(mounts))}")
        return lines

    def check(self):
        lines = self.changes()
        assert not lines, "the host changed:\n" + "\n".join(lines)
