# SPDX-License-Identifier: Apache-2.0
"""Section 1b of the list of attacks: users, groups, capabilities, environment, labels. Q1: the golden process status."""
import json
import pathlib

import pytest

from support.imagebuilder import Dir, File, Image, busybox, docker_archive, layer

# CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP
DEFAULT_CAPS = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31))
SYS_PTRACE, NET_RAW = 1 << 19, 1 << 13
FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


def host_status():
    return parse(pathlib.Path("/proc/self/status").read_text())


def parse(text):
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in FIELDS:
            found[name] = int(value.strip(), 16 if name.startswith("Cap") else 10)
    return found


def golden(permitted, bounding, nnp=0, seccomp=2):
    return {"CapInh": 0, "CapPrm": permitted, "CapEff": permitted, "CapBnd": bounding, "CapAmb": 0, "NoNewPrivs": nnp, "Seccomp": seccomp}


HOST = host_status()["CapBnd"]
UNCONFINED = host_status()["Seccomp"]  # a host may filter us already
STATUS = {
    "default": ([], golden(DEFAULT_CAPS, DEFAULT_CAPS)),
    "user": (["--user", "1000:1000"], golden(0, DEFAULT_CAPS)),
    "added": (["--cap-add", "SYS_PTRACE"], golden(DEFAULT_CAPS | SYS_PTRACE, DEFAULT_CAPS | SYS_PTRACE)),
    "added for a user": (["--cap-add", "CAP_NET_RAW", "--user", "1000"], golden(0, DEFAULT_CAPS | NET_RAW)),
    "dropped": (["--cap-drop", "CHOWN"], golden(DEFAULT_CAPS & ~1, DEFAULT_CAPS & ~1)),
    "all dropped": (["--cap-drop", "ALL"], golden(0, 0)),
    "one left": (["--cap-drop", "ALL", "--cap-add", "KILL"], golden(1 << 5, 1 << 5)),
    "no new privileges": (["--security-opt", "no-new-privileges"], golden(DEFAULT_CAPS, DEFAULT_CAPS, nnp=1)),
    "no filter": (["--security-opt", "seccomp=unconfined"], golden(DEFAULT_CAPS, DEFAULT_CAPS, seccomp=UNCONFINED)),
    "privileged": (["--privileged"], golden(HOST, HOST, seccomp=UNCONFINED)),
    "privileged user": (["--privileged", "--user", "1000"], golden(0, HOST, seccomp=UNCONFINED)),
    "with init": (["--init"], golden(DEFAULT_CAPS, DEFAULT_CAPS)),
    "terminal": (["-t"], golden(DEFAULT_CAPS, DEFAULT_CAPS)),
}


@pytest.mark.parametrize("name", STATUS)
def test_status_of_run(module_engine, name):
    """CVE-2022-29162 and its kin: inheritable and ambient sets are empty on every way in."""
    options, expected = STATUS[name]
    assert parse(module_engine.ok("run", "--rm", *options, "base", "cat", "/proc/self/status").out) == expected


EXEC = {
    "plain": ([], [], golden(DEFAULT_CAPS, DEFAULT_CAPS)),
    "user": ([], ["--user", "1000"], golden(0, DEFAULT_CAPS)),
    "terminal": ([], ["-t"], golden(DEFAULT_CAPS, DEFAULT_CAPS)),
    "privileged": ([], ["--privileged"], golden(HOST, HOST, seccomp=UNCONFINED)),
    "into a limited one": (["--cap-drop", "ALL", "--security-opt", "no-new-privileges"], [], golden(0, 0, nnp=1)),
    "root into a user's": (["--user", "1000"], ["--user", "0"], golden(DEFAULT_CAPS, DEFAULT_CAPS)),
    "into a privileged one": (["--privileged"], [], golden(HOST, HOST, seccomp=UNCONFINED)),
}


