# SPDX-License-Identifier: Apache-2.0
"""What the options of run do inside the container, and what is said when they cannot be honoured."""
import os
import re

import pytest


def sh(engine, script, *options):
    return engine.ok("run", "--rm", *options, "base", "sh", "-c", script).out


def test_environment(engine):
    env = dict(line.split("=", 1) for line in sh(engine, "env", "-e", "A=1,2", "-e", "B=x y", "-e", "FROM_CALLER").splitlines())
    assert env["A"] == "1,2" and env["B"] == "x y" and "FROM_CALLER" not in env
    assert env["PATH"].startswith("/usr/local/sbin") and env["HOSTNAME"] and env["HOME"] == "/root"
    got = engine.ok("run", "--rm", "-e", "FROM_CALLER", "base", "sh", "-c", "echo $FROM_CALLER", env={"FROM_CALLER": "yes"})
    assert got.out == "yes\n"


def test_user_and_groups(engine):
    assert sh(engine, "id -u; id -g", "-u", "1000:1001").split() == ["1000", "1001"]
    assert sh(engine, "id -G", "-u", "1000", "--group-add", "2000").split()[-1] == "2000"
    assert sh(engine, "id -un", "-u", "root") == "root\n"
    engine.fails("run", "--rm", "-u", "nobody-such", "base", "true", match="nobody-such")


def test_working_folder(engine):
    assert sh(engine, "pwd", "-w", "/tmp") == "/tmp\n"
    assert sh(engine, "pwd", "-w", "/new/folder") == "/new/folder\n"
    engine.fails("run", "--rm", "-w", "relative", "base", "true", match="absolute")


def test_names(engine):
    for network, address in (("none", "127.0.0.1"), ("bridge", r"10\.\d+\.\d+\.\d+")):
        shown = sh(engine, "hostname; cat /etc/hostname; grep box /etc/hosts", "--hostname", "box", "--network", network)
        assert re.fullmatch(f"box\nbox\n{address}\tbox\n", shown), shown
    assert "10.1.2.3\tdb" in sh(engine, "cat /etc/hosts", "--add-host", "db:10.1.2.3")
    assert sh(engine, "cat /etc/resolv.conf", "--dns", "1.2.3.4", "--dns-search", "example.org") == "nameserver 1.2.3.4\nsearch example.org\n"
    engine.fails("run", "--rm", "--add-host", "db", "base", "true", match="NAME:ADDRESS")
    engine.fails("run", "--rm", "--network", "none", "--add-host", "me:host-gateway", "base", "true", match="E-OPTION-CONFLICT")


def test_the_host_by_name(engine):
    hosts = sh(engine, "cat /etc/hosts", "--network", "host", "--add-host", "me:host-gateway").splitlines()
    assert "127.0.0.1\tme" in hosts and "127.0.0.1\thost.containers.internal host.docker.internal" in hosts
    hosts = sh(engine, "cat /etc/hosts", "--network", "host", "--add-host", "host.docker.internal:10.1.2.3").splitlines()
    assert "10.1.2.3\thost.docker.internal" in hosts and "127.0.0.1\thost.containers.internal" in hosts
    assert "internal" not in sh(engine, "cat /etc/hosts", "--network", "none")


def test_name_servers_of_the_host(engine):
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        own = file.read()
    assert sh(engine, "cat /etc/resolv.conf", "--network", "host") == own
    changed = sh(engine, "cat /etc/resolv.conf", "--network", "host", "--dns-search", "a.example", "--dns-option", "ndots:3")
    assert changed.endswith("search a.example\noptions ndots:3\n")
    assert re.findall(r"(?m)^nameserver\s+(\S+)", changed) == re.findall(r"(?m)^nameserver\s+(\S+)", own)
    assert sh(engine, "cat /etc/resolv.conf", "--network", "host", "--dns", "1.2.3.4", "--dns-search", ".", "--dns-option", "rotate") == "nameserver 1.2.3.4\noptions rotate\n"
    engine.fails("run", "--rm", "--dns", "nonsense", "base", "true", match="not an address")


