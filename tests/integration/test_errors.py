# SPDX-License-Identifier: Apache-2.0
"""Every entry of the error catalogue is provoked by a user's command: the message names the object, the second line says
what to do, the third leads to the entry, and the exit code is the documented one."""
import contextlib
import fcntl
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import struct
import tarfile

import pytest

from support.engine import PROGRAM, Result
from support.fusefs import broken_folder
from support.imagebuilder import Dir, File, Image, Symlink, busybox, docker_archive, layer
from support.registry import OCI, FakeRegistry, TestImage, children, make_ca

PROVOKE = {}


def provokes(name, code=125):
    def register(function):
        PROVOKE[name] = (function, code)
        return function
    return register


def simple(name, *words, names=None, code=125):
    """A command that needs nothing before it. `names`: what the message must name (default: the last word)."""
    PROVOKE[name] = (lambda e: (list(words), names or words[-1]), code)


# Each function prepares its engine and returns the words of the failing command and what the message must name; or a
# finished Result in place of the words.

simple("E-CONTAINER-NOT-FOUND", "rm", "nosuch")
simple("E-NAME-INVALID", "create", "--name", "a b", "base", names="a b")
simple("E-COMMAND-NOT-FOUND", "run", "--rm", "base", "no-such-program", code=127)
simple("E-COMMAND-NOT-EXECUTABLE", "run", "--rm", "base", "/etc", code=126)
simple("E-WORKDIR", "run", "--rm", "-w", "/bin/busybox", "base", "true", names="/bin/busybox", code=127)
simple("E-USER-UNKNOWN", "run", "--rm", "-u", "stranger", "base", "true", names="stranger")
simple("E-USER-INVALID", "run", "--rm", "-u", "99999999999", "base", "true", names="99999999999")
simple("E-OBJECT-NOT-FOUND", "inspect", "nosuch")
simple("E-IMAGE-NOT-FOUND", "run", "nosuch")
simple("E-TEMPLATE-NOT-FOUND", "image", "template", "create", "nosuch")
simple("E-VOLUME-NOT-FOUND", "volume", "rm", "nosuch")
simple("E-COMMAND-UNKNOWN", "frobnicate")
simple("E-ARGUMENTS", "rename", "one", names="rename")
simple("E-OPTION-UNKNOWN", "run", "--nmae", "x", "base", names="--nmae")
simple("E-OPTION-VALUE", "run", "--memory", "much", "base", names="much")
simple("E-OPTION-CONFLICT", "run", "-d", "-a", "stdout", "base", names="--detach")
simple("E-NOT-BUILT", "compose", "up", names="compose")
simple("E-FILTER-INVALID", "ls", "--filter", "name")
simple("E-FILTER-UNKNOWN", "ls", "--filter", "nmae=x", names="nmae")
simple("E-FORMAT-INVALID", "ls", "--format", "{{.Nmaes}}", names="Nmaes")
simple("E-NO-TERMINAL", "run", "-it", "base", "true", names="terminal")
simple("E-FILE-NOT-FOUND", "load", "-i", "/no/such/file")
simple("E-NO-ISOLATION", "run", "--isolation", "none", "--memory", "64m", "base", "true", names="memory")
simple("E-NETWORK-NOT-FOUND", "run", "--network", "mine", "base", "true", names="mine")
simple("E-NETWORK-BUILT-IN", "network", "rm", "bridge", names="bridge")
simple("E-PROTOCOL", "run", "--network", "bridge", "-p", "9000:9000/sctp", "base", "true", names="sctp")  # the test hosts' kernels have none
simple("E-HOST-ADDRESS", "run", "--network", "bridge", "-p", "203.0.113.9:8080:80", "base", "true", names="203.0.113.9")
simple("E-MOUNT-SOURCE-MISSING", "run", "--mount", "type=bind,source=/no/such,target=/x", "base", "true", names="/no/such")
simple("E-VOLUME-SIZE", "volume", "create", "--opt", "size=1g", names="1g")
simple("E-DEVICE-NOT-FOUND", "run", "--device", "/dev/nosuch", "base", "true", names="/dev/nosuch")
simple("E-CAP-UNKNOWN", "run", "--cap-add", "NET_ADMINN", "base", "true", names="NET_ADMINN")
simple("E-ULIMIT-UNKNOWN", "run", "--ulimit", "nofiles=1", "base", "true", names="nofiles")
simple("E-SYSCTL-REFUSED", "run", "--sysctl", "net.ipv4.no_such_setting=1", "base", "true", names="no_such_setting")
simple("E-LIMIT-REFUSED", "run", "--cpuset-cpus", "1000", "base", "true", names="1000")
simple("E-REGISTRY-UNREACHABLE", "pull", "127.0.0.1:9/x", names="127.0.0.1:9")
simple("E-IMAGE-BUILT-IN", "pull", "base")
simple("E-NOT-LOGGED-IN", "logout", "registry.example")