@pytest.mark.parametrize("name", EXEC)
def test_status_of_exec(engine, name):
    run_options, exec_options, expected = EXEC[name]
    engine.ok("run", "-d", "--name", "one", *run_options, "base", "sleep", "100000")
    found = parse(engine.ok("exec", *exec_options, "one", "cat", "/proc/self/status").out)
    if name == "privileged":
        found["Seccomp"] = expected["Seccomp"]  # the container's own filter may stay
    assert found == expected


# --- USER

PASSWD = ("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n1234567:x:0:0::/:/bin/sh\n2147483648:x:0:0::/:/bin/sh\n"
          "4294967296:x:0:0::/:/bin/sh\n0x0:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\n+0:x:0:0::/:/bin/sh\n99999999999:x:0:0::/:/bin/sh\n 0:x:0:0::/:/bin/sh\n"
          "junk\n:x:0:0::/:/bin/sh\nshort:x:5\nbad:x:abc:0::/:/bin/sh\nbig:x:4294967296:0::/:/bin/sh\nlast:x:77:88::/:/bin/sh")
GROUP = "root:x:0:\nuser:x:1000:\nextra:x:2000:user,other\nmore:x:2001:other,user\nnone:x:2002:other\n3000:x:0:\n"

GOOD_USERS = {  # USER -> uid, gid, all groups
    "": (0, 0, {0}), "0": (0, 0, {0}), "root": (0, 0, {0}), "user": (1000, 1000, {1000, 2000, 2001}), "1000": (1000, 1000, {1000, 2000, 2001}),
    "user:extra": (1000, 2000, {2000}), "user:2000": (1000, 2000, {2000}), "1000:1000": (1000, 1000, {1000}), "1234:5678": (1234, 5678, {5678}),
    "1234": (1234, 0, {0}), "1234567": (1234567, 0, {0}), "2147483647": (2147483647, 0, {0}), "0:0": (0, 0, {0}), "user:3000": (1000, 3000, {3000}),
    "last": (77, 88, {88}),
}
BAD_USERS = ["2147483648", "4294967295", "4294967296", "99999999999", "18446744073709551616", "-1", "0x0", "+0", " 0", "0 ", "1:4294967296", "1:2147483648", "1:-1",
             "nosuch", "nosuch:0", "user:nosuch", "user:extra:more", ":", "1:", "0:0:0", "short", "bad", "big", "junk", "user\n", "us\ner", "../root", "$(id)", "1e3", "0b1", "x" * 10000]


@pytest.fixture(scope="module")
def users(module_engine):
    image = Image("users:1", [busybox(), layer(File("etc/passwd", PASSWD, 0o644), File("etc/group", GROUP, 0o644))])
    module_engine.ok("load", "-i", docker_archive(f"{module_engine.dir}/users.tar", [image]))
    module_engine.ok("run", "-d", "--name", "users", "users:1", "sleep", "100000")
    return module_engine


LOOK = ["sh", "-c", "grep -E '^(Uid|Gid|Groups)' /proc/self/status"]


def identity(result):
    fields = {line.partition(":")[0]: line.partition(":")[2].split() for line in result.lines}
    assert len(set(fields["Uid"])) == 1 and len(set(fields["Gid"])) == 1, f"the four ids differ: {result}"
    return int(fields["Uid"][0]), int(fields["Gid"][0]), set(map(int, fields["Groups"])) | {int(fields["Gid"][0])}


@pytest.mark.parametrize("user", GOOD_USERS, ids=repr)
def test_user(users, user):
    """CVE-2022-36109: the supplementary groups are those of /etc/group. CVE-2026-30892: the same table for exec."""
    uid, gid, groups = GOOD_USERS[user]
    found = identity(users.ok("run", "--rm", f"--user={user}", "users:1", *LOOK))
    assert found[:2] == (uid, gid)
    assert found[2] - {0} == groups - {0}, "supplementary groups"
    assert identity(users.ok("exec", f"--user={user}", "users", *LOOK)) == found


@pytest.mark.parametrize("user", BAD_USERS, ids=lambda user: repr(user[:20]))
def test_bad_user(users, user):
    """CVE-2024-40635, CVE-2026-46680: a number that is none is never looked up as a name, and never wraps to root."""
    users.fails("run", "--rm", f"--user={user}", "users:1", "id")
    users.fails("exec", f"--user={user}", "users", "id")


