# SPDX-License-Identifier: Apache-2.0
"""The test images: made once by tools/make-images.sh with umoci, skopeo and debootstrap, kept in the user's cache."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools/make-images.sh"
FORMS = ("docker.tar", "docker.tar.gz", "oci.tar", "oci.tar.zst", "rootfs.tar")


class Images:
    """path(NAME, FORM) makes the image when it is not cached yet. A mirror that cannot be reached fails the test: the
    proof with real images is not optional."""

    def __init__(self):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        key = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]
        self.folder = pathlib.Path(cache, "servin-test-images", key)
        self._failed = {}

    def path(self, name, form="docker.tar"):
        """NAME: busybox, debian, nginx, postgres. FORM: one of FORMS."""
        assert form in FORMS, f"no form {form} of the test images: {FORMS}"
        self._make(name)
        return str(self.folder / f"{name}.{form}")

    def layout(self, name):
        """An OCI image layout (a folder) with the one tag NAME; read only."""
        self._make(name)
        return str(self.folder / f"{name}.layout")

    def _make(self, name):
        if (self.folder / f"{name}.done").exists():
            return
        assert name not in self._failed, self._failed[name]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._drop_older()
        with open(self.folder / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self.folder / f"{name}.done").exists():
                return
            print(f"making the test image {name} ...", flush=True)
            result = subprocess.run([str(SCRIPT), str(self.folder), name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, errors="replace", timeout=1200, check=False)
            if result.returncode != 0:
                self._failed[name] = f"{SCRIPT.name} could not make the image {name}:\n{result.stdout[-4000:]}"
                raise AssertionError(self._failed[name])

    def _drop_older(self):
        """The images of earlier versions of the script."""
        for other in self.folder.parent.iterdir():
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    # Before the tests, whose deadlines are not for this.
    for each in ("busybox", "debian", "nginx", "postgres"):
        Images().path(each)
