# SPDX-License-Identifier: Apache-2.0
"""Docker and podman with state of their own, which serve a page from a container."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools/private-dockerd.sh"


def need(program, package):
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/lib/podman:/usr/libexec/podman")
    if not found:
        pytest.skip(f"no {program}: apt-get install {package}")
    return found


class Peer:
    """`folder` is short: paths of sockets have a limit. Nothing here names the engine's folder, which is searched for what is left."""
    options = []

    def __init__(self, group):
        self.folder = tempfile.mkdtemp(prefix="servin-peer-")
        self.group = group

    def run(self, *words, timeout=90):
        result = subprocess.run([*self.base, *map(str, words)], capture_output=True, text=True, timeout=timeout, env=self.environment(), check=False)
        assert result.returncode == 0, f"{words}: {result}"
        return result.stdout.strip()

    def environment(self):
        return dict(os.environ)

    def start(self, name, *words):
        return self.run("run", "-d", "--name", name, *self.options, *words)

    def close(self):
        deadline = time.monotonic() + 10
        while groups := self._groups():  # those of a killed daemon end a moment later, and no event tells
            assert time.monotonic() < deadline, groups
            for folder in groups:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=False)

    def _groups(self):
        """Control groups of its containers, the inner ones first."""
        places = [pathlib.Path("/sys/fs/cgroup"), *pathlib.Path("/sys/fs/cgroup").iterdir()]
        return [folder for place in places for folder, _, _ in os.walk(place / self.group, topdown=False)]


class Docker(Peer):
    """A daemon in namespaces of its own; `pid` is in its network namespace."""
    def __init__(self, group):
        client, _ = need("docker", "docker.io"), need("dockerd", "docker.io")
        super().__init__(group)
        self.base = [client, "--host", f"unix://{self.folder}/docker.sock"]
        self._daemon = subprocess.Popen([SCRIPT, self.folder, group], stdin=subprocess.DEVNULL, process_group=0)
        self.pid = self._daemon.pid

    def answers(self):
        assert self._daemon.poll() is None, pathlib.Path(self.folder, "dockerd.log").read_text(errors="replace")
        return subprocess.run([*self.base, "version"], capture_output=True, check=False).returncode == 0

    def close(self):
        self._daemon.kill()  # its namespaces go with it
        self._daemon.wait()
        super().close()


class Podman(Peer):
    """In the network namespace that `way` leads into."""
    options = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    def __init__(self, group, way):
        podman, netavark, _ = need("podman", "podman"), need("netavark", "netavark"), need("nft", "nftables")
        need("runc", "runc")
        super().__init__(group)
        self._conf = pathlib.Path(self.folder, "containers.conf")
        self._conf.write_text(f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{self.folder}/networks"\n'
                              f'[engine]\nhelper_binaries_dir = ["{pathlib.Path(netavark).parent}"]\n[containers]\ncgroup_parent = "/{group}"\n')
        state = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp"]
        self.base = [*way, podman, *state, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"]

    def environment(self):
        return {**os.environ, "CONTAINERS_CONF": str(self._conf)}

    def close(self):
        try:
            self.run("rm", "-f", "-t0", "-a")
        finally:
            super().close()
