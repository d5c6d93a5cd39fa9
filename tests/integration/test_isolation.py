# SPDX-License-Identifier: Apache-2.0
"""What a container sees of the machine, and what it may do there."""
import json
import os
import pathlib
import re

import pytest

NAMESPACES = ("pid", "mnt", "uts", "ipc", "net", "cgroup")
MASKED = ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats")
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def sh(engine, script, *options, **more):
    return engine.ok("run", "--rm", *options, "base", "sh", "-c", script, **more)


def links(text):
    return dict(re.findall(r"(\w+):\[(\d+)\]", text))


def own_namespaces():
    return links(" ".join(os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES))


LIST = "for n in " + " ".join(NAMESPACES) + "; do readlink /proc/self/ns/$n; done"


def test_every_namespace_is_its_own(module_engine):
    own, theirs = own_namespaces(), links(sh(module_engine, LIST).out)
    assert set(theirs) == set(NAMESPACES)
    assert not [name for name in NAMESPACES if theirs[name] == own[name]]


@pytest.mark.parametrize("option, name", [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup"), ("--network", "net")])
def test_a_namespace_of_the_host(module_engine, option, name):
    own, theirs = own_namespaces(), links(sh(module_engine, LIST, option, "host").out)
    assert [n for n in NAMESPACES if theirs[n] == own[n]] == [name]


def test_namespaces_of_another_container(engine):
    engine.ok("run", "-d", "--name", "first", "--hostname", "first", "base", "sh", "-c", "echo note >/dev/shm/note; exec sleep 100000")
    engine.wait_for("the note", lambda: engine.run("exec", "first", "cat", "/dev/shm/note").out == "note\n")
    theirs = links(engine.ok("exec", "first", "sh", "-c", LIST).out)
    for option, name in (("--network", "net"), ("--pid", "pid"), ("--ipc", "ipc")):
        seen = links(sh(engine, LIST, option, "container:first").out)
        assert [n for n in NAMESPACES if seen[n] == theirs[n]] == [name]
    assert sh(engine, "cat /dev/shm/note", "--ipc", "container:first").out == "note\n"
    assert "sleep 100000" in sh(engine, "ps", "--pid", "container:first").out
    assert "running" in engine.ok("ps", "--format", "{{.State}}").out


def test_ipc_modes(engine):
    """none: a namespace of its own and nothing at /dev/shm; private and none are not shared."""
    assert "--shm-size has no effect" in engine.ok("run", "--rm", "--ipc", "none", "--shm-size", "1m", "base", "true").err
    look = LIST + "; grep -c ' /dev/shm ' /proc/mounts; test -d /dev/shm || echo none"
    own = own_namespaces()
    for mode, mounts in (("none", "0\nnone\n"), ("private", "1\n"), ("shareable", "1\n"), ("host", "1\n")):
        found = sh(engine, look, "--ipc", mode).out
        assert (links(found)["ipc"] == own["ipc"]) == (mode == "host")
        assert found.endswith(mounts), (mode, found)
    for mode, shared in (("none", False), ("private", False), ("shareable", True)):
        engine.ok("run", "-d", "--name", mode, "--ipc", mode, "base", "sleep", "100000")
        assert engine.inspect(mode)["HostConfig"]["IpcMode"] == mode
        if shared:
            engine.ok("run", "--rm", "--ipc", f"container:{mode}", "base", "true")
        else:
            engine.fails("run", "--rm", "--ipc", f"container:{mode}", "base", "true", match=f"--ipc {mode}")


def test_exec_is_in_the_same_namespaces(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", LIST + "; exec sleep 100000")
    seen = engine.wait_for("the list", lambda: (lambda found: found if len(found) == 6 else None)(links(engine.ok("logs", "one").out)))
    assert links(engine.ok("exec", "one", "sh", "-c", LIST).out) == seen
    # And in the same cgroups, of which the container sees only its own part.
    assert engine.ok("exec", "one", "cat", "/proc/self/cgroup").out == engine.ok("exec", "one", "cat", "/proc/1/cgroup").out
    assert engine.tag not in engine.ok("exec", "one", "cat", "/proc/self/cgroup").out
    assert "sleep 100000" in engine.ok("exec", "one", "ps").out


def test_process_one_and_no_others(module_engine):
    out = sh(module_engine, "echo $$; ls -d /proc/[0-9]*").out.split()
    assert out[0] == "1" and len(out) <= 3


def test_first_process_with_init(module_engine):
    out = sh(module_engine, "echo $$; cat /proc/1/comm", "--init").out.split()
    assert out[0] != "1" and out[1] == "servin-init"
    assert module_engine.run("run", "--rm", "--init", "base", "sh", "-c", "exit 42").code == 42
    assert module_engine.run("run", "--rm", "--init", "base", "sh", "-c", "kill -9 $$").code == 137


def test_masked_paths_give_nothing(module_engine):
    script = "for f in %s; do [ -e $f ] || continue; [ -d $f ] && ls -A $f || head -c 64 $f; done" % " ".join(
        [f"/proc/{name}" for name in MASKED] + ["/sys/firmware", "/sys/devices/virtual/powercap", "/sys/fs/selinux"])
    result = sh(module_engine, script)
    assert (result.out, result.err) == ("", "")


def mounts(engine, *options):
    found = {}
    for line in engine.ok("run", "--rm", *options, "base", "cat", "/proc/self/mountinfo").lines:
        left, right = line.split(" - ")
        words = left.split()
        found[words[4]] = (right.split()[0], words[5].split(","), words[3], " ".join(words[6:]))
    return found


def test_mounts_are_those_that_we_made(module_engine):
    found = mounts(module_engine)
    assert found["/"][0] == "overlay" and "rw" in found["/"][1]
    assert found["/proc"][0] == "proc" and {"nosuid", "nodev", "noexec"} <= set(found["/proc"][1])
    assert found["/sys"][0] == "sysfs" and {"ro", "nosuid", "nodev", "noexec"} <= set(found["/sys"][1])
    assert found["/dev"][0] == "tmpfs" and "nosuid" in found["/dev"][1]
    # The first column of df and mount.
    listed = dict(reversed(line.split()[:2]) for line in sh(module_engine, "cat /proc/mounts").lines)
    assert [listed[path] for path in ("/", "/proc", "/dev", "/dev/shm")] == ["overlay", "proc", "tmpfs", "tmpfs"]
    assert found["/dev/pts"][0] == "devpts" and found["/dev/mqueue"][0] == "mqueue" and found["/dev/shm"][0] == "tmpfs"
    for path in READ_ONLY:
        if os.path.exists(path):
            assert "ro" in found[path][1], path
    for path in found:
        assert path == "/" or path.startswith(("/proc", "/sys", "/dev", "/etc/")), f"{path} is mounted"
        if path.startswith("/sys/fs/cgroup"):
            assert "ro" in found[path][1] and found[path][2] == "/", found[path]
        assert "shared:" not in found[path][3] and "master:" not in found[path][3], f"{path} propagates"


def test_kernel_files_cannot_be_written(module_engine):
    before = {path: pathlib.Path(path).read_text() for path in ("/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness")}
    attempts = ("echo x >/proc/sys/kernel/hostname", "echo 1 >/proc/sys/vm/swappiness", "echo h >/proc/sysrq-trigger",
                "mkdir /sys/fs/cgroup/x", "mkdir /sys/fs/cgroup/pids/x", "touch /sys/x", "mount -t proc p /mnt",
                "mount -o remount,rw /sys", "mount -o remount,rw /proc/sys", "umount /proc/sys", "umount /proc/keys", "mknod /m c 1 3",
                "hostname other", "unshare -m true", "unshare -U true")
    script = "; ".join(f"({attempt}) 2>/dev/null && echo '{attempt}'" for attempt in attempts) + "; true"
    assert sh(module_engine, script).out == ""
    for path, text in before.items():
        assert pathlib.Path(path).read_text() == text


def test_privileged_may(module_engine):
    script = "mount -t tmpfs t /mnt && touch /mnt/x && mknod /m c 1 3 && hostname other && hostname && [ -w /sys/fs/cgroup/pids ] && echo all"
    assert sh(module_engine, script, "--privileged").out == "other\nall\n"
    found = mounts(module_engine, "--privileged")
    assert "rw" in found["/sys"][1] and "/proc/sys" not in found and "/sys/firmware" not in found
    ours, theirs = set(os.listdir("/dev")), set(sh(module_engine, "ls /dev", "--privileged").out.split())
    assert not {name for name in ours - theirs if os.path.exists(f"/dev/{name}") and not os.path.isdir(f"/dev/{name}") and not os.path.islink(f"/dev/{name}")} - {"console"}


def test_devices(module_engine):
    out = sh(module_engine, "cd /dev; for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' $d; done; ls").out.splitlines()
    assert out[:6] == ["null 1:3 666", "zero 1:5 666", "full 1:7 666", "random 1:8 666", "urandom 1:9 666", "tty 5:0 666"]
    assert out[6:] == ["core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="this host has no /dev/fuse")
def test_a_device_of_the_host(module_engine):
    assert sh(module_engine, "stat -c %t:%T /dev/fuse; : </dev/fuse && echo open", "--device", "/dev/fuse").out == "a:e5\nopen\n"
    assert sh(module_engine, "stat -c %t:%T /dev/f/u; : </dev/f/u && echo open", "--device", "/dev/fuse:/dev/f/u:rwm").out == "a:e5\nopen\n"
    assert sh(module_engine, "stat -c %t:%T /dev/null /dev/fuse", "--device", "/dev/null", "--device", "/dev/fuse", "--device", "/dev/fuse").out == "1:3\na:e5\n"
    module_engine.fails("run", "--rm", "--device", "/dev/no-such", "base", "true", match="E-DEVICE-NOT-FOUND")
    # Made by the container itself: the filter still stands before it.
    denied = module_engine.run("run", "--rm", "--cap-add", "MKNOD", "base", "sh", "-c", "mknod /f c 10 229 && : </f")
    assert denied.code != 0 and "not permitted" in denied.err
    allowed = module_engine.run("run", "--rm", "--cap-add", "MKNOD", "--device-cgroup-rule", "c 10:229 rw", "base", "sh", "-c", "mknod /f c 10 229 && : </f")
    assert allowed.code == 0, str(allowed)


def test_read_only_root(module_engine):
    result = module_engine.run("run", "--rm", "--read-only", "--tmpfs", "/run", "-v", "box:/data", "base", "sh", "-c",
                               "touch /x; touch /etc/x; touch /run/a /data/b /dev/shm/c /etc/hosts && echo ok")
    assert result.out == "ok\n" and result.err.count("Read-only file system") == 2


def test_tmpfs_and_shm(module_engine):
    found = mounts(module_engine, "--tmpfs", "/a", "--tmpfs", "/b:size=1m,mode=700,exec", "--shm-size", "2m")
    assert {"nosuid", "nodev", "noexec"} <= set(found["/a"][1]) and "noexec" not in found["/b"][1]
    out = sh(module_engine, "stat -c %a /a /b; df -k /b /dev/shm | awk 'NR>1 {print $2}'", "--tmpfs", "/a", "--tmpfs", "/b:size=1m,mode=700", "--shm-size", "2m").out
    assert out.split() == ["1777", "700", "1024", "2048"]
    full = module_engine.run("run", "--rm", "--shm-size", "1m", "base", "sh", "-c", "head -c 2000000 /dev/zero >/dev/shm/x")
    assert full.code != 0 and full.err != ""


def test_limits_arrive(engine):
    engine.ok("run", "-d", "--name", "limited", "--memory", "64m", "--pids-limit", "33", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0",
              "--ulimit", "nofile=100:200", "--ulimit", "core=0", "--oom-score-adj", "500", "base", "sleep", "100000")
    pid = engine.inspect("limited")["State"]["Pid"]
    proc = pathlib.Path(f"/proc/{pid}")
    limits = (proc / "limits").read_text()
    assert re.search(r"Max open files +100 +200", limits) and re.search(r"Max core file size +0 +0", limits)
    assert (proc / "oom_score_adj").read_text() == "500\n"
    assert re.search(r"Cpus_allowed_list:\s+0$", (proc / "status").read_text(), re.M)
    files = {"memory.limit_in_bytes": "67108864", "memory.max": "67108864", "pids.max": "33", "cpu.cfs_quota_us": "50000", "cpu.max": "50000 100000",
             "cpu.shares": "512", "cpuset.cpus": "0"}
    seen = set()
    for folder in pathlib.Path("/sys/fs/cgroup").rglob(f"servin-{engine.tag}"):
        for name, wanted in files.items():
            for path in folder.glob(f"*/{name}"):
                assert path.read_text().strip() == wanted, path
                seen.add(name.split(".")[0])
    assert {"memory", "pids", "cpu"} <= seen
    # exec has them too.
    out = engine.ok("exec", "limited", "sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; grep Cpus_allowed_list /proc/self/status").out
    assert out.split() == ["100", "200", "500", "Cpus_allowed_list:", "0"]


def test_memory_limit_kills(engine):
    result = engine.run("run", "--name", "eater", "--memory", "24m", "--memory-swap", "24m", "base", "sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done")
    assert result.code == 137
    assert engine.inspect("eater")["State"]["OOMKilled"] is True


def test_pids_limit_holds(module_engine):
    out = module_engine.run("run", "--rm", "--pids-limit", "8", "base", "sh", "-c", "i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done; echo started")
    assert "can't fork" in out.err


def test_limits_that_cannot_be_raised_are_said(module_engine):
    """Without CAP_SYS_RESOURCE a limit above our own is lowered, and a line says so; with it it holds."""
    result = module_engine.ok("run", "--rm", "--ulimit", "nofile=1000:900000", "base", "sh", "-c", "ulimit -n; ulimit -Hn")
    soft, hard = map(int, result.out.split())
    assert soft == 1000
    assert hard == 900000 or "reduced" in result.err


def test_sysctls(module_engine):
    read = "cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert sh(module_engine, read).out.split() == ["0", "2147483647", "0"]
    assert sh(module_engine, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=4321").out.split() == ["1", "4321"]
    for bad in ("kernel.core_pattern=x", "vm.swappiness=1", "net.ipv4.no_such=1", "fs.file-max=1", "kernel.msgmax=no number"):
        module_engine.fails("run", "--rm", "--sysctl", bad, "base", "true", match=bad.split("=")[0].split(".")[-1])
    module_engine.fails("run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "base", "true")


def test_host_name(module_engine):
    out = sh(module_engine, "hostname; cat /etc/hostname /proc/sys/kernel/domainname /etc/hosts", "--hostname", "box.example", "--domainname", "example").out
    assert out.splitlines()[:3] == ["box.example", "box.example", "example"] and "box.example" in "".join(out.splitlines()[3:])
    assert re.fullmatch(r"[0-9a-f]{12}\n", sh(module_engine, "hostname").out)


def test_loopback_is_up_and_nothing_else_is_there(module_engine):
    assert sh(module_engine, "ls /sys/class/net; cat /sys/class/net/lo/flags", "--network", "none").out.split() == ["lo", "0x9"]


def test_nothing_of_the_host_is_reachable_after_the_switch(module_engine):
    assert sh(module_engine, "cd /; cd ../../../..; pwd; ls -a / | grep -c servin || true").out.split() == ["/", "0"]


def test_shared_propagation_is_only_by_request(engine):
    os.mkdir(f"{engine.dir}/shared")
    out = sh(engine, "grep ' /data ' /proc/self/mountinfo", "-v", f"{engine.dir}/shared:/data").out
    assert "shared:" not in out and "master:" not in out


def test_exec_under_a_profile_that_forbids_its_own_steps(engine):
    """The filter comes last: a program that may start no others can still be started by exec."""
    names = ["clone", "clone3", "fork", "vfork", "pipe2", "sendmsg", "setsid", "read", "prctl", "ppoll"]
    profile = engine.file("profile.json", json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": names, "action": "SCMP_ACT_ERRNO"}]}))
    engine.ok("run", "-d", "--name", "one", "--security-opt", f"seccomp={profile}", "base", "sleep", "1000")
    for options in ([], ["-i"], ["--user", "1000"]):
        assert engine.ok("exec", *options, "one", "echo", "hello").out == "hello\n"
    engine.fails("exec", "one", "nothing", code=127, match="E-COMMAND-NOT-FOUND")
    engine.ok("exec", "-d", "one", "sleep", "1000")
    assert engine.run("exec", "one", "sh", "-c", "sleep 1; echo started").code != 0, "it may start another program"


def test_seccomp(module_engine):
    """The default filter answers EPERM for what it refuses; a profile of the user's and none at all change that."""
    denied = module_engine.run("run", "--rm", "base", "unshare", "-U", "true")
    assert denied.code != 0 and "not permitted" in denied.err
    profile = module_engine.file("deny.json", '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 12}]}')
    result = module_engine.run("run", "--rm", "--security-opt", f"seccomp={profile}", "base", "mkdir", "/x")
    assert result.code == 1 and "memory" in result.err
    module_engine.ok("run", "--rm", "--security-opt", "seccomp=unconfined", "base", "unshare", "-U", "true")
    broken = module_engine.file("broken.json", '{"defaultAction": "SCMP_ACT_DANCE"}')
    module_engine.fails("run", "--rm", "--security-opt", f"seccomp={broken}", "base", "true", match="E-SECCOMP-PROFILE")


@pytest.mark.parametrize("number", range(3, 20))
def test_working_folder_by_descriptor(module_engine, number):
    """CVE-2024-21626."""
    for argv in (("run", "--rm", "-w", f"/proc/self/fd/{number}", "base", "pwd"), ("run", "--rm", "-w", f"/proc/1/fd/{number}/../..", "base", "pwd")):
        result = module_engine.run(*argv)
        assert result.code != 0 and "/" not in result.out, str(result)


def test_commands_that_are_not_there(module_engine):
    module_engine.fails("run", "--rm", "base", "no-such-command", code=127, match="E-COMMAND-NOT-FOUND")
    module_engine.fails("run", "--rm", "base", "/etc/hostname", code=126, match="E-COMMAND-NOT-EXECUTABLE")
    module_engine.fails("run", "--rm", "base", "/bin", code=126, match="E-COMMAND-NOT-EXECUTABLE")


def test_pause(engine):
    engine.ok("run", "-d", "--name", "one", "base", "sh", "-c", "while :; do echo tick; sleep 0.02; done")
    engine.wait_for("ticks", lambda: engine.ok("logs", "one").out)
    engine.ok("pause", "one")
    before = engine.ok("logs", "one").out
    assert engine.inspect("one")["State"]["Status"] == "paused"
    engine.ok("unpause", "one")
    engine.wait_for("more ticks", lambda: len(engine.ok("logs", "one").out) > len(before))
    engine.ok("pause", "one")
    engine.ok("rm", "-f", "one")