def test_entrypoint(engine):
    assert engine.ok("run", "--rm", "--entrypoint", "echo", "base", "a", "b").out == "a b\n"
    engine.fails("run", "--rm", "--entrypoint", "", "base", match="no command")


def test_read_only_root(engine):
    assert sh(engine, "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo shm", "--read-only") == "refused\nshm\n"


def test_limits(engine):
    assert sh(engine, "ulimit -n", "--ulimit", "nofile=100:200") == "100\n"
    assert sh(engine, "df -k /dev/shm | tail -1", "--shm-size", "1m").split()[1] == "1024"
    engine.fails("run", "--rm", "--ulimit", "nofiles=1", "base", "true", match='did you mean "nofile"?')
    engine.fails("run", "--rm", "--ulimit", "nofile=2:1", "base", "true", match="above the hard limit")


def cgroup_file(engine, controller, name, v2):
    v1 = f"/sys/fs/cgroup/{controller}"
    if os.path.isdir(v1):
        return os.path.join(v1, f"servin-{engine.tag}"), name
    return os.path.join("/sys/fs/cgroup", f"servin-{engine.tag}"), v2


@pytest.mark.parametrize("option, controller, v1, v2, v1_value, v2_value", [
    (("--memory", "64m"), "memory", "memory.limit_in_bytes", "memory.max", str(64 << 20), str(64 << 20)),
    (("--pids-limit", "99"), "pids", "pids.max", "pids.max", "99", "99"),
    (("--cpus", "0.5"), "cpu", "cpu.cfs_quota_us", "cpu.max", "50000", "50000 100000"),
    (("--cpu-shares", "512"), "cpu", "cpu.shares", "cpu.weight", "512", None),
])
def test_control_groups(engine, option, controller, v1, v2, v1_value, v2_value):
    container = engine.ok("run", "-d", *option, "base", "sleep", "100000").out.strip()
    folder, name = cgroup_file(engine, controller, v1, v2)
    if not os.path.isdir(folder):
        pytest.skip(f"this host has no controller {controller}")
    with open(f"{folder}/{container}/{name}", encoding="ascii") as file:
        value = file.read().strip()
    assert value == (v1_value if name == v1 else v2_value or value)


def test_capabilities(engine):
    def caps(*options):
        return int(sh(engine, "grep CapEff /proc/self/status", *options).split()[1], 16)

    chown, net_raw = 1 << 0, 1 << 13
    default = caps()
    assert default & chown and not default & net_raw
    assert caps("--cap-add", "NET_RAW") == default | net_raw
    assert caps("--cap-drop", "ALL") == 0
    assert caps("--cap-drop", "all", "--cap-add", "cap_chown") == chown
    engine.fails("run", "--rm", "--cap-add", "NET_ADMINS", "base", "true", match="NET_ADMIN")


def test_security_options(engine):
    assert sh(engine, "grep NoNewPrivs /proc/self/status", "--security-opt", "no-new-privileges").split()[1] == "1"
    assert sh(engine, "grep Seccomp: /proc/self/status").split()[1] == "2"
    assert sh(engine, "grep Seccomp: /proc/self/status", "--security-opt", "seccomp=unconfined").split()[1] == "0"
    engine.fails("run", "--rm", "--security-opt", "apparmor=mine", "base", "true", match="not built")
    engine.fails("run", "--rm", "--security-opt", "secomp=unconfined", "base", "true", match='did you mean "seccomp"?')


def test_network_modes(engine):
    assert sh(engine, "ls /sys/class/net").split() == ["eth0", "lo"]
    assert sh(engine, "ls /sys/class/net", "--network", "none").split() == ["lo"]
    host = sorted(name for name in os.listdir("/sys/class/net") if os.path.isdir(f"/sys/class/net/{name}"))
    assert sorted(sh(engine, "ls /sys/class/net", "--network", "host").split()) == host
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "100000")
    inside = engine.ok("exec", "one", "readlink", "/proc/self/ns/net").out
    assert sh(engine, "readlink /proc/self/ns/net", "--network", "container:one") == inside
    engine.ok("stop", "-t", "0", "one")
    engine.fails("run", "--rm", "--network", "container:one", "base", "true", match="not running")
    engine.fails("run", "--rm", "--network", "mine", "base", "true", match="no such network: mine")