@pytest.mark.deadline(300)
def test_bad_user_of_the_image(engine):
    base = layer(File("etc/passwd", PASSWD, 0o644), File("etc/group", GROUP, 0o644))
    images = [Image(f"user-{number}:1", [busybox(), base], User=user) for number, user in enumerate(BAD_USERS)]
    for image in images:
        loaded = engine.run("load", "-i", docker_archive(f"{engine.dir}/u.tar", [image]))
        if loaded.code == 0:
            engine.fails("run", "--rm", image.reference, "id")
        else:
            assert loaded.code == 125, str(loaded)


def test_group_permissions_are_not_bypassed(engine):
    """A file that its group must not read: being in the group by /etc/group counts."""
    image = Image("x:1", [busybox(), layer(File("secret", "for others only\n", 0o604, gid=2000))])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    engine.fails("run", "--rm", "--user", "user", "x:1", "cat", "/secret", code=1)
    engine.fails("run", "--rm", "--user", "1000:1000", "--group-add", "2000", "x:1", "cat", "/secret", code=1)
    assert engine.ok("run", "--rm", "--user", "65534", "x:1", "cat", "/secret").out == "for others only\n"


# --- environment

def test_environment_does_not_leak(engine):
    """CVE-2020-14370, CVE-2021-3602: neither the caller's nor another container's variables."""
    foreign = {"SECRET_OF_HOST": "hush", "LD_PRELOAD_X": "1", "AWS_KEY": "hush"}
    engine.ok("run", "-d", "--name", "a", "-e", "SECRET_OF_A=hush", "base", "sleep", "100000", env=foreign)
    engine.ok("run", "-d", "--name", "b", "base", "sleep", "100000", env=foreign)
    look = ["sh", "-c", "env; tr '\\0' '\\n' </proc/1/environ"]
    for command in (["run", "--rm", "base", *look], ["exec", "b", *look], ["run", "--rm", "--init", "base", *look], ["run", "--rm", "-t", "base", *look]):
        out = engine.ok(*command, env=foreign).out
        assert "hush" not in out and "SERVIN" not in out and engine.dir not in out, f"{command}: {out}"
    for command in (["inspect", "b"], ["logs", "b"]):
        assert "hush" not in engine.ok(*command, env=foreign).out
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (pid / "cmdline").read_bytes()
        except OSError:
            continue
        assert b"SECRET_OF_A" not in words or engine.dir.encode() not in words, "a variable of a container in an argument list that everybody can read"


def test_dangerous_variables_stay_inside(engine):
    """What a variable of an image or an option makes a dynamic linker or shell do, it does inside only."""
    marker = f"{engine.dir}/marker"
    names = ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "GLIBC_TUNABLES", "MALLOC_TRACE", "TMPDIR", "HOME", "PATH", "IFS", "LD_DEBUG_OUTPUT", "SERVIN_ROOT", "TZ"]
    image = Image("x:1", [busybox()], Env=["PATH=/bin", *(f"{name}={marker}" for name in names if name != "PATH")])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [image]))
    out = engine.ok("run", "--rm", "x:1", "env").out
    assert f"LD_PRELOAD={marker}" in out
    assert not pathlib.Path(marker).exists()


# --- labels and annotations

