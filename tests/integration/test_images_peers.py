# SPDX-License-Identifier: Apache-2.0
"""What `servin save` writes loads into other tools unchanged, and what they write loads here: same ids, same digests."""
import hashlib
import json
import shutil
import subprocess

import pytest


def need(tool):
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed: its reading of our archives is not proven in this run")
    return path


def run(*argv, timeout=100):
    result = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=timeout, check=False)
    assert result.returncode == 0, f"{argv}\n{result.stderr.decode(errors='replace')}"
    return result.stdout


@pytest.fixture(scope="module", name="saved")
def make_saved(module_engine):
    """debian (gzip layers with whiteouts), busybox and base, saved in both forms; their ids and manifest digests."""
    engine = module_engine
    engine.load("debian", "oci.tar")
    engine.load("busybox", "docker.tar")
    result = {"engine": engine, "id": {}, "digest": {}}
    for name in ("debian", "busybox", "base"):
        image = engine.ok("image", "inspect", name).json()[0]
        result["id"][name] = image["Id"]
        result["digest"][name] = image["RepoDigests"][0].split("@")[1]
        for form in ("docker-archive", "oci-archive"):
            engine.ok("save", "--format", form, "-o", f"{engine.dir}/{name}.{form}", name)
    for form in ("docker-archive", "oci-archive"):
        engine.ok("save", "--format", form, "-o", f"{engine.dir}/both.{form}", "base", "busybox")
    return result


def test_skopeo_reads_both_forms(saved):
    skopeo = need("skopeo")
    for name in ("debian", "busybox"):
        path = f"{saved['engine'].dir}/{name}"
        raw = run(skopeo, "inspect", "--raw", f"oci-archive:{path}.oci-archive:latest")
        assert "sha256:" + hashlib.sha256(raw).hexdigest() == saved["digest"][name]
        for source in (f"docker-archive:{path}.docker-archive:{name}:latest", f"oci-archive:{path}.docker-archive:latest"):
            config = run(skopeo, "inspect", "--config", "--raw", source)
            assert "sha256:" + hashlib.sha256(config).hexdigest() == saved["id"][name]
        # A copy reads every layer and checks its digest.
        for source in (f"docker-archive:{path}.docker-archive", f"oci-archive:{path}.oci-archive"):
            run(skopeo, "--insecure-policy", "copy", "-q", source, f"oci:{saved['engine'].dir}/copied:{name}")
    both = f"{saved['engine'].dir}/both"
    for name, reference in (("base", "localhost/servin/base:latest"), ("busybox", "busybox:latest")):
        config = run(skopeo, "inspect", "--config", "--raw", f"docker-archive:{both}.docker-archive:{reference}")
        assert "sha256:" + hashlib.sha256(config).hexdigest() == saved["id"][name]


def test_umoci_unpacks_ours(saved):
    umoci = need("umoci")
    folder = f"{saved['engine'].dir}/umoci"
    for form in ("docker-archive", "oci-archive"):
        layout = f"{folder}-{form}"
        run("mkdir", layout)
        run("tar", "-C", layout, "-xf", f"{saved['engine'].dir}/debian.{form}")
        stat = json.loads(run(umoci, "stat", "--json", "--image", f"{layout}:latest"))
        assert len(stat["history"]) >= 3
    run(umoci, "unpack", "--image", f"{layout}:latest", f"{layout}-bundle")
    run("test", "-f", f"{layout}-bundle/rootfs/opt/data/file", "-a", "!", "-e", f"{layout}-bundle/rootfs/etc/layer")


def test_podman_loads_ours(saved):
    podman = need("podman")
    base = saved["engine"].dir
    call = [podman, "--root", f"{base}/podman", "--runroot", f"{base}/podman-run", "--storage-driver", "vfs"]
    full = {"busybox": "docker.io/library/busybox:latest", "base": "localhost/servin/base:latest"}
    for archive, names in (("busybox.docker-archive", ["busybox"]), ("busybox.oci-archive", ["busybox"]),
                           ("both.docker-archive", ["base", "busybox"])):
        run(*call, "load", "-i", f"{base}/{archive}")
        for name in names:
            image = json.loads(run(*call, "image", "inspect", full[name]))[0]
            assert "sha256:" + image["Id"] == saved["id"][name]
            if archive.endswith("oci-archive"):
                assert image["Digest"] == saved["digest"][name]
        run(*call, "rmi", "--all", "--force")


def test_what_podman_saves_loads_here(saved, make_engine):
    podman = need("podman")
    base = saved["engine"].dir
    call = [podman, "--root", f"{base}/podman2", "--runroot", f"{base}/podman2-run", "--storage-driver", "vfs"]
    run(*call, "load", "-i", f"{base}/busybox.docker-archive")
    for form in ("docker-archive", "oci-archive"):
        run(*call, "save", "--format", form, "-o", f"{base}/podman.{form}", "docker.io/library/busybox:latest")
        engine = make_engine()
        engine.ok("load", "-i", f"{base}/podman.{form}")
        assert engine.ok("image", "inspect", saved["id"]["busybox"]).json()[0]["Id"] == saved["id"]["busybox"]
        assert engine.ok("run", "--rm", saved["id"]["busybox"][7:19], "echo", "hi").out == "hi\n"


@pytest.fixture(name="docker")
def make_docker(saved, source):
    """The command line of a docker client with a daemon of its own."""
    client, _ = need("docker"), need("dockerd")
    folder = f"{saved['engine'].dir}/docker"
    daemon = saved["engine"].popen(argv=[source / "tools/private-dockerd.sh", folder, f"servin-test-{saved['engine'].tag}"])
    docker = [client, "--host", f"unix://{folder}/docker.sock"]

    def answers():
        assert daemon.poll() is None, daemon.stderr.read()
        return subprocess.run([*docker, "version"], capture_output=True, check=False).returncode == 0

    saved["engine"].wait_for("the docker daemon", answers, timeout=60)
    yield docker
    daemon.kill()  # its namespaces go with it
    daemon.wait(60)


@pytest.mark.deadline(300)
def test_docker_loads_ours_and_saves_for_us(saved, docker, make_engine):
    for name, reference in (("debian", "debian:latest"), ("busybox", "busybox:latest")):
        run(*docker, "load", "-i", f"{saved['engine'].dir}/{name}.docker-archive")
        assert run(*docker, "image", "inspect", "--format", "{{.Id}}", reference).decode().strip() == saved["id"][name]
    path = f"{saved['engine'].dir}/back.tar"
    run(*docker, "save", "-o", path, "debian", "busybox")
    other = make_engine()
    other.ok("load", "-i", path)
    for name in ("debian", "busybox"):
        assert other.ok("image", "inspect", name).json()[0]["Id"] == saved["id"][name]
    assert other.ok("run", "--rm", "busybox", "echo", "hello").out == "hello\n"
