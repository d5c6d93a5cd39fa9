# SPDX-License-Identifier: Apache-2.0
"""Runs commands and measures them: wall time, CPU time of the whole tree, many at a time.

A Runner is a child process that runs the commands in a view of the host: `host` as it is, `v1` in a mount namespace of
its own without the cgroup v2 mount, because crun and podman refuse the hybrid layout. It is a child subreaper, so that
processes which detach themselves are still waited for and counted.
"""
import ctypes
import json
import os
import signal
import statistics
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
V2_MOUNT = "/sys/fs/cgroup/unified"
libc = ctypes.CDLL(None, use_errno=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values):
    return statistics.median(values)


# --- in the child

class _Child:
    def __init__(self, view):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if view == "v1":
            if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) or libc.umount2(V2_MOUNT.encode(), MNT_DETACH):
                raise OSError(ctypes.get_errno(), "cannot hide the cgroup v2 mount")
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def _spawn(self, argv, env, err, out=None):
        actions = [(os.POSIX_SPAWN_DUP2, self._null, 0), (os.POSIX_SPAWN_DUP2, self._null if out is None else out, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
        return os.posix_spawnp(argv[0], argv, env, file_actions=actions)

    @staticmethod
    def _reap_others(block):
        """CPU seconds of the orphans that came to us."""
        cpu = 0.0
        while True:
            try:
                pid, _, usage = os.wait4(-1, 0 if block else os.WNOHANG)
            except ChildProcessError:
                return cpu
            if pid == 0:
                return cpu
            cpu += usage.ru_utime + usage.ru_stime

    def one(self, argv, env, whole):
        """`whole`: wait for every descendant and add its CPU time."""
        err = os.memfd_create("err")
        start = time.perf_counter()
        pid = self._spawn(argv, env, err)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
        cpu = usage.ru_utime + usage.ru_stime + self._reap_others(block=whole)
        code = os.waitstatus_to_exitcode(status)
        text = os.pread(err, 4000, 0).decode(errors="replace") if code else ""
        os.close(err)
        return {"wall": wall, "cpu": cpu, "code": code, "err": text}

    def many(self, commands, env, at_a_time):
        waiting, running, failures = list(reversed(commands)), set(), []
        start = time.perf_counter()
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.add(self._spawn(waiting.pop(), env, self._null))
            pid, status = os.waitpid(-1, 0)
            if pid in running:
                running.remove(pid)
                if status:
                    failures.append(os.waitstatus_to_exitcode(status))
        wall = time.perf_counter() - start
        self._reap_others(block=False)
        return {"wall": wall, "failures": failures}

    def serve(self):
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = getattr(self, request.pop("do"))(**request)
            except OSError as problem:
                answer = {"problem": str(problem)}
            print(json.dumps(answer), flush=True)


class Failed(Exception):
    """A command that was to be measured failed."""


class Runner:
    def __init__(self, view, env):
        self.view = view
        self.env = env
        self._process = subprocess.Popen([sys.executable, __file__, view], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         process_group=0)  # Ctrl-C is for the one who tidies up

    def _ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        try:
            line = self._process.stdout.readline()
        except BaseException:
            self._process.stdout.readline()  # interrupted: the command still ends, and its answer is nobody's
            raise
        if not line:
            raise Failed(f"the runner for view {self.view} ended")
        answer = json.loads(line)
        if "problem" in answer:
            raise Failed(answer["problem"])
        return answer

    def run(self, argv, whole=False):
        answer = self._ask(do="one", argv=list(map(str, argv)), env=self.env, whole=whole)
        if answer["code"] != 0:
            raise Failed(f"{' '.join(map(str, argv))}: exit code {answer['code']}: {answer['err'].strip()[-600:]}")
        return answer

    def try_run(self, argv):
        """For tidying up: a failure does not matter."""
        return self._ask(do="one", argv=list(map(str, argv)), env=self.env, whole=False)["code"] == 0

    def run_many(self, commands, at_a_time):
        answer = self._ask(do="many", commands=[list(map(str, argv)) for argv in commands], env=self.env, at_a_time=at_a_time)
        if answer["failures"]:
            raise Failed(f"{len(answer['failures'])} of {len(commands)} commands failed: exit codes {sorted(set(answer['failures']))}")
        return answer

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def hybrid():
    return os.path.ismount(V2_MOUNT)


def private_kib(pid):
    """Private memory of one process, clean and dirty."""
    total = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith(("Private_Clean:", "Private_Dirty:", "Private_Hugetlb:")):
                total += int(line.split()[1])
    return total


if __name__ == "__main__":
    _Child(sys.argv[1]).serve()