@provokes("E-REGISTRY-BLOCKED")
def registry_blocked(e):
    return registries_conf(e, '[[registry]]\nprefix = "evil.example"\nblocked = true\n', "evil.example/x")


@provokes("E-REGISTRIES-CONF")
def registries_conf_broken(e):
    return registries_conf(e, "[[registry\n", "registries.conf: line 1")


def registries_conf(e, text, names):
    with open(e.registries_conf, "w", encoding="utf-8") as file:
        file.write(text)
    return ["pull", "evil.example/x"], names


@provokes("E-AUTH-FILE")
def auth_file(e):
    os.mkdir(f"{e.home}/.docker")
    with open(f"{e.home}/.docker/config.json", "w", encoding="utf-8") as file:
        file.write("{")
    return ["pull", "127.0.0.1:9/x"], "config.json"


@provokes("E-CREDENTIAL-HELPER")
def credential_helper(e):
    os.mkdir(f"{e.home}/.docker")
    with open(f"{e.home}/.docker/config.json", "w", encoding="utf-8") as file:
        file.write('{"credsStore": "nosuch"}')
    return ["pull", "127.0.0.1:9/x"], "docker-credential-nosuch"


# --- a registry of our own (support/registry.py) that misbehaves in one way each

def at_registry(name, match, hook=None, tls=False, **more):
    def provoke(e):
        registry = FakeRegistry(tls=make_ca(f"{e.dir}/ca") if tls else None, **more)
        try:
            registry.put("x:1", TestImage())
            if hook:
                registry.hook = hook
            return e.run("pull", f"{registry.host}/x:1", env={"SERVIN_TRANSFER_TRIES": "1", "SERVIN_TRANSFER_STALL": "1"}), match
        finally:
            registry.close()
    PROVOKE[name] = (provoke, 125)


def for_manifests(*answer, **more):
    return lambda request: "/manifests/" in request.path and (request.answer(*answer, **more) or True)


def silent(request):
    request.send_response(200)
    request.send_header("Content-Length", "100")
    request.end_headers()
    request.wfile.flush()
    request.rfile.read(1)  # until the other side hangs up
    request.close_connection = True
    return True


