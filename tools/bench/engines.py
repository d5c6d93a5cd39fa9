# SPDX-License-Identifier: Apache-2.0
"""The parties: servin and what is installed beside it. Each keeps its state below a folder of this run."""
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

from measure import Failed

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]


def version_of(argv):
    try:
        out = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
    except OSError:
        return "?"
    return out.strip().splitlines()[0] if out.strip() else "?"


class Party:
    """`name` stands in the table; `runner` is the view of the host that it runs in."""
    engine = ""

    def __init__(self, name, program, runner):
        self.name, self.program, self.runner = name, str(program), runner

    def version(self):
        return version_of([self.program, "--version"])

    def close(self):
        pass


class ContainerEngine(Party):
    """What servin, podman and docker have in common: the same words."""

    def __init__(self, name, program, runner, folder):
        super().__init__(name, program, runner)
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def base(self):
        return [self.program]

    def argv(self, *words):
        return [*self.base(), *words]

    extra_options = []

    def load(self, archive):
        return self.runner.run(self.argv("load", "-i", archive))

    def container(self, image, *command, rm=False, name=None, detach=False, verb="run", stop_signal=None, network="none", publish=None):
        words = [verb, *self.extra_options, "--network", network]
        words += ["-p", publish] if publish else []
        words += ["--stop-signal", stop_signal] if stop_signal else []
        words += ["--rm"] if rm else []
        words += ["--name", name] if name else []
        words += ["-d"] if detach else []
        return self.argv(*words, image, *command)


class Servin(ContainerEngine):
    engine = "servin"

    def base(self):
        return [self.program, "--root", f"{self.folder}/root"]

    def supervisor(self, name):
        """The pid of the shim: the parent of the container's process."""
        found = json.loads(subprocess.run(self.argv("inspect", name), env=self.runner.env, capture_output=True, text=True, check=True).stdout)
        return parent_of(found[0]["State"]["Pid"])

    def remove_all(self):
        self.runner.try_run(self.argv("rm", "--all", "--force"))


class Podman(ContainerEngine):
    """Its fastest documented settings: crun, no events, no log journal, cgroupfs. The two ulimits spare it raising
    limits, which a host without CAP_SYS_RESOURCE refuses."""
    engine = "podman"

    def __init__(self, name, program, runner, folder, memory, runtime):
        super().__init__(name, program, runner, folder)
        self.memory, self.runtime = memory, runtime

    def base(self):
        state = ["--root", f"{self.folder}/root", "--runroot", f"{self.memory}/run", "--tmpdir", f"{self.memory}/tmp"]
        return [self.program, *state, "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", self.runtime]

    extra_options = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    def supervisor(self, name):
        found = json.loads(subprocess.run(self.argv("inspect", name), env=self.runner.env, capture_output=True, text=True, check=True).stdout)
        return parent_of(found[0]["State"]["Pid"])

    def remove_all(self):
        self.runner.try_run(self.argv("rm", "-f", "-t0", "-a"))


class DockerDaemon:
    """A daemon of this run's own (tools/private-dockerd.sh)."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.socket = f"unix://{folder}/docker.sock"
        self.group = f"servin-bench-{os.getpid()}"
        self._process = subprocess.Popen([str(SCRIPTS / "private-dockerd.sh"), folder, self.group], stdin=subprocess.DEVNULL, process_group=0)

    def wait(self, program):
        """None, or why it does not answer."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if subprocess.run([program, "-H", self.socket, "version"], capture_output=True, timeout=20, check=False).returncode == 0:
                return None
            time.sleep(0.2)
        log = pathlib.Path(self.folder, "dockerd.log")
        return log.read_text(errors="replace")[-600:].strip() if log.exists() else "no log"

    def host_pid(self, pid):
        """It has a pid namespace of its own: the process with this number there, in our control groups."""
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                numbers = next(line for line in status.read_text(errors="replace").splitlines() if line.startswith("NSpid:")).split()[1:]
                ours = len(numbers) > 1 and numbers[1] == str(pid) and self.group in status.with_name("cgroup").read_text(encoding="utf-8")
            except (OSError, StopIteration):
                continue
            if ours:
                return int(numbers[0])
        raise Failed(f"process {pid} of docker is not to be seen")

    def close(self):
        self._process.kill()  # unshare passes no other signal on; its namespaces go with it
        self._process.wait()
        for hierarchy in pathlib.Path("/sys/fs/cgroup").iterdir():
            for place in (hierarchy, hierarchy.parent):
                for folder, _, _ in os.walk(place / self.group, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        pass


class Docker(ContainerEngine):
    """With a daemon of the bench's own."""
    engine = "docker"

    def __init__(self, name, program, runner, folder, daemon):
        super().__init__(name, program, runner, folder)
        self.daemon = daemon

    def base(self):
        return [self.program, "-H", self.daemon.socket]

    def version(self):
        server = subprocess.run(self.argv("version", "--format", "{{.Server.Version}}"), capture_output=True, text=True, check=False).stdout
        return f"{super().version()}; daemon {server.strip()}"

    def supervisor(self, name):
        pid = subprocess.run(self.argv("inspect", "-f", "{{.State.Pid}}", name), capture_output=True, text=True, check=True).stdout
        return parent_of(self.daemon.host_pid(int(pid)))

    def remove_all(self):
        ids = subprocess.run(self.argv("ps", "-aq"), capture_output=True, text=True, check=False).stdout.split()
        if ids:
            self.runner.try_run(self.argv("rm", "-f", *ids))


class OciRuntime(Party):
    """crun or runc on a bundle made from the same root file system."""

    def __init__(self, name, program, runner, folder, memory, rootfs_tar):
        super().__init__(name, program, runner)
        self.engine = name
        self.folder = folder
        self.bundle = f"{folder}/bundle"
        self.state = memory
        self._count = 0
        os.makedirs(f"{self.bundle}/rootfs", exist_ok=True)
        with tarfile.open(rootfs_tar) as tar:
            tar.extractall(f"{self.bundle}/rootfs", numeric_owner=True)
        self._write_spec(["true"])

    def _write_spec(self, args):
        config = pathlib.Path(self.bundle, "config.json")
        config.unlink(missing_ok=True)
        subprocess.run([self.program, "spec"], cwd=self.bundle, check=True, stdout=subprocess.DEVNULL)
        spec = json.loads(config.read_text(encoding="utf-8"))
        spec["process"]["args"], spec["process"]["terminal"], spec["process"]["env"] = args, False, ["PATH=/bin"]
        spec["root"]["readonly"] = False
        spec["process"].pop("rlimits", None)  # raising limits needs CAP_SYS_RESOURCE
        config.write_text(json.dumps(spec), encoding="utf-8")

    def argv(self, *words):
        return [self.program, "--root", self.state, *words]

    def run_true(self):
        self._count += 1
        return self.argv("run", "-b", self.bundle, f"servin-bench-{os.getpid()}-{self._count}")

    def start_sleeper(self, name):
        self._write_spec(["sleep", "1000000"])
        self.runner.run(self.argv("run", "-d", "-b", self.bundle, name))
        self._write_spec(["true"])

    def remove(self, name):
        self.runner.try_run(self.argv("delete", "-f", name))


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def find_program(name, given):
    path = given.get(name) or shutil.which(name)
    return path if path and os.access(path, os.X_OK) else None
