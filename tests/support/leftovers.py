# SPDX-License-Identifier: Apache-2.0
"""Finds, and in the end removes, what an engine with its root under `base` left on the host."""
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import time

from support import netfilter

CGROUPS = "/sys/fs/cgroup"
MNT_DETACH = 2


def mounts_under(base):
    """Mount points below `base`, or mounts made from a file or folder below it, in the order of mounting."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        if point == base or point.startswith(base + "/") or base + "/" in line:
            found.append(point)
    return found


def cgroups_of(tag):
    """Control groups whose name carries the engine's tag, with all below them, parents first."""
    found = []
    for folder, names, _ in os.walk(CGROUPS):
        if tag in folder[len(CGROUPS):]:
            found.append(folder)
        names.sort()
    return found


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # the process is gone, or the file is not for us
        return b""


def _link(path):
    try:
        return os.fsencode(os.readlink(path))
    except OSError:
        return b""


def processes_naming(base):
    """Processes whose command line, environment, program or working folder names `base`, ourselves and our ancestors apart."""
    needle = os.fsencode(base)
    ours = set()
    pid = os.getpid()
    while pid > 1:
        ours.add(pid)
        pid = int(_read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in ours:
            if any(needle in text for text in (_read(f"/proc/{name}/cmdline"), _read(f"/proc/{name}/environ"), _link(f"/proc/{name}/exe"), _link(f"/proc/{name}/cwd"))):
                if _read(f"/proc/{name}/stat").rpartition(b")")[2][1:2] != b"Z":
                    found.append(int(name))
    return found


def processes_in(cgroups):
    pids = set()
    for group in cgroups:
        pids.update(int(word) for word in _read(f"{group}/cgroup.procs").split())
    return sorted(pids)


def links_of(tag):
    """Network links that say that they are of the engine: their alias."""
    return [name for name in os.listdir("/sys/class/net") if _read(f"/sys/class/net/{name}/ifalias").startswith(f"servin {tag} ".encode())]


def tables_of(tag):
    return [name for name in netfilter.tables() if name == f"servin-{tag}"]


def loops_under(base):
    found = []
    for device in pathlib.Path("/sys/block").glob("loop*"):
        if _read(device / "loop/backing_file").startswith(os.fsencode(base) + b"/"):
            found.append(f"/dev/{device.name}")
    return found


def describe_process(pid):
    """One process for a report: command, state, where it waits in the kernel."""
    command = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    status = _read(f"/proc/{pid}/status").decode(errors="replace")
    keep = [line for line in status.splitlines() if line.startswith(("Name:", "State:", "PPid:"))]
    stack = _read(f"/proc/{pid}/stack").decode(errors="replace").strip().replace("\n", "\n    ")
    return f"pid {pid}: {command}\n    {'; '.join(keep)}\n    {stack}"


def find(base, tag):
    """Everything left behind, as lines for a report; empty when the host is clean."""
    lines = [f"mount {point}" for point in mounts_under(base)]
    groups = cgroups_of(tag)
    lines += [f"cgroup {group}" for group in groups]
    pids = set(processes_naming(base)) | set(processes_in(groups))
    lines += [f"process {describe_process(pid)}" for pid in sorted(pids)]
    lines += [f"network link {name}" for name in links_of(tag)]
    lines += [f"nftables table {name}" for name in tables_of(tag)]
    lines += [f"loop device {name}" for name in loops_under(base)]
    return lines


def kill_processes(base, tag):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        groups = cgroups_of(tag)
        for group in groups:
            # A frozen v1 group lets nobody die before it is thawed.
            for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0"), ("cgroup.kill", "1")):
                if os.path.exists(f"{group}/{name}"):
                    try:
                        pathlib.Path(group, name).write_text(value)
                    except OSError:
                        pass
        pids = set(processes_naming(base)) | set(processes_in(groups))
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)  # no event tells that all of a set of foreign processes are gone


def remove(base, tag):
    """The last resort after a test: kills, unmounts and removes whatever is there, whatever the engine thinks of it."""
    kill_processes(base, tag)
    for group in reversed(cgroups_of(tag)):
        try:
            os.rmdir(group)
        except OSError:
            pass
    libc = ctypes.CDLL(None, use_errno=True)
    for point in reversed(mounts_under(base)):
        libc.umount2(os.fsencode(point), MNT_DETACH)
    for device in loops_under(base):
        subprocess.run(["losetup", "-d", device], check=False, stdin=subprocess.DEVNULL)
    for link in links_of(tag):
        subprocess.run(["ip", "link", "del", link], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for table in tables_of(tag):
        netfilter.delete_table(table)