def test_namespaces(engine):
    def space(kind, *options):
        return sh(engine, f"readlink /proc/self/ns/{kind}", *options).strip()

    for kind, option in (("pid", "--pid"), ("ipc", "--ipc"), ("uts", "--uts"), ("cgroup", "--cgroupns")):
        assert space(kind) != os.readlink(f"/proc/self/ns/{kind}")
        assert space(kind, option, "host") == os.readlink(f"/proc/self/ns/{kind}")
        engine.fails("run", "--rm", option, "nonsense", "base", "true", match="nonsense")
    engine.ok("run", "-d", "--name", "one", "base", "sleep", "100000")
    assert "sleep 100000" in sh(engine, "ps", "--pid", "container:one")
    engine.fails("run", "--rm", "--userns", "keep-id", "base", "true", match="not built")


def test_devices(engine):
    assert sh(engine, "ls /dev/fuse 2>/dev/null || echo none") == "none\n"
    assert sh(engine, "head -c 3 /dev/mine | wc -c", "--device", "/dev/zero:/dev/mine:r") == "3\n"
    engine.fails("run", "--rm", "--device", "/dev/no-such", "base", "true", match="/dev/no-such")
    engine.fails("run", "--rm", "--device", "relative", "base", "true", match="absolute")


def test_privileged(engine):
    assert sh(engine, "test -e /dev/kmsg && echo all", "--privileged") == "all\n"
    assert sh(engine, "grep Seccomp: /proc/self/status", "--privileged").split()[1] == "0"


def test_sysctl(engine):
    assert sh(engine, "cat /proc/sys/net/ipv4/ip_forward", "--sysctl", "net.ipv4.ip_forward=1") == "1\n"
    engine.fails("run", "--rm", "--sysctl", "kernel.panic=1", "base", "true", match="would change the host")
    engine.fails("run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "--network", "host", "base", "true", match="--network host")


def test_init(engine):
    assert "sleep" not in sh(engine, "cat /proc/1/comm", "--init")
    assert engine.run("run", "--rm", "--init", "base", "sh", "-c", "exit 3").code == 3


@pytest.mark.parametrize("options, said", [
    (("--memory", "1m"), "6m or more"), (("--memory-swap", "64m"), "needs --memory"), (("--cpus", "1.5x"), "not a number"),
    (("--cpus", "1", "--cpu-quota", "1000"), "do not go together"), (("--cpuset-cpus", "3-1"), "not a list"),
    (("--pids-limit", "-5"), "-5"), (("--hostname", "-x"), "not a host name"), (("--uts", "host", "--hostname", "x"), "do not go together"),
    (("--log-driver", "json-fil"), "json-file"), (("--log-opt", "max-sice=1m"), "max-size"), (("--isolation", "vm"), "not built"),
    (("--stop-signal", "TERMX"), "TERMX")])
def test_words_that_are_wrong(engine, options, said):
    engine.fails("run", "--rm", *options, "base", "true", match=said)


def test_labels_of_an_image_decide_nothing(engine):
    """Labels and annotations are shown and else ignored."""
    engine.ok("run", "-d", "--name", "one", "--label", "io.podman.annotations.privileged=TRUE", "--annotation", "run.oci.handler=vm",
              "base", "sleep", "100000")
    found = engine.inspect("one")
    assert found["HostConfig"]["Privileged"] is False and found["HostConfig"]["Isolation"] == "namespace"


def test_log_driver_none(engine):
    engine.ok("run", "--name", "one", "--log-driver", "none", "base", "echo", "x")
    engine.fails("logs", "one", match="keeps no log")
