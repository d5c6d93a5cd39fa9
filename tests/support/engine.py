# SPDX-License-Identifier: Apache-2.0
"""One engine with a root of its own, driven through the real program."""
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import time

from support import leftovers
from support.terminal import Terminal

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SERVIN_BIN") or str(SOURCE / "build/release/bin/servin")
TIMEOUT = 60  # seconds one command may take before the test fails; a test that expects more says so


@dataclasses.dataclass
class Result:
    argv: list
    code: int
    raw_out: bytes
    raw_err: bytes

    @property
    def out(self):
        return self.raw_out.decode(errors="replace")

    @property
    def err(self):
        return self.raw_err.decode(errors="replace")

    @property
    def lines(self):
        return self.out.splitlines()

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{' '.join(map(str, self.argv))}\nexit code {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def tag_of(root):
    return hashlib.sha256(root.encode()).hexdigest()[:8]


# Where engines live: on the disk, or in memory for what kills hundreds of commands (a killed process loses nothing that
# it wrote, on the one as on the other; what a disk does is the business of other tests).
DISK, MEMORY = tempfile.gettempdir(), "/dev/shm"


def remove_folder(folder):
    """Trees of any depth: shutil.rmtree calls itself for each level, and tests make some that are too deep for that."""
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)


def sweep():
    """Removes what an earlier run left that was killed before it could clean up. Whoever lives holds a lock on `maker`: a pid
    says nothing about a run in another pid namespace."""
    for maker in [path for place in (DISK, MEMORY) for path in pathlib.Path(place).glob("servin-test-*/maker")]:
        try:
            with open(maker, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = os.path.realpath(maker.parent)
                leftovers.remove(folder, tag_of(f"{folder}/root"))
                remove_folder(folder)
        except (BlockingIOError, FileNotFoundError):  # in use; or its owner has just removed it
            continue


class Engine:
    """`root` is the engine's --root, `dir` the folder around it that a test may use; both are gone after the test."""

    def __init__(self, images=None, place=DISK):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="servin-test-", dir=place if os.path.isdir(place) else DISK))
        os.chmod(self.dir, 0o755)  # users inside containers reach what a test binds from here
        self.root = f"{self.dir}/root"
        self.home = f"{self.dir}/home"
        os.mkdir(self.home)
        # No test asks the real docker.io: its name leads to a port of this host where nobody listens.
        self.registries_conf = f"{self.dir}/registries.conf"
        pathlib.Path(self.registries_conf).write_text('[[registry]]\nprefix = "docker.io"\nlocation = "127.0.0.1:9"\n')
        self.tag = tag_of(self.root)
        # Locked before it appears: nobody finds it without its lock.
        self._maker = open(f"{self.dir}/maker.new", "wb")
        fcntl.flock(self._maker, fcntl.LOCK_EX)
        os.rename(self._maker.name, f"{self.dir}/maker")
        self.program = PROGRAM
        self.prefix = []  # of every command: the way into another network namespace
        self._images = images
        self._open = []

    # --- running the program

    def argv(self, *args):
        return [*self.prefix, self.program, "--root", self.root, *map(str, args)]

    def environment(self, extra=None):
        env = {name: value for name, value in os.environ.items() if not name.startswith("SERVIN_")}
        for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
            env.pop(name, None)
        env.update({"HOME": self.home, "LC_ALL": "C.UTF-8", "TERM": "xterm", "SERVIN_TEST_DIR": self.dir,
                    "CONTAINERS_REGISTRIES_CONF": self.registries_conf})
        for name, value in (extra or {}).items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = str(value)
        return env

    def run(self, *args, input=None, env=None, timeout=TIMEOUT, cwd=None, argv=None, stdin=None):
        """Runs one command to its end. `argv` replaces the whole command line; env values of None remove a variable."""
        argv = list(map(str, argv)) if argv else self.argv(*args)
        data = input.encode() if isinstance(input, str) else input
        source = stdin if stdin is not None else subprocess.PIPE if data is not None else subprocess.DEVNULL
        process = subprocess.Popen(argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment(env), cwd=cwd or self.dir)
        try:
            out, err = process.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            state = "still runs" if process.poll() is None else "ended, but another process holds its stdout or stderr"
            processes = "\n".join(map(leftovers.describe_process, leftovers.processes_naming(self.dir)))
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
            raise AssertionError(f"{' '.join(argv)}: {state} after {timeout} s\nstdout: {late.stdout!r}\nstderr: {late.stderr!r}\n{processes}") from None
        return Result(argv, process.returncode, out, err)

    def ok(self, *args, **options):
        result = self.run(*args, **options)
        assert result.code == 0, str(result)
        return result

    def fails(self, *args, code=125, match=None, **options):
        """The command must end with `code` (None: any but 0), and its stderr must hold `match`."""
        result = self.run(*args, **options)
        assert result.code == code if code is not None else result.code != 0, f"expected exit code {code}: {result}"
        if match is not None:
            assert match in result.err, f"expected {match!r} on stderr: {result}"
        return result

    def popen(self, *args, env=None, cwd=None, argv=None, **options):
        """A command that goes on beside the test; ended with the test at the latest."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(list(map(str, argv)) if argv else self.argv(*args), env=self.environment(env), cwd=cwd or self.dir, **options)
        self._open.append(process)
        return process

    def pty(self, *args, env=None, cwd=None, rows=24, columns=80, argv=None):
        terminal = Terminal(list(map(str, argv)) if argv else self.argv(*args), self.environment(env), cwd or self.dir, rows, columns)
        self._open.append(terminal)
        return terminal

    # --- common steps

    def load(self, name, form="docker.tar"):
        """Loads one of the test images (support/images.py) and returns its name."""
        self.ok("load", "-i", self._images.path(name, form), timeout=300)
        return name

    def inspect(self, name):
        return self.ok("inspect", name).json()[0]

    def wait_for(self, what, condition, timeout=30):
        """Polls `condition` until it is true, for states that no event announces; `what` names it in the failure."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
            time.sleep(0.01)

    def file(self, name, content=b"", mode=0o644):
        """A file in the test's folder."""
        path = pathlib.Path(self.dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return str(path)

    # --- the end of a test

    def leftovers(self):
        return leftovers.find(self.dir, self.tag)

    def _has_containers(self):
        return any(os.path.isdir(path) and os.listdir(path) for path in (f"{self.root}/containers", f"{self.root}/run/containers"))

    def close(self, check=True):
        """Removes the containers by the engine's own means, checks that nothing is left on the host, removes everything."""
        try:
            for thing in self._open:
                thing.close() if isinstance(thing, Terminal) else self._end(thing)
            if check:
                if self._has_containers():
                    self.ok("rm", "--force", "--all")
                self._check_clean()
        finally:
            self.kill_all()

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass

    def _check_clean(self):
        # The engine answers before its reaper is done; all must be gone within the deadline.
        deadline = time.monotonic() + 10
        while lines := self.leftovers():
            if time.monotonic() > deadline:
                raise AssertionError("left behind on the host:\n" + "\n".join(lines))
            time.sleep(0.01)

    def kill_processes(self):
        leftovers.kill_processes(self.dir, self.tag)

    def kill_all(self):
        leftovers.remove(self.dir, self.tag)
        remove_folder(self.dir)
        self._maker.close()