at_registry("E-REGISTRY-TLS", "not trusted", tls=True)
at_registry("E-REGISTRY-STALLED", "nothing comes any more", silent)
at_registry("E-REGISTRY-LIES", "text/html", for_manifests(200, TestImage().manifest, "text/html"))
at_registry("E-REGISTRY-REDIRECT", "169.254.169.254", for_manifests(307, headers=[("Location", "http://169.254.169.254/")]))
at_registry("E-REGISTRY-DENIED", "x:1", users={"me": "secret"})
at_registry("E-REGISTRY-NOT-FOUND", "x:1", for_manifests(404))
at_registry("E-REGISTRY-LIMIT", "3600", for_manifests(429, headers=[("Retry-After", "3600")]))
at_registry("E-REGISTRY-FAILED", "500", for_manifests(500))
at_registry("E-REGISTRY-SCHEMA1", "x:1", for_manifests(200, b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws"))


@provokes("E-REGISTRY-PROXY")
def registry_proxy(e):
    return e.run("pull", "registry.example/x", env={"HTTPS_PROXY": "http://127.0.0.1:9"}), "127.0.0.1:9"


@provokes("E-REGISTRY-TOKEN-SERVER")
def registry_token_server(e):
    registry = FakeRegistry(tokens=True)
    try:
        registry.realm = f"http://localhost:{registry.port}/token"
        return e.run("pull", "--creds", "me:secret", f"{registry.host}/x:1"), "localhost"
    finally:
        registry.close()


@provokes("E-IMAGE-FOREIGN-LAYER")
def image_foreign_layer(e):
    registry = FakeRegistry()
    try:
        image = TestImage()
        image.document["layers"][0].update(mediaType=OCI + "layer.nondistributable.v1.tar+gzip", urls=["https://127.0.0.1:9/layer"])
        registry.put("x:1", image)
        layer_digest = image.document["layers"][0]["digest"]
        del registry.blobs[layer_digest]
        return e.run("pull", f"{registry.host}/x:1"), layer_digest
    finally:
        registry.close()


@provokes("E-IMAGE-NAME-SHORT")
def image_name_short(e):
    with open(e.registries_conf, "w", encoding="utf-8") as file:
        file.write('unqualified-search-registries = ["one.example", "two.example"]\nshort-name-mode = "enforcing"\n')
    return ["pull", "tool"], "one.example/tool, two.example/tool"


@provokes("E-TRANSFER-LOST")
def transfer_lost(e):
    registry = FakeRegistry()
    try:
        registry.hook = silent
        pull = e.popen("pull", f"{registry.host}/x:1")
        e.wait_for("a request", lambda: registry.requests)
        for pid in children(pull.pid):
            os.kill(pid, signal.SIGKILL)
        out, err = pull.communicate(timeout=60)
        return Result(["pull"], pull.returncode, out, err), "servin-transfer"
    finally:
        registry.close()


@provokes("E-ID-AMBIGUOUS")
def id_ambiguous(e):
    first = set()
    for _ in range(17):  # more containers than there are hex digits
        digit = e.ok("create", "base").out[0]
        if digit in first:
            return ["start", digit], digit
        first.add(digit)
    raise AssertionError("17 ids with 16 first digits")


@provokes("E-NAME-TAKEN")
def name_taken(e):
    e.ok("create", "--name", "taken", "base")
    return ["create", "--name", "taken", "base"], "taken"


@provokes("E-RUNNING")
def running(e):
    e.ok("run", "-d", "--name", "on", "base", "sleep", "1000")
    return ["rm", "on"], "on"


@provokes("E-NOT-RUNNING")
def not_running(e):
    e.ok("create", "--name", "off", "base")
    return ["exec", "off", "true"], "off"


@provokes("E-PAUSED")
def paused(e):
    e.ok("run", "-d", "--name", "frozen", "base", "sleep", "1000")
    e.ok("pause", "frozen")
    return ["exec", "frozen", "true"], "frozen"


@provokes("E-RESTARTING")
def restarting(e):
    e.ok("run", "-d", "--name", "again", "--restart", "always", "base", "sh", "-c", "until [ -e /end ]; do sleep 0.05; done; exit 3")
    # The next pause is to be a minute long (docs/state-layout.md: restart).
    record = pathlib.Path(e.root, "run/containers", e.inspect("again")["Id"], "restart")
    fields = record.read_bytes()
    record.write_bytes(fields[:9] + struct.pack("<I", 50_000) + fields[13:])
    e.ok("exec", "again", "touch", "/end")
    e.wait_for("the pause", lambda: e.inspect("again")["State"]["Restarting"])
    return ["exec", "again", "true"], "again"


@provokes("E-NO-HEALTHCHECK")
def no_health_check(e):
    e.ok("run", "-d", "--name", "unchecked", "base", "sleep", "1000")
    return ["wait", "--condition", "healthy", "unchecked"], "unchecked"


@provokes("E-LOG-RECEIVER")
def no_log_receiver(e):
    return ["run", "--rm", "--log-driver", "syslog", "--log-opt", f"syslog-address=unix://{e.dir}/nobody", "base", "true"], f"{e.dir}/nobody"


@provokes("E-LOG-ELSEWHERE")
def log_elsewhere(e):
    e.ok("run", "--name", "sent", "--log-driver", "syslog", "--log-opt", "syslog-address=udp://127.0.0.1:9", "base", "echo", "hello")
    return ["logs", "sent"], "sent"


@provokes("E-NOT-PAUSED")
def not_paused(e):
    e.ok("run", "-d", "--name", "on", "base", "sleep", "1000")
    return ["unpause", "on"], "on"


@provokes("E-NO-LOG")
def no_log(e):
    e.ok("create", "--name", "mute", "--log-driver", "none", "base")
    return ["logs", "mute"], "mute"


def supervisor_of(e, name):
    pid = e.inspect(name)["State"]["Pid"]
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        shim = int(stat.read().rsplit(")", 1)[1].split()[1])
    with open(f"/proc/{shim}/comm", encoding="utf-8") as comm:
        assert comm.read().startswith("servin-shim")
    return shim


@provokes("E-SUPERVISOR-LOST")
def supervisor_lost(e):
    process = e.popen("run", "--name", "orphan", "base", "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout.readline() == b"ready\n"
    os.kill(supervisor_of(e, "orphan"), signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    return type("Result", (), {"code": process.returncode, "out": out.decode(), "err": err.decode()}), "orphan"


@provokes("E-SUPERVISOR-STUCK")
def supervisor_stuck(e):
    e.ok("run", "-d", "--name", "stuck", "base", "sleep", "1000")
    shim = supervisor_of(e, "stuck")
    os.kill(shim, signal.SIGSTOP)
    e.wait_for("it is stopped", lambda: pathlib.Path(f"/proc/{shim}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    return e.run("attach", "--no-stdin", "stuck"), str(shim)


@provokes("E-CGROUP-MISSING")
def cgroup_missing(e):
    if not os.path.ismount("/sys/fs/cgroup/memory"):
        pytest.skip("no v1 memory controller on this host that could be taken away; src/runtime/linux pretends it")
    script = 'umount -l /sys/fs/cgroup/memory && exec "$@"'
    return e.run(argv=["unshare", "-m", "sh", "-c", script, "sh", *e.argv("run", "--rm", "--memory", "64m", "base", "true")]), "memory"


@provokes("E-NO-COMMAND")
def no_command(e):
    image(e, "mute:1", Cmd=None)
    return ["run", "mute:1"], "mute:1"


def image(e, reference, layers=None, **config):
    path = docker_archive(f"{e.dir}/image.tar", [Image(reference, layers or [layer(Dir("x"))], **config)])
    e.ok("load", "-i", path)
    return path


@provokes("E-IMAGE-AMBIGUOUS")
def image_ambiguous(e):
    images = [Image(f"many:{i}", [layer(Dir("x"))], document={"author": str(i)}) for i in range(17)]
    e.ok("load", "-i", docker_archive(f"{e.dir}/many.tar", images))
    digits = [image.id.split(":")[1][0] for image in images]
    digit = next(d for d in digits if digits.count(d) > 1)
    return ["image", "inspect", digit], digit


@provokes("E-IMAGE-IN-USE")
def image_in_use(e):
    image(e, "used:1")
    e.ok("create", "--name", "user", "used:1", "x")
    return ["image", "rm", "used:1"], "used:1"


@provokes("E-IMAGE-PLATFORM")
def image_platform(e):
    path = docker_archive(f"{e.dir}/image.tar", [Image("here:1", [layer(Dir("x"))])])
    return ["load", "--platform", "linux/s390x", "-i", path], "s390x"


@provokes("E-IMAGE-INVALID")
def image_invalid(e):
    with tarfile.open(f"{e.dir}/bad.tar", "w") as tar:
        tar.add(e.file("manifest.json", "[{]"), "manifest.json")
    return ["load", "-i", f"{e.dir}/bad.tar"], "manifest"


@provokes("E-IMAGE-DAMAGED")
def image_damaged(e):
    liar = Image("liar:1", [layer(Dir("x"))])
    liar.layers = [layer(Dir("y"))]  # not those that its config names
    return ["load", "-i", docker_archive(f"{e.dir}/liar.tar", [liar])], "digest"


@provokes("E-LAYER-MISSING")
def layer_missing(e):
    image(e, "torn:1", [busybox()])
    for path in glob.glob(f"{e.root}/snapshots/*"):
        shutil.rmtree(path)
    return ["run", "--rm", "torn:1", "true"], "layer"


@provokes("E-ARCHIVE-UNSAFE")
def archive_unsafe(e):
    return ["load", "-i", docker_archive(f"{e.dir}/evil.tar", [Image("evil:1", [layer(File("../outside", "x"))])])], "../outside"


@provokes("E-ARCHIVE-DAMAGED")
def archive_damaged(e):
    whole = docker_archive(f"{e.dir}/whole.tar", [Image("torn:1", [busybox()])])
    with open(whole, "rb") as file:
        return ["load", "-i", e.file("torn.tar", file.read()[:100_000])], "torn.tar"


@provokes("E-ARCHIVE-LIMIT")
def archive_limit(e):
    many = Image("many:1", [layer(*(File(str(i)) for i in range(20)))])
    return ["load", "--max-entries", "10", "-i", docker_archive(f"{e.dir}/many.tar", [many])], "10"


@provokes("E-ARCHIVE-TERMINAL")
def archive_terminal(e):
    terminal = e.pty("save", "base")
    code = terminal.wait()
    return type("Result", (), {"code": code, "out": "", "err": terminal.text.replace("\r\n", "\n")}), "terminal"


@provokes("E-PATH-NOT-FOUND")
def path_not_found(e):
    e.ok("create", "--name", "one", "base")
    return ["fs", "cat", "one", "/no/such"], "/no/such"


@provokes("E-PATH-EXISTS")
def path_exists(e):
    e.ok("create", "--name", "one", "base")
    return ["fs", "mkdir", "one", "/bin"], "/bin"


@provokes("E-PATH-KIND")
def path_kind(e):
    e.ok("create", "--name", "one", "base")
    return ["fs", "cat", "one", "/bin"], "/bin"


@provokes("E-PATH-NOT-EMPTY")
def path_not_empty(e):
    e.ok("create", "--name", "one", "base")
    return ["fs", "rmdir", "one", "/bin"], "/bin"


@provokes("E-PATH-READ-ONLY")
def path_read_only(e):
    e.ok("create", "--name", "one", "--read-only", "base")
    return ["fs", "mkdir", "one", "/srv1"], "/srv1"


@provokes("E-PATH-MOUNTED")
def path_mounted(e):
    e.ok("create", "--name", "one", "-v", "vol:/data", "base")
    return ["fs", "rm", "-r", "one", "/data"], "/data"


@provokes("E-VOLUME-IN-USE")
def volume_in_use(e):
    e.ok("create", "-v", "kept:/data", "base")
    return ["volume", "rm", "kept"], "kept"


@provokes("E-FILE-EXISTS")
def file_exists(e):
    path = e.file("id", "")
    return ["run", "--rm", "--cidfile", path, "base", "true"], path


@provokes("E-NOT-ROOT")
def not_root(e):
    program = f"{e.dir}/servin"
    shutil.copy(PROGRAM, program)
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "--root", f"{e.dir}/theirs", "ls"]
    return e.run(argv=argv, cwd="/"), "root"


@provokes("E-PORT-BUSY")
def port_busy(e):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        return e.run("run", "--network", "bridge", "-p", f"{port}:80", "base", "true"), f"pid {os.getpid()}"


@provokes("E-PORT-NOT-PUBLISHED")
def port_not_published(e):
    e.ok("run", "-d", "--name", "quiet", "--network", "bridge", "base", "sleep", "1000")
    return ["port", "quiet", "80"], "80/tcp"


@provokes("E-SUBNET-USED")
def subnet_used(e):
    e.ok("network", "create", "--subnet", "10.77.0.0/24", "mine")
    return ["network", "create", "--subnet", "10.77.0.128/25", "other"], "10.77.0.128/25"


@provokes("E-NETWORK-EXISTS")
def network_exists(e):
    e.ok("network", "create", "mine")
    return ["network", "create", "mine"], "mine"


@provokes("E-NETWORK-IN-USE")
def network_in_use(e):
    e.ok("network", "create", "mine")
    e.ok("create", "--name", "inside", "--network", "mine", "base", "true")
    return ["network", "rm", "mine"], "inside"


@provokes("E-NETWORK-MEMBER")
def network_member(e):
    e.ok("network", "create", "mine")
    e.ok("create", "--name", "inside", "--network", "mine", "base", "true")
    return ["network", "connect", "mine", "inside"], "inside"


@provokes("E-ADDRESS-TAKEN")
def address_taken(e):
    e.ok("network", "create", "--subnet", "10.77.0.0/24", "mine")
    e.ok("create", "--name", "inside", "--network", "mine", "--ip", "10.77.0.9", "base", "true")
    return ["create", "--network", "mine", "--ip", "10.77.0.9", "base", "true"], "inside"


@provokes("E-SUBNET-FULL")
def subnet_full(e):
    script = 'ip link set lo up && ip address add 10.208.0.1/12 dev lo && exec "$@"'
    return e.run(argv=["unshare", "-n", "sh", "-c", script, "sh", *e.argv("run", "--rm", "--network", "bridge", "base", "true")]), "10.208.0.0/12"


@provokes("E-INSTALL-BROKEN")
def install_broken(e):
    os.mkdir(f"{e.dir}/bin")
    shutil.copy(PROGRAM, f"{e.dir}/bin/servin")
    return e.run(argv=[f"{e.dir}/bin/servin", "--root", e.root, "run", "--rm", "base", "true"]), "servin-shim"


@provokes("E-MOUNT-KIND")
def mount_kind(e):
    return ["run", "--rm", "-v", f"{e.file('plain', 'x')}:/bin", "base", "true"], "/bin"


@provokes("E-MOUNT-REFUSED")
def mount_refused(e):
    image(e, "trap:1", [busybox(), layer(Symlink("loop", "loop"))])
    return ["run", "--rm", "-v", f"{e.dir}/home:/proc/self", "trap:1", "true"], "/proc"


@provokes("E-MOUNT-PROPAGATION")
def mount_propagation(e):
    script = 'mount --make-rprivate / && exec "$@"'
    return e.run(argv=["unshare", "-m", "sh", "-c", script, "sh", *e.argv("run", "--rm", "-v", f"{e.dir}/home:/h:rshared", "base", "true")]), "home"


@provokes("E-MOUNT-IDMAP")
def mount_idmap(e):
    return ["run", "--rm", "-u", "77", "-v", "/sys/kernel:/k:U", "base", "true"], "/k"


@provokes("E-MOUNT-SUBPATH")
def mount_subpath(e):
    e.ok("volume", "create", "whole")
    return ["run", "--rm", "--mount", "type=volume,src=whole,dst=/x,volume-subpath=part", "base", "true"], "part"


@provokes("E-VOLUME-EXISTS")
def volume_exists(e):
    e.ok("volume", "create", "plain")
    return ["volume", "create", "--opt", "type=tmpfs", "plain"], "plain"


@provokes("E-VOLUME-MOUNT")
def volume_mount(e):
    e.ok("volume", "create", "--opt", "type=nosuchfs", "--opt", "device=none", "odd")
    return ["run", "--rm", "-v", "odd:/o", "base", "true"], "nosuchfs"


@provokes("E-SECCOMP-PROFILE")
def seccomp_profile(e):
    return ["run", "--rm", "--security-opt", f"seccomp={e.file('profile', '{')}", "base", "true"], "seccomp"


@provokes("E-MOUNT-SOURCE")
def mount_source(e):
    with broken_folder(f"{e.dir}/broken") as broken:
        return e.run("run", "--rm", "-v", f"{broken}/vanishes:/x", "base", "true"), "vanishes"


@provokes("E-KILL-TIMEOUT")
def kill_timeout(e):
    """The other container of the engine does not suffer, and once the file system is gone all goes as usual."""
    with broken_folder(f"{e.dir}/broken") as broken:
        e.ok("run", "-d", "--name", "other", "base", "sleep", "100000")
        e.ok("run", "-d", "--name", "hung", "-v", f"{broken}:/x", "base", "ls", "/x/hangs")
        pid = e.inspect("hung")["State"]["Pid"]
        e.wait_for("a request without an answer", lambda: "request_wait_answer" in pathlib.Path(f"/proc/{pid}/wchan").read_text())
        result = e.run("rm", "-f", "hung", timeout=100)
        assert e.ok("exec", "other", "echo", "well").out == "well\n"
        e.ok("rm", "-f", "other")
    e.ok("wait", "hung")
    e.ok("rm", "hung")
    return result, "hung"


@provokes("E-DISK-FULL")
def disk_full(e):
    path = docker_archive(f"{e.dir}/big.tar", [Image("big:1", [layer(File("big", os.urandom(6 << 20)))])])
    folder = f"{e.dir}/small"
    os.mkdir(folder)
    script = 'mount -t tmpfs -o size=4m none "$1" && exec "$2" --root "$1/root" load -i "$3"'
    return e.run(argv=["unshare", "-m", "sh", "-c", script, "sh", folder, PROGRAM, path]), "space"


@provokes("E-LOCKED")
def locked(e):
    ident = e.ok("create", "--name", "held", "base").out.strip()
    path = f"{e.root}/run/containers/{ident}/lock"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return e.run("rename", "held", "other"), "held"


@provokes("E-STATE-BUSY")
def state_busy(e):
    e.ok("volume", "create", "first")
    with contextlib.closing(sqlite3.connect(f"{e.root}/servin.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        result = e.run("volume", "create", "second")
        database.execute("ROLLBACK")
    return result, "servin.db"


@provokes("E-STATE-DAMAGED")
def state_damaged(e):
    e.ok("volume", "create", "first")
    for path in glob.glob(f"{e.root}/servin.db*"):
        os.unlink(path)
    with open(f"{e.root}/servin.db", "wb") as file:
        file.write(b"this is no database " * 500)
    return ["volume", "ls"], "servin.db"


@provokes("E-STATE-NEWER")
def state_newer(e):
    e.ok("volume", "create", "first")
    with contextlib.closing(sqlite3.connect(f"{e.root}/servin.db")) as database:
        database.execute("PRAGMA user_version = 9999")
        database.commit()
    return ["volume", "ls"], "newer"


def catalogue():
    result = os.popen(f"{PROGRAM} help --codes --format '{{{{.Id}}}}'").read()
    return result.split() or ["no-catalogue"]


@pytest.mark.parametrize("name", catalogue())
def test_entry_is_provoked(engine, name):
    assert name in PROVOKE, f"{name} is in the catalogue, but no test provokes it"
    prepare, code = PROVOKE[name]
    words, names = prepare(engine)
    result = engine.run(*words) if isinstance(words, list) else words
    assert result.code == code, result.err
    assert result.out in ("", "[]\n"), "errors go to stderr only; inspect is an array even then"
    lines = [line for line in result.err.splitlines() if not line.startswith("servin: note: ")]
    at = next((i for i, line in enumerate(lines) if line == f"  more: servin help {name}"), None)
    assert at is not None, result.err
    assert at >= 2, f"no hint: {result.err}"
    assert lines[at - 2].startswith("servin: "), result.err
    assert names in lines[at - 2] + lines[at - 1], result.err
    assert re.match(r"  \S", lines[at - 1]), result.err
    for word in ("unknown error", "std::", "errno", "rpc", "goroutine"):
        assert word not in result.err
    if name in ("E-STATE-DAMAGED", "E-STATE-NEWER"):  # leave a state that the clean-up can work with
        shutil.rmtree(engine.root)


def test_every_entry_is_explained(module_engine):
    names = catalogue()
    assert len(names) >= 40
    for name in names:
        text = module_engine.ok("help", name).out
        assert text.startswith(name + ": ") and "\nCause: " in text and "\nCure: " in text
    assert not PROVOKE.keys() - set(names), "provoked, but not in the catalogue"
    module_engine.fails("help", "E-NO-SUCH-CODE", match="E-NO-SUCH-CODE")