CONTROLS = {"io.containers.autoupdate": "registry", "io.podman.annotations.privileged": "TRUE", "io.podman.annotations.seccomp": "unconfined",
            "io.podman.annotations.label": "disable", "io.podman.annotations.userns": "host", "io.kubernetes.cri-o.Devices": "/dev/mem", "io.kubernetes.cri-o.userns-mode": "host",
            "run.oci.keep_original_groups": "1", "run.oci.seccomp.receiver": "/x", "run.oci.hooks.stdout": "/x", "run.oci.systemd.force_cgroup_v1": "/x", "run.oci.handler": "krun",
            "run.oci.pidfd_receiver": "/x", "run.oci.mount_context_type": "x", "run.oci.delegate-cgroup": "../../x", "org.systemd.property.ExecStart": "/x",
            "com.docker.compose.project": "x", "io.containerd.runc.v2.group": "x", "io.container.manager": "x", "servin.privileged": "true", "servin.isolation": "none",
            "org.servin.security-opt": "seccomp=unconfined", "io.containers.capabilities": "SYS_ADMIN", "io.buildah.version": "1", "org.opencontainers.image.ref.name": "../../x",
            "org.criu.config": "/x", "module.wasm.image/variant": "compat", "io.katacontainers.config_path": "/x", "com.apple.container.privileged": "true"}


def security_section(engine, name):
    """All of inspect that says what the container may do."""
    found = json.loads(engine.ok("inspect", name).out)[0]
    found["HostConfig"].pop("LogConfig", None)
    return json.dumps({"HostConfig": found["HostConfig"], "Mounts": found["Mounts"], "User": found["Config"].get("User"), "AppArmor": found.get("AppArmorProfile")},
                      sort_keys=True).replace(found["Id"], "ID")


def test_labels_control_nothing(engine):
    """CVE-2026-53488, CVE-2026-94603: metadata of an image is data."""
    clean = Image("clean:1", [busybox()])
    hostile = Image("hostile:1", [busybox()], document={"annotations": CONTROLS, "Annotations": CONTROLS}, Labels=CONTROLS, Annotations=CONTROLS,
                    HostConfig={"Privileged": True, "Binds": ["/:/host"], "CapAdd": ["ALL"]}, Privileged=True, OnBuild=["RUN x"], Binds=["/:/host"],
                    CapAdd=["ALL"], SecurityOpt=["seccomp=unconfined"], NetworkMode="host", Devices=["/dev/mem"])
    engine.ok("load", "-i", docker_archive(f"{engine.dir}/x.tar", [clean, hostile]))
    sections, statuses, mounts = [], [], []
    for name in ("clean", "hostile"):
        engine.ok("run", "-d", "--name", name, f"{name}:1", "sleep", "100000")
        sections.append(security_section(engine, name))
        statuses.append(parse(engine.ok("exec", name, "cat", "/proc/self/status").out))
        mounts.append(sorted(line.split(" ")[4] for line in engine.ok("exec", name, "cat", "/proc/self/mountinfo").lines))
    assert sections[0] == sections[1]
    assert statuses[0] == statuses[1] == golden(DEFAULT_CAPS, DEFAULT_CAPS)
    assert mounts[0] == mounts[1]
    labels = json.loads(engine.ok("inspect", "hostile").out)[0]["Config"]["Labels"]
    assert labels == CONTROLS, "labels are shown as they are"


def test_volume_of_the_image_stays_in_the_root(engine, canary):
    """CVE-2022-23648: what is copied into a volume comes from the image only."""
    from support.imagebuilder import Symlink
    texts = ["/../../etc", "/data/../../../etc", f"/..{canary.path}", "/link", "/link/folder", "data", "./data", "//data//", "/data/.", "/etc/../data", "/a b", "/data:ro"]
    base = layer(Dir("data"), File("data/file", "of the image\n", 0o644), Symlink("link", canary.path), File("etc/marker", "of the image\n", 0o644))
    for number, text in enumerate(texts):
        image = Image(f"v{number}:1", [busybox(), base], Volumes={text: {}})
        loaded = engine.run("load", "-i", docker_archive(f"{engine.dir}/v.tar", [image]))
        if loaded.code == 0:
            result = engine.run("run", "--name", f"c{number}", f"v{number}:1", "cat", "/proc/self/mountinfo")
            assert result.code in (0, 125), str(result)
        else:
            assert loaded.code == 125, str(loaded)
    for path in pathlib.Path(f"{engine.root}/volumes").rglob("*"):
        if path.is_file() and path.parent.name == "_data":
            assert "host" not in path.read_text(errors="replace") and path.name != "secret", f"a host file in a volume: {path}"
    canary.check()
